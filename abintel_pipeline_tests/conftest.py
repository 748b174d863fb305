"""What several test modules need: a small shop with deliveries, in a folder of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from abintel_pipeline.settings import ENV_PREFIX, Settings
from abintel_pipeline_tests.metrics.running import THOROUGH
from abintel_pipeline_tests.shop import Shop, shop_settings

hypothesis.settings.register_profile(THOROUGH)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Behind a shell's `&`. What the tests start would ignore Ctrl-C too, and wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What Hypothesis thinks of isn't traced: that would cost half as much again.

    The lines of the package are covered by tests that name what they are about.
    """
    for item in items:
        if hypothesis.is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(autouse=True)
def nothing_set_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no `.env` of the machine reaches a test."""
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX) or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are begun and left empty: to draw them takes a quarter of a run.

    For runs that are about something else; `test_pictures.py` and `test_metadata.py` look at them.
    """
    monkeypatch.setattr("abintel_pipeline.orchestration.asset_page.drawing._png", lambda _: b"")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return shop_settings(tmp_path / "data")


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    with Shop.open(settings) as opened:
        yield opened
