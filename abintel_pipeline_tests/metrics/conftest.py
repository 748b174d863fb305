from collections.abc import Iterator

import pytest

from abintel_pipeline.engine.connection import engine
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.metrics.running import Formulas


@pytest.fixture(scope="module")
def formulas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formulas]:
    """The formulas on an engine of their own."""
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("engine"), threads=2)
    with engine(settings) as connection:
        yield Formulas(connection)
