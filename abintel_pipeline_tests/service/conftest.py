"""The calls, without a server: one engine for a whole module."""

from collections.abc import Iterator

import pytest

from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.settings import Settings


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    made = Calls(Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data")))
    yield made
    made.close()
