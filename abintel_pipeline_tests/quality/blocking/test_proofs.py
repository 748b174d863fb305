"""The constraints of a model one by one: their SQL, what a footer proves, and what is no query."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import CUSTOMER_LOYALTY, CUSTOMER_RFM, RFM_THRESHOLDS, Table
from abintel_pipeline.contract.columns import Day, Float, Whole
from abintel_pipeline.quality.blocking.constraints import (
    Constraint,
    UntranslatedCheck,
    constraints,
)
from abintel_pipeline.quality.blocking.files import broken_constraints
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged
from abintel_pipeline_tests.quality.blocking.two_days import FIRST, SECOND


class Shares(pa.DataFrameModel):
    """Columns of which one may be null."""

    snapshot_date: Day
    visits: Whole = pa.Field(ge=1, le=10)
    share: Float = pa.Field(nullable=True, ge=0, le=1)


SHARES = Table("shares", Shares, "snapshot_date", ())


@pytest.fixture(autouse=True)
def nothing_is_translated_yet() -> None:
    """A process translates each model once: here each test sees it done."""
    constraints.cache_clear()


def of_column(table: Table, column: str) -> dict[str, Constraint]:
    return {one.name: one for one in constraints(table) if one.column == column}


def conditions(table: Table, column: str) -> dict[str, str]:
    return {name: one.condition for name, one in of_column(table, column).items()}


def test_each_constraint_of_a_column_is_a_condition_of_every_row() -> None:
    assert conditions(CUSTOMER_RFM, "recency_score") == {
        "recency_score: not null": '"recency_score" IS NOT NULL',
        "recency_score: greater_than_or_equal_to(1)": '"recency_score" >= 1',
        "recency_score: less_than_or_equal_to(10)": '"recency_score" <= 10',
    }


def test_a_number_that_is_none_is_in_no_range() -> None:
    """To DuckDB NaN is the largest number."""
    assert conditions(CUSTOMER_LOYALTY, "loyalty_score") == {
        "loyalty_score: not null": '"loyalty_score" IS NOT NULL',
        "loyalty_score: greater_than_or_equal_to(0)": (
            '"loyalty_score" >= 0 AND NOT isnan("loyalty_score")'
        ),
        "loyalty_score: less_than_or_equal_to(1)": (
            '"loyalty_score" <= 1 AND NOT isnan("loyalty_score")'
        ),
    }


def test_a_null_is_fine_where_the_column_may_be_null() -> None:
    assert conditions(SHARES, "share") == {
        "share: greater_than_or_equal_to(0)": (
            '"share" IS NULL OR "share" >= 0 AND NOT isnan("share")'
        ),
        "share: less_than_or_equal_to(1)": (
            '"share" IS NULL OR "share" <= 1 AND NOT isnan("share")'
        ),
    }


def test_a_text_is_one_of_a_list_or_fits_a_pattern() -> None:
    metric = list(conditions(RFM_THRESHOLDS, "metric").values())
    assert metric == [
        '"metric" IS NOT NULL',
        "\"metric\" IN ('recency', 'frequency', 'monetary', 'rfm_total')",
    ]
    rfm_class = list(conditions(CUSTOMER_RFM, "rfm_class").values())
    assert rfm_class == [
        '"rfm_class" IS NOT NULL',
        r"""regexp_matches("rfm_class", '^(?:^\d\d\d$|^\d+-\d+-\d+$)')""",
    ]


def test_only_checks_of_texts_look_into_texts() -> None:
    of_text = {one.name.split("(")[0] for one in constraints(CUSTOMER_RFM) if one.of_text}
    assert of_text == {
        "rfm_class: str_matches",
        "rfm_tier: isin",
        "interpretation: isin",
    }


def test_the_column_in_the_files_paths_has_no_constraint() -> None:
    assert of_column(CUSTOMER_LOYALTY, "snapshot_date") == {}


# ── proofs ───────────────────────────────────────────────────────────────────


def statistics(path: Path, values: list[Any], **options: Any) -> pq.Statistics:
    pq.write_table(pyarrow.table({"column": values}), path, **options)
    return pq.read_metadata(path).row_group(0).column(0).statistics


def proved(table: Table, column: str, known: pq.Statistics) -> list[bool]:
    """Of not null, at least, and at most."""
    return [one.proof(known) for one in of_column(table, column).values()]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 10], [True, True, True]),
        ([0, 10], [True, False, True]),
        ([1, 11], [True, True, False]),
        ([1, None], [False, False, False]),
    ],
)
def test_the_smallest_and_the_largest_value_prove_a_range(
    tmp_path: Path, values: list[Any], expected: list[bool]
) -> None:
    assert proved(SHARES, "visits", statistics(tmp_path / "file", values)) == expected


def test_where_null_is_fine_one_proves_nothing_against_a_range(tmp_path: Path) -> None:
    known = statistics(tmp_path / "file", [0.0, None, 1.0])
    assert proved(SHARES, "share", known) == [True, True]
    known = statistics(tmp_path / "file", [-0.5, None, 1.5])
    assert proved(SHARES, "share", known) == [False, False]


def test_without_a_smallest_value_no_range_is_proved(tmp_path: Path) -> None:
    whole = pyarrow.array([None, None], pyarrow.int64())
    assert proved(SHARES, "visits", statistics(tmp_path / "file", whole)) == [False] * 3
    floats = pyarrow.array([None], pyarrow.float64())
    assert proved(SHARES, "share", statistics(tmp_path / "file", floats)) == [False] * 2


def test_no_footer_proves_what_a_text_is(tmp_path: Path) -> None:
    known = statistics(tmp_path / "file", ["Loyal", "Loyal"])
    assert proved(CUSTOMER_RFM, "rfm_tier", known) == [True, False]


class Silent:
    """A connection on which nothing may be asked."""

    def execute(self, query: str) -> None:
        raise AssertionError(query)


def put(root: Path, day: Any, columns: dict[str, Any], **options: Any) -> Staged:
    path = SnapshotStore(root).path(SHARES, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pyarrow.table(columns)
    pq.write_table(rows, path, **options)
    return Staged(SHARES, day, path, rows.num_rows)


def test_what_the_footers_of_all_files_prove_is_not_asked_of_their_rows(tmp_path: Path) -> None:
    files = [
        put(tmp_path, FIRST, {"share": [0.0, None, 1.0], "visits": [1, 2, 3]}, row_group_size=2),
        put(tmp_path, SECOND, {"visits": [10], "share": [0.5]}),
    ]
    assert broken_constraints(Silent(), SHARES, files) == {}  # type: ignore[arg-type]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"visits": [1, 2, 11], "share": [0.5] * 3}, {}),
        ({"visits": [11, 2, 1], "share": [0.5] * 3}, {"row_group_size": 1}),
        ({"visits": [11, 1], "share": [0.5] * 2}, {"write_statistics": False}),
    ],
)
def test_what_no_footer_proves_is_asked_and_found(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    columns: dict[str, Any],
    options: dict[str, Any],
) -> None:
    files = [
        put(tmp_path, FIRST, {"visits": [1], "share": [0.5]}),
        put(tmp_path, SECOND, columns, **options),
    ]
    assert broken_constraints(connection, SHARES, files) == {
        "visits: less_than_or_equal_to(10)": {SECOND: (1, ['{"visits":11,"share":0.5}'])}
    }


def test_a_rule_that_holds_though_no_footer_proves_it_is_not_broken(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    columns = {"visits": [1, 10], "share": [None, 1.0]}
    files = [put(tmp_path, FIRST, columns, write_statistics=False)]
    assert broken_constraints(connection, SHARES, files) == {}


def test_each_day_has_the_rows_that_break_a_rule_in_their_order(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    files = [
        put(tmp_path, FIRST, {"visits": [12, 5, 11, 0], "share": [2.0, 0.5, None, 0.5]}),
        put(tmp_path, SECOND, {"visits": [13], "share": [float("nan")]}, write_statistics=False),
    ]
    found = broken_constraints(connection, SHARES, files)
    assert found["visits: less_than_or_equal_to(10)"] == {
        FIRST: (2, ['{"visits":12,"share":2.0}', '{"visits":11,"share":null}']),
        SECOND: (1, ['{"visits":13,"share":NaN}']),
    }
    assert found["visits: greater_than_or_equal_to(1)"] == {
        FIRST: (1, ['{"visits":0,"share":0.5}'])
    }
    above = {day: count for day, (count, _) in found["share: less_than_or_equal_to(1)"].items()}
    assert above == {FIRST: 1, SECOND: 1}


# ── constraints that would get lost ──────────────────────────────────────────

TEXT = pd.ArrowDtype(pyarrow.string())


def with_schema(schema: pa.DataFrameSchema, order: tuple[str, ...] = ()) -> Table:
    class Model:
        @staticmethod
        def to_schema() -> pa.DataFrameSchema:
            return schema

    return Table("odd", Model, "snapshot_date", order)  # type: ignore[arg-type]


def column(**options: Any) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({"id": pa.Column(TEXT, **options)})


PLAIN = {"id": pa.Column(TEXT)}
LOST = {
    "a check of the frame": (
        pa.DataFrameSchema(PLAIN, checks=pa.Check(lambda frame: frame["id"] != "")),
        "odd: a check of the whole frame has no SQL condition: [<Check <lambda>>]",
    ),
    "parsers": (
        pa.DataFrameSchema(PLAIN, parsers=pa.Parser(lambda frame: frame)),
        "odd: parsers has no SQL condition: ",
    ),
    "unique together": (
        pa.DataFrameSchema(PLAIN, unique=["id"]),
        "odd: unique over several columns has no SQL condition: ['id']",
    ),
    "an index": (
        pa.DataFrameSchema(PLAIN, index=pa.Index(int, name="place")),
        "odd: an index has no SQL condition: <Schema Index(name=place",
    ),
    "a parsed column": (
        column(parsers=pa.Parser(lambda texts: texts)),
        "odd.id: parsed, optional or named by a pattern",
    ),
    "a pattern of columns": (
        pa.DataFrameSchema({"i.": pa.Column(TEXT, regex=True)}),
        "odd.i.: parsed, optional or named by a pattern",
    ),
    "an optional column": (
        column(required=False),
        "odd.id: parsed, optional or named by a pattern",
    ),
    "unique, but in no order": (
        column(unique=True),
        "odd.id: unique, but the table isn't in its order: ('other',)",
    ),
    "an unknown check": (column(checks=pa.Check.gt("A")), "odd.id: greater_than has no SQL"),
    "a check without a name": (
        column(checks=pa.Check(lambda texts: texts != "", name=None)),
        "odd.id: ",
    ),
    "a check by groups": (
        column(checks=pa.Check.isin(["A"], groupby="id")),
        "odd.id: isin has no SQL condition",
    ),
    "a check of each element": (
        column(checks=pa.Check.isin(["A"], element_wise=True)),
        "odd.id: isin has no SQL condition",
    ),
}


@pytest.mark.parametrize(("schema", "told"), LOST.values(), ids=LOST)
def test_a_constraint_that_would_get_lost_is_an_error_that_names_it(
    schema: pa.DataFrameSchema, told: str
) -> None:
    with pytest.raises(UntranslatedCheck) as error:
        constraints(with_schema(schema, ("other",)))
    assert str(error.value).startswith(told)


def test_a_column_that_the_table_is_in_the_order_of_may_be_unique() -> None:
    (one,) = constraints(with_schema(column(unique=True), ("id",)))
    assert one.name == "id: not null"
