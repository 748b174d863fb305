"""The checks as Dagster shows them: one evaluation per check and partition.

Findings from before a day is published (`quality.blocking`) and warnings from after
(`quality.warnings`) become `AssetCheckEvaluation`s, in runs of one day and of a range alike. All
blocking findings of one day and step are one evaluation: an event costs about ten milliseconds.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import dagster as dg

from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.orchestration.private_dagster.check_targets import targets

VERIFIED = "verified"

Place = tuple[str, str]
"""A table and the name of a check on it."""

DESCRIPTIONS: Mapping[str, str] = {
    VERIFIED: "Held before the day was published; a day for which it doesn't is rejected, and what"
    " was published before stays.",
    "rejected_share": "Few rows of the delivery were rejected.",
    "delivery_volume": "As many rows as this weekday's recent deliveries usually have.",
    "repeated_lines": "Few lines of the delivery are exact copies of another.",
    "misplaced_files": "Every file in the landing folder belongs to a day. Looked for on the newest"
    " day of a run.",
    "missing_deliveries": "No delivery day is missing from the snapshot's window, and none was"
    " deleted from the store.",
    "customer_share": "No customer has a large part of all orders.",
    "empty_segment": "Every loyalty segment has customers.",
    "constant_metric": "Every loyalty metric with a weight differs between customers.",
    "tier_shares": "The shares of the tiers are near those of the day before.",
    "cohort_size": "There are at least as many customers as scores per metric.",
}


@dataclass(frozen=True)
class Checks:
    """The checks of the tables that one step makes: {table: names}, the table's key, and the days.

    `verified`, on the first table, covers everything that the step publishes together.
    """

    names: Mapping[str, tuple[str, ...]]
    keys: Mapping[str, dg.AssetKey]
    partitions: dg.PartitionsDefinition

    @property
    def specs(self) -> list[dg.AssetCheckSpec]:
        """One per check. Partitioned checks are in preview in Dagster 1.13, as the page shows."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return [
                dg.AssetCheckSpec(
                    name,
                    asset=self.keys[table],
                    description=DESCRIPTIONS[name],
                    blocking=name == VERIFIED,
                    partitions_def=self.partitions,
                )
                for table, names in self.names.items()
                for name in names
            ]

    @property
    def first(self) -> str:
        """The table that `verified` is on."""
        return next(iter(self.names))

    def place(self, finding: Finding) -> Place:
        """The check that a finding belongs to."""
        return (self.first, VERIFIED) if finding.blocking else (finding.table, finding.check)

    def evaluations(
        self, instance: dg.DagsterInstance, findings: Iterable[Finding], *, late: bool = False
    ) -> Iterator[dg.AssetCheckEvaluation]:
        """One evaluation for each check and day that there are findings of.

        Each points at the newest materialization of its partition: Dagster takes any other for out
        of date. `late` evaluations, of days that another run published, block no step of this run.
        """
        grouped: dict[tuple[str, str, date], list[Finding]] = {}
        for one in findings:
            grouped.setdefault((*self.place(one), one.day), []).append(one)
        target = {
            table: targets(instance, self.keys[table], [d for t, _, d in grouped if t == table])
            for table in {table for table, _, _ in grouped}
        }
        for (table, name, day), found in grouped.items():
            yield dg.AssetCheckEvaluation(
                self.keys[table],
                name,
                passed=all(one.passed for one in found),
                metadata=_metadata(found),
                target_materialization_data=target[table].get(day),
                severity=_severity(found),
                description=_sentence(found),
                blocking=name == VERIFIED and not late,
                partition=day.isoformat(),
            )


def _metadata(found: list[Finding]) -> dict[str, dg.MetadataValue | int | float | str]:
    """The numbers and the sentence of each finding in the evaluation."""
    if len(found) == 1:
        return {"found": found[0].sentence, **found[0].numbers}
    told: dict[str, dg.MetadataValue | int | float | str] = {}
    for one in found:
        name = f"{one.table}: {one.check}"
        told[name] = ("" if one.passed else "FAILED: ") + one.sentence
        told |= {f"{name}: {number}": value for number, value in one.numbers.items()}
    return told


def _severity(found: list[Finding]) -> dg.AssetCheckSeverity:
    blocking = any(one.blocking for one in found)
    return dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN


def _sentence(found: list[Finding]) -> str:
    wrong = [f"{one.check}: {one.sentence}" for one in found if not one.passed]
    return "; ".join(wrong or [one.sentence for one in found])
