"""What a run of the benchmarks measures: how often, how large, and where its files lie."""

import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from abintel_pipeline.rules import Rules
from benchmarks.generate import BUY_ONCE, Retailer, generate
from benchmarks.measuring import ROOT

LINES_PER_CUSTOMER = 40
FEWEST_LINES = 2_000
HISTORY_DAYS = Rules().history_days


@dataclass(frozen=True)
class Plan:
    """The options of `python -m benchmarks`.

    `scale` shrinks numbers of lines; numbers of days shrink by its square root, so that a small
    try-out still has ranges.
    """

    folder: Path = Path(tempfile.gettempdir()) / "abintel-benchmarks"
    rounds: int = 5
    scale: float = 1.0
    memory_limit: str = "4GB"
    late_share: float = 0.0
    corrected_share: float = 0.0
    long_ids: bool = False

    @property
    def published(self) -> bool:
        """Whether its figures are those that stand in the repository."""
        return self.options == Plan().options

    @property
    def options(self) -> str:
        """What differs in the figures, as on the command line."""
        given = (
            f"--rounds {self.rounds}" if self.rounds != 5 else "",
            f"--scale {self.scale}" if self.scale != 1 else "",
            f"--memory-limit {self.memory_limit}" if self.memory_limit != "4GB" else "",
            f"--late-share {self.late_share}" if self.late_share else "",
            f"--corrected-share {self.corrected_share}" if self.corrected_share else "",
            "--long-ids" if self.long_ids else "",
        )
        return " ".join(option for option in given if option)

    @property
    def results(self) -> Path:
        """Where figures, table and plot go: into the repository only from a whole run."""
        if self.published:
            return ROOT / "benchmarks"
        return self.folder / "-".join(["results", *self.options.replace("--", "").split()])

    @property
    def late(self) -> bool:
        return bool(self.late_share or self.corrected_share)

    def lines(self, number: int) -> int:
        return max(FEWEST_LINES, int(number * self.scale))

    def days(self, numbers: Iterable[int]) -> list[int]:
        """The lengths of ranges; shorter ones of a small scale may fall together."""
        return sorted({max(1, round(n * math.sqrt(self.scale))) for n in numbers})

    def retailer(self, lines: int, *, more_days: int = 0) -> tuple[Retailer, Path]:
        """A retailer of so many lines (before scaling) and the store that holds its deliveries.

        With `more_days` it has been selling for so many days longer, and every window that ends on
        one of them has as many lines and customers as the only one has without.
        """
        number = self.lines(lines)
        days = HISTORY_DAYS + more_days
        in_a_window = 1 - BUY_ONCE * more_days / days
        retailer = Retailer(
            lines=number * days // HISTORY_DAYS,
            customers=int(number / LINES_PER_CUSTOMER / in_a_window),
            days=days,
            late_share=self.late_share,
            corrected_share=self.corrected_share,
            long_ids=self.long_ids,
        )
        print(f"  {retailer.lines:,} lines of {retailer.customers:,} customers")
        generate(retailer, self.folder / retailer.name)
        return retailer, self.folder / retailer.name
