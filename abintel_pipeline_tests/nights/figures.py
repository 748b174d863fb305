"""What a campaign came to, and the page that tells it: docs/reliability.md."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: make campaign -->", "<!-- end of figures -->"


@dataclass
class Figures:
    """Of all seeds and kills together."""

    seeds: int = 0
    failed: list[str] = field(default_factory=list)
    """Each seed, or store of real kills, that failed: what was wrong."""
    tried: Counter[str] = field(default_factory=Counter)
    """{kind of fault or delivery: how often it came}"""
    in_failed: Counter[str] = field(default_factory=Counter)
    """The same, in the seeds that failed."""
    ended: Counter[str] = field(default_factory=Counter)
    operations: int = 0
    publications: int = 0
    half: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    """{command: runs of it that were killed by signal}"""

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.seeds + other.seeds,
            self.failed + other.failed,
            self.tried + other.tried,
            self.in_failed + other.in_failed,
            self.ended + other.ended,
            self.operations + other.operations,
            self.publications + other.publications,
            self.half + other.half,
            self.killed + other.killed,
        )

    def told(self) -> str:
        """As Markdown."""
        runs = sum(self.ended.values())
        lines = [
            f"{self.seeds:,} seeds were run, and {self.seeds - len(self._failed_seeds):,} survived:"
            f" {runs:,} runs with {self.operations:,} file operations and"
            f" {self.publications:,} publications. {sum(self.killed.values()):,} real runs were"
            " killed by signal.",
            "",
            "| what came | times | survived |",
            "|---|--:|--:|",
            *(
                f"| {kind} | {times:,} | {times - self.in_failed[kind]:,} |"
                for kind, times in sorted(self.tried.items())
            ),
            *(
                f"| `{command}` killed by signal | {times:,} | {times - self._lost(command):,} |"
                for command, times in sorted(self.killed.items())
            ),
            "",
            f"{runs - self.ended['done']:,} of the runs ended before their time. After"
            f" {self.half:,} runs one table of a day was newer than the one beside it, until the"
            " run was tried again.",
        ]
        lines += [f"- {one}" for one in self.failed]
        return "\n".join(lines)

    @property
    def _failed_seeds(self) -> list[str]:
        return [one for one in self.failed if one.startswith("seed ")]

    def _lost(self, command: str) -> int:
        return sum(command in one for one in self.failed)


def write_page(figures: Figures) -> None:
    """Put the figures between the page's marks."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{figures.told()}\n{END}{after}")
