"""What the Dagster UI shows of a table, derived from its Pandera model and its published file."""

import inspect
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.pandas as pa
import pyarrow.parquet as pq

from abintel_pipeline.contract import RAW_TRANSACTIONS, Table
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.intake import Intake
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.quality.blocking import nothing_delivered
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import StepContext
from abintel_pipeline.store.deleted import Deleted, deleted_deliveries, deleted_in
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged
from abintel_pipeline.store.windows import Window, affected_snapshots, published_windows

PREVIEW_ROWS = 5
KINDS = {"duckdb", "parquet", "pandera"}

Metadata = dict[str, Any]


def table_spec(
    table: Table,
    settings: Settings,
    names: Names,
    *,
    group: str,
    deps: Iterable[str] = (),
    made_by: Callable[..., object],
) -> dg.AssetSpec:
    """The asset of a table: described, typed and owned as its model and the settings say."""
    return dg.AssetSpec(
        names.key(table.name),
        deps=names.keys(deps),
        description=table.description,
        group_name=names.name(group),
        kinds=KINDS,
        owners=list(settings.owners),
        metadata={
            "dagster/column_schema": column_schema(table),
            "dagster/code_references": code_references(made_by),
        },
    )


def code_references(made_by: Callable[..., object]) -> dg.CodeReferencesMetadataValue:
    """A link to the function that makes the asset, for the editor of whoever runs the code."""
    function = inspect.unwrap(made_by)  # a benchmark times it through a wrapper
    lines, first = inspect.getsourcelines(function)  # from its decorator on
    before = next(n for n, line in enumerate(lines) if line.lstrip().startswith("def "))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        place = dg.LocalFileCodeReference(
            file_path=function.__code__.co_filename,
            line_number=first + before,
            label=made_by.__name__,
        )
        return dg.CodeReferencesMetadataValue(code_references=[place])


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns with type, description and constraints, from its Pandera model."""
    schema = table.model.to_schema()
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=str(table.schema.field(name).type),
                description=column.description,
                constraints=_constraints(column),
            )
            for name, column in schema.columns.items()
        ]
    )


def _constraints(column: pa.Column) -> dg.TableColumnConstraints:
    return dg.TableColumnConstraints(
        nullable=column.nullable,
        unique=column.unique,
        other=[str(check.error) for check in column.checks if check.error],
    )


def snapshot_metadata(
    context: StepContext, *staged: Staged, facts: Metadata | None = None
) -> dict[str, Metadata]:
    """Per table: the file's row count, path, first rows and figures, and the rules in force."""
    rules = {"rules": dg.MetadataValue.json(context.rules.model_dump(mode="json"))}
    return {
        one.table.name: _file_metadata(one.rows, context.store.path(one.table, one.day))
        | rules
        | (facts or {})
        | dict(one.figures)
        for one in staged
    }


def picture(png: bytes) -> dg.MetadataValue:
    """A picture that the UI shows behind "Show Markdown"."""
    return dg.MetadataValue.md(f"![](data:image/png;base64,{b64encode(png).decode()})")


def _file_metadata(rows: int, path: Path) -> Metadata:
    return {
        "dagster/partition_row_count": rows,
        "path": dg.MetadataValue.path(str(path)),
        "preview": dg.MetadataValue.md(preview(path)),
    }


def preview(path: Path) -> str:
    """The first rows of a Parquet file as a Markdown table."""
    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(batch_size=PREVIEW_ROWS), None)
        names = file.schema_arrow.names
    rows = batch.to_pylist() if batch is not None else []
    return markdown_table(names, ([row[name] for name in names] for row in rows))


def markdown_table(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; pipes and line ends in cells are escaped."""
    head = list(names)
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return text.replace("|", "\\|").replace("\r", " ").replace("\n", " ")


def intakes_metadata(
    store: SnapshotStore, tables: tuple[Table, Table], taken: Iterable[tuple[date, Intake | None]]
) -> Iterator[tuple[date, dict[str, Metadata], tuple[Finding, ...]]]:
    """(day, {table: metadata}, findings) per day: rows received, accepted, rejected, and why.

    The tables are the raw and the rejected one. A day without a delivery has `delivery: missing`;
    what was published for it before stays. If somebody has deleted that, `delivery: deleted`.
    """
    windows = published_windows(store)
    for day, intake in taken:
        findings = intake.accepted_rows.findings if intake else (nothing_delivered(tables[0], day),)
        yield day, _intake_metadata(store, day, tables, intake, windows), findings


def _intake_metadata(
    store: SnapshotStore,
    day: date,
    tables: tuple[Table, Table],
    intake: Intake | None,
    windows: dict[date, date],
) -> dict[str, Metadata]:
    if intake is None:
        known = deleted_deliveries(store, day, day).get(tables[0])
        delivery = "deleted" if known else "missing"
        none = {"delivery": delivery, "received": 0, "accepted": 0, "rejected": 0, "left_out": 0}
        return {table.name: dict(none) for table in tables}
    affected = affected_snapshots(store, day, windows)
    counts: Metadata = {
        "delivery": "taken in",
        "received": intake.received,
        "accepted": intake.accepted,
        "rejected": intake.rejected,
        "rejected_share": intake.rejected / intake.received if intake.received else 0.0,
        "left_out": intake.left_out,
        "late": intake.late,
        "ids_changed": intake.ids_changed,
        "returns": intake.returns,
        "returned": float(intake.returned),
        "files": dg.MetadataValue.json(list(intake.files)),
        "reasons": dg.MetadataValue.json(intake.reasons),
        "left_out_by": dg.MetadataValue.json(intake.left_out_by),
        "affected_snapshots": len(affected),
    }
    if affected:
        counts["affected"] = f"{affected[0]} to {affected[-1]}"
    rows = (intake.accepted_rows.rows, intake.rejected_rows.rows)
    return {
        table.name: _file_metadata(count, store.path(table, day)) | counts
        for table, count in zip(tables, rows, strict=True)
    }


def window_metadata(window: Window, deleted: Deleted) -> Metadata:
    """The trailing window, and which delivery days of it are missing, which were deleted."""
    gone = deleted_in(window, deleted).get(RAW_TRANSACTIONS, [])
    missing = [day for day in window.missing if day not in gone]
    told: Metadata = {"deleted_deliveries": dg.MetadataValue.json(_days(gone))} if gone else {}
    return told | {
        "window_start": window.start.isoformat(),
        "first_delivery": window.first_delivery.isoformat(),
        "delivery_days": len(window.delivered),
        "missing_delivery_days": len(missing),
        "missing_deliveries": dg.MetadataValue.json(_days(missing)),
    }


def _days(days: Iterable[date]) -> list[str]:
    return [day.isoformat() for day in days]
