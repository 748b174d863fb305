"""How far the way is through the code: `python -m benchmarks.way`.

A small piece of work is done under a tracer that sees the package's own functions. `files` are
those entered, `functions` those called, `moves` the calls that lead from one file into another. A
reader who follows the work opens so many files, and turns so many pages.
"""

import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import abintel_pipeline
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.service.calls import Calls
from abintel_pipeline.service.calls.examples import EXAMPLES
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import (
    StepContext,
    features_snapshot,
    loyalty_snapshot,
    rfm_snapshot,
    transactions_intake,
)

PACKAGE = f"{Path(abintel_pipeline.__file__).parent}/"
DAY = date(2025, 4, 24)
LINES = """customer_id,transaction_id,date,amount,product_id
001,T1,2025-04-21,19.99,P1
001,T1,2025-04-21,5.00,P2
002,T2,2025-04-24,7.50,P1
"""
MOST = {"three rows of CSV": (14, None), "RFM of one day": (10, 150), "a service call": (9, None)}
"""The most files and moves that each should take; None: any number."""


@dataclass
class Way:
    """What a tracer saw."""

    files: set[str] = field(default_factory=set)
    functions: set[tuple[str, int]] = field(default_factory=set)
    moves: int = 0

    def called(self, frame: FrameType, event: str, _: Any) -> None:
        """For `sys.setprofile`."""
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(PACKAGE):
            return
        self.functions.add((name, frame.f_code.co_firstlineno))
        self.files.add(name)
        self.moves += _caller(frame) not in (None, name)


def _caller(frame: FrameType) -> str | None:
    """The nearest file of the package that called; None: nothing of it did."""
    back = frame.f_back
    while back is not None:
        if back.f_code.co_filename.startswith(PACKAGE):
            return back.f_code.co_filename
        back = back.f_back
    return None


@contextmanager
def traced() -> Iterator[Way]:
    """The way of what is done in the block, on threads that it starts too."""
    way = Way()
    threading.setprofile(way.called)
    sys.setprofile(way.called)
    try:
        yield way
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def ways() -> dict[str, Way]:
    """The ways of a delivery, of RFM, and of a call of the service; each done once before."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder))
        landing = settings.landing / "transactions"
        landing.mkdir(parents=True)
        (landing / f"{DAY}.csv").write_text(LINES)
        with engine(settings) as connection, closing(Calls(settings)) as calls:
            step = StepContext(connection, settings, settings.rules)
            body = json.dumps(EXAMPLES["customer_rfm"].request).encode()
            work: dict[str, Callable[[], object]] = {
                "three rows of CSV": lambda: transactions_intake(step, DAY),
                "RFM of one day": lambda: rfm_snapshot(step, DAY),
                "a service call": lambda: calls.customer_rfm(body),
            }
            transactions_intake(step, DAY)
            features_snapshot(step, DAY)
            loyalty_snapshot(step, DAY)
            found = {}
            for name, do in work.items():
                do()
                with traced() as found[name]:
                    do()
    return found


def main() -> None:
    print(f"{'':<20}{'files':>7}{'at most':>9}{'functions':>11}{'moves':>7}{'at most':>9}")
    for name, way in ways().items():
        files, moves = MOST[name]
        print(
            f"{name:<20}{len(way.files):>7}{files:>9}{len(way.functions):>11}{way.moves:>7}"
            f"{moves or '–':>9}"
        )
        if "--files" in sys.argv:
            for path in sorted(way.files):
                print(f"    {Path(path).relative_to(PACKAGE)}")


if __name__ == "__main__":
    main()
