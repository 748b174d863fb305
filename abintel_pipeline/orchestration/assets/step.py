"""What a step is. It writes one or two tables per day, many days in one call."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from abintel_pipeline.contract import Table
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.orchestration.asset_page.checks import VERIFIED
from abintel_pipeline.orchestration.asset_page.metadata import Metadata
from abintel_pipeline.quality.warnings import Warn
from abintel_pipeline.snapshots import StepContext


@dataclass(frozen=True)
class Made:
    """A day that was published: what is to be told of it per table, and what verifying it found."""

    day: date
    metadata: dict[str, Metadata]
    findings: tuple[Finding, ...]


def no_pictures(opened: StepContext, day: date) -> dict[str, Metadata]:  # noqa: ARG001
    """Of a step that has none."""
    return {}


@dataclass(frozen=True)
class Step:
    """One step of the chain: the tables it writes, what they are made from, and how."""

    name: str
    group: str
    tables: tuple[Table, ...]
    deps: tuple[str, ...]
    make: Callable[[StepContext, list[date]], Iterator[Made]]
    """Makes the days given, in order; yields each when its files are published."""
    look: Callable[[StepContext, Mapping[date, Metadata]], list[Finding]]
    """What verifying days found, found again in their published files.

    Given what was told of each day's first table; days that can't be looked at are left out."""
    warn: Warn
    """What is worth a warning about published days."""
    warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of these checks, by table."""
    draw: Callable[[StepContext, date], dict[str, Metadata]] = no_pictures
    """Pictures of a published day, by table."""

    @property
    def checks(self) -> dict[str, tuple[str, ...]]:
        """{table: names of its checks}; the first table's begin with what covers all of them."""
        first, *others = (table.name for table in self.tables)
        rest = {name: self.warnings[name] for name in others if name in self.warnings}
        return {first: (VERIFIED, *self.warnings.get(first, ())), **rest}
