"""What a step of the chain is, and how one is declared."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from abintel_pipeline.contract import Table
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.orchestration.asset_page.checks import VERIFIED
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, snapshot_metadata
from abintel_pipeline.quality.blocking import verified_again
from abintel_pipeline.quality.warnings import Warn
from abintel_pipeline.snapshots import StepContext
from abintel_pipeline.store.snapshot_store import Staged


@dataclass(frozen=True)
class Published:
    """A published day: the metadata of each table, and what verifying the files found."""

    day: date
    metadata: dict[str, Metadata]
    findings: tuple[Finding, ...]


def published_snapshot(
    context: StepContext, *files: Staged, facts: Metadata | None = None
) -> Published:
    """A day whose tables are these files; `facts` go into the metadata of each."""
    findings = tuple(finding for file in files for finding in file.findings)
    return Published(files[0].day, snapshot_metadata(context, *files, facts=facts), findings)


PublishDays = Callable[[StepContext, list[date]], Iterator[Published]]
VerifyAgain = Callable[
    [StepContext, tuple[Table, ...], Mapping[date, Metadata]],
    list[Finding],
]
Pictures = Callable[[StepContext, date], dict[str, Metadata]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the chain: one or two tables, published together, many days in one call."""

    publish_days: PublishDays
    """Publishes the days given, in order; yields each when its files are there."""
    tables: tuple[Table, ...]
    group: str
    depends_on: tuple[str, ...]
    warnings: Warn
    """What is worth a warning about published days."""
    warning_checks: Mapping[str, tuple[str, ...]]
    """The names of these checks, by table."""
    verify_again: VerifyAgain
    """Verifies published days once more, given the metadata of each day's first table.

    A day whose files are gone has no findings."""
    pictures: Pictures
    """Pictures of a published day, by table."""

    @property
    def name(self) -> str:
        return self.publish_days.__name__

    @property
    def checks(self) -> dict[str, tuple[str, ...]]:
        """{table: names of its checks}; the first table's begin with what covers all of them."""
        first, *others = (table.name for table in self.tables)
        named = self.warning_checks
        rest = {name: named[name] for name in others if name in named}
        return {first: (VERIFIED, *named.get(first, ())), **rest}


def verify_files_again(
    context: StepContext, tables: tuple[Table, ...], told: Mapping[date, Metadata]
) -> list[Finding]:
    """What the blocking checks find in the published files of these days."""
    return verified_again(context.connection, context.store, tables, told)


def no_pictures(context: StepContext, day: date) -> dict[str, Metadata]:  # noqa: ARG001
    """Of a step that has none."""
    return {}


def daily_step(
    *,
    tables: tuple[Table, ...],
    group: str,
    depends_on: tuple[str, ...] = (),
    warnings: Warn,
    warning_checks: Mapping[str, tuple[str, ...]],
    verify_again: VerifyAgain = verify_files_again,
    pictures: Pictures = no_pictures,
) -> Callable[[PublishDays], Step]:
    """Declares the function below it as the step that publishes these tables, by its name.

    Not yet assets: those depend on settings and on a prefix of their keys (`daily_assets`).
    """

    def declared(publish_days: PublishDays) -> Step:
        return Step(
            publish_days=publish_days,
            tables=tables,
            group=group,
            depends_on=depends_on,
            warnings=warnings,
            warning_checks=warning_checks,
            verify_again=verify_again,
            pictures=pictures,
        )

    return declared
