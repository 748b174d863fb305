"""What must hold before a day is published: each check shown failing, and what stays then."""

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.findings import Finding, VerificationFailed
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.intake import take_in_transactions
from abintel_pipeline.quality.blocking import results, scores, verified
from abintel_pipeline.quality.blocking.files import same_column
from abintel_pipeline.quality.blocking.scores import interval
from abintel_pipeline.rules import Rules
from abintel_pipeline.snapshots import (
    features_snapshots,
    loyalty,
    loyalty_snapshot,
    loyalty_snapshots,
    publishing,
    rfm,
    rfm_snapshot,
    rfm_snapshots,
    take_in,
    take_in_days,
)
from abintel_pipeline.store import snapshot_store as store
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged
from abintel_pipeline_tests.shop import Shop, day, days, shop_settings

ON = "2025-01-02"
STEPS = {
    "customer_features": ("customer_features",),
    "customer_loyalty": ("customer_loyalty", "loyalty_summary"),
    "customer_rfm": ("customer_rfm", "rfm_thresholds"),
}
"""The tables of each step."""
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def ten_customers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A to J, who spent 10, 20, … 100 in 1, 2, … 10 orders, the last the latest."""
    with Shop.open(shop_settings(tmp_path_factory.mktemp("ten_customers"))) as shop:
        shop.deliver(
            "2025-01-01",
            *(
                f"{customer},T{n},2025-01-01,10.00,P{n}"
                for place, customer in enumerate("ABCDEFGHIJ", 1)
                for n in range(place)
            ),
        )
        shop.deliver(ON, *(f"{c},U,{ON},0.00,P1" for c in "FGHIJ"))
        shop.take_in("2025-01-01", ON)
        shop.snapshot(ON)
        return shop.settings.data_dir


@pytest.fixture
def published(shop: Shop, ten_customers: Path) -> Shop:
    return shop.begin_with(ten_customers)


def changed(shop: Shop, step: str, **changes: Change) -> dict[str, Finding]:
    """The findings of a step's published day, once rows of its tables were changed."""
    with shop.store.staging() as folder:
        made = tuple(
            _staged(shop, folder, name, changes.get(name, lambda rows: rows))
            for name in STEPS[step]
        )
        try:
            ((*tables,),) = verified(shop.step.connection, shop.store, [made])
        except VerificationFailed as failed:
            return {f"{one.table}.{one.check}": one for one in failed.findings}
        return {f"{o.table}.{o.check}": o for staged in tables for o in staged.findings}


def _staged(shop: Shop, folder: Path, name: str, change: Change) -> Staged:
    """Rows in whatever order they come: past the store's own ordering, types and nullability."""
    table = TABLES[name]
    path = folder / name / f"{table.partition_column}={ON}" / "data.parquet"
    path.parent.mkdir(parents=True)
    rows = change(shop.read(name, ON).drop(columns=[table.partition_column]))
    duckdb.sql("FROM rows").write_parquet(str(path))
    return Staged(table, day(ON), path, len(rows))


def put(place: int, **values: Any) -> Change:
    """A change of some cells of one row."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        for column, value in values.items():
            rows.loc[place, column] = value
        return rows

    return change


def failed(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: one.sentence for name, one in findings.items() if not one.passed}


@pytest.mark.parametrize("step", STEPS)
def test_what_was_published_passes_with_numbers_and_a_sentence(published: Shop, step: str) -> None:
    findings = changed(published, step)
    assert failed(findings) == {}
    assert all(one.blocking and one.sentence and one.numbers for one in findings.values())
    contract = findings[f"{step}.contract"]
    assert contract.numbers["rows"] == 10
    assert contract.sentence.startswith("all 10 rows meet the ")


def test_every_blocking_check_of_a_result_is_made(published: Shop) -> None:
    assert [list(changed(published, step)) for step in STEPS] == [
        ["customer_features.contract", "customer_features.one_row_per_customer"],
        [
            "customer_loyalty.contract",
            "customer_loyalty.one_row_per_customer",
            "customer_loyalty.same_customers",
            "loyalty_summary.contract",
            "loyalty_summary.summary_adds_up",
        ],
        [
            "customer_rfm.contract",
            "customer_rfm.one_row_per_customer",
            "customer_rfm.same_customers",
            "customer_rfm.scores_from_thresholds",
            "rfm_thresholds.contract",
        ],
    ]


def test_a_value_out_of_range_breaks_the_contract(published: Shop) -> None:
    findings = changed(published, "customer_features", customer_features=put(3, recency_days=-1))
    (sentence,) = failed(findings).values()
    assert sentence.startswith(
        "1 of 10 rows break recency_days: greater_than_or_equal_to(0), the first"
        ' {"customer_id":"D","purchase_total":'
    )
    assert findings["customer_features.contract"].numbers["broken_constraints"] == 1


@pytest.mark.parametrize("total", [float("nan"), float("inf")])
def test_a_total_that_is_no_number_breaks_the_contract(published: Shop, total: float) -> None:
    findings = changed(
        published, "customer_features", customer_features=put(3, purchase_total=total)
    )
    assert "break purchase_total: " in failed(findings)["customer_features.contract"]


def test_a_total_below_zero_is_one_of_a_customer_who_returned_more(published: Shop) -> None:
    less = put(3, purchase_total=-1, avg_ticket=-0.25, product_diversity=0)
    assert failed(changed(published, "customer_features", customer_features=less)) == {}


def test_a_missing_value_breaks_the_contract(published: Shop) -> None:
    findings = changed(published, "customer_loyalty", customer_loyalty=put(0, loyalty_score=None))
    assert "loyalty_score: not null" in failed(findings)["customer_loyalty.contract"]


def test_an_unknown_metric_breaks_the_contract_of_the_thresholds(published: Shop) -> None:
    findings = changed(published, "customer_rfm", rfm_thresholds=put(0, metric="spend"))
    assert "metric: isin(" in failed(findings)["rfm_thresholds.contract"]


@pytest.mark.parametrize(
    ("change", "count", "first"),
    [
        (lambda rows: pd.concat([rows[:2], rows[1:]]), 1, "B"),
        (lambda rows: rows[::-1], 9, "I"),
        (lambda rows: pd.concat([rows, rows]), 1, "A"),
    ],
    ids=["twice", "backwards", "all twice"],
)
def test_a_customer_twice_or_out_of_order_is_named(
    published: Shop, change: Change, count: int, first: str
) -> None:
    findings = changed(published, "customer_features", customer_features=change)
    finding = findings["customer_features.one_row_per_customer"]
    assert finding.numbers["misplaced_rows"] == count
    assert f'the first {{"customer_id":"{first}"}}' in finding.sentence


@pytest.mark.parametrize("step", ["customer_loyalty", "customer_rfm"])
def test_a_customer_lost_or_added_is_named(published: Shop, step: str) -> None:
    lost = failed(changed(published, step, **{step: lambda rows: rows[rows.customer_id != "C"]}))
    assert lost[f"{step}.same_customers"].startswith(
        f"1 are in customer_features, not in {step}, such as C"
    )
    other = failed(changed(published, step, **{step: put(2, customer_id="CC")}))
    assert other[f"{step}.same_customers"].startswith(
        f"1 are in {step}, not in customer_features, such as CC;"
        f" 1 are in customer_features, not in {step}, such as C"
    )


def test_the_same_customers_in_another_order_are_rejected(published: Shop) -> None:
    """Scores stand beside features row by row, so that the same set of customers isn't enough."""
    path = published.store.path(TABLES["customer_features"], day(ON))
    rows = pq.read_table(path)
    pq.write_table(rows.take([1, 0, *range(2, rows.num_rows)]), path)
    found = failed(changed(published, "customer_loyalty"))
    assert found == {
        "customer_loyalty.same_customers": "2 rows stand elsewhere in customer_features"
    }


@pytest.mark.parametrize("step", ["customer_loyalty", "customer_rfm"])
def test_a_customer_without_an_id_is_told_and_no_error_of_its_own(
    published: Shop, step: str
) -> None:
    found = failed(changed(published, step, **{step: put(2, customer_id=None)}))
    assert found[f"{step}.same_customers"].startswith(
        f"1 are in {step}, not in customer_features, such as null;"
        f" 1 are in customer_features, not in {step}, such as C"
    )
    assert "customer_id: not null" in found[f"{step}.contract"]


def test_a_column_that_is_missing_is_not_taken_for_proved(published: Shop) -> None:
    lost = {"customer_loyalty": lambda rows: rows.drop(columns=["loyalty_score"])}
    with pytest.raises(duckdb.BinderException, match="loyalty_score"):
        changed(published, "customer_loyalty", **lost)


def test_files_of_the_store_tell_equal_customers_by_their_bytes(published: Shop) -> None:
    """Else the customers of every day of a range would be read three times."""
    one, *others = (published.store.path(TABLES[name], day(ON)) for name in STEPS)
    assert all(same_column(one, other, "customer_id") for other in others)


@pytest.mark.parametrize(
    "columns",
    [{"customer_id": ["A", "C"]}, {"customer_id": ["A", "B", "C"]}, {"other": ["A", "B"]}],
    ids=["another value", "one more", "of another name"],
)
def test_other_columns_are_not_the_same(tmp_path: Path, columns: dict[str, list[str]]) -> None:
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    pq.write_table(pa.table({"customer_id": ["A", "B"]}), one)
    pq.write_table(pa.table(columns), other)
    assert not same_column(one, other, "customer_id")
    assert same_column(one, one, "customer_id")


def test_features_made_again_with_other_customers_stop_rfm(published: Shop) -> None:
    """Loyalty stayed as it was: it has no score for the new customer."""
    before = published.bytes_of("customer_rfm", ON)
    published.deliver(ON, f"K,T,{ON},5.00,P1", *(f"{c},U,{ON},0.00,P1" for c in "FGHIJ"))
    published.take_in(ON)
    list(features_snapshots(published.step, [day(ON)]))
    with pytest.raises(
        VerificationFailed, match="customer_rfm, not in customer_loyalty, such as K"
    ):
        rfm_snapshot(published.step, day(ON))
    assert published.bytes_of("customer_rfm", ON) == before


def test_counts_that_do_not_add_up_are_named(published: Shop) -> None:
    (told,) = published.read("loyalty_summary", ON).segment_counts
    counts = json.loads(told)
    segment = next(name for name, count in counts.items() if count)
    counts[segment] += 1
    wrong = put(0, segment_counts=json.dumps(counts))
    findings = changed(published, "customer_loyalty", loyalty_summary=wrong)
    assert failed(findings) == {
        "loyalty_summary.summary_adds_up": "the segments add up to 11, the summary says 10"
        f" customers, 10 have a row; {segment}: the summary says {counts[segment]},"
        f" {counts[segment] - 1} customers have it"
    }


def test_a_score_in_the_wrong_segment_is_named(published: Shop) -> None:
    """J has score 1 and is one of the two Platinum customers."""
    wrong = put(9, segment="Gold")
    findings = changed(published, "customer_loyalty", customer_loyalty=wrong)
    sentence = failed(findings)["loyalty_summary.summary_adds_up"]
    assert "Platinum: the summary says 2, 1 customers have it" in sentence
    assert "Gold, 0.7 up to 0.85: it has scores from " in sentence


def test_a_summary_that_is_missing_is_named(published: Shop) -> None:
    findings = changed(published, "customer_loyalty", loyalty_summary=lambda rows: rows[:0])
    assert failed(findings) == {
        "loyalty_summary.summary_adds_up": "there is no summary, but there are 10 customers"
    }


@pytest.mark.parametrize(
    "values",
    [
        {"monetary_score": 1, "rfm_class": "551", "rfm_total": 11, "rfm_tier": "Loyal",
         "interpretation": "Loyal – regular buyers of above-average value"},
        {"monetary_total": 20.0},
        {"frequency": 1},
        {"recency_days": 1},
        {"rfm_class": "554"},
        {"rfm_total": 14},
        {"rfm_tier": "Loyal"},
        {"interpretation": "At-Risk – infrequent, low recent activity"},
    ],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_a_score_that_the_thresholds_do_not_give_is_named(
    published: Shop, values: dict[str, Any]
) -> None:
    assert published.read("customer_rfm", ON).rfm_class[9] == "555"
    findings = changed(published, "customer_rfm", customer_rfm=put(9, **values))
    assert list(failed(findings)) == ["customer_rfm.scores_from_thresholds"]
    finding = findings["customer_rfm.scores_from_thresholds"]
    assert finding.numbers == {"customers": 10, "thresholds": 16, "wrong": 1}
    assert finding.sentence.startswith("1 of 10 customers have scores, class or tier")
    assert 'the first {"customer_id":"J"' in finding.sentence


def test_thresholds_that_are_missing_are_an_error(published: Shop) -> None:
    findings = changed(
        published, "customer_rfm", rfm_thresholds=lambda rows: rows[rows.metric != "recency"]
    )
    assert findings["customer_rfm.scores_from_thresholds"].numbers["wrong"] == 10


def test_a_score_stands_for_an_interval_of_its_metric() -> None:
    """The documents' frequency thresholds, and their recency thresholds, ascending."""
    frequency, recency = [2.4, 2.8, 3.2, 3.6], [1.8, 2.6, 24.2, 66.6]
    infinite = float("inf")
    assert [interval("frequency", score, frequency) for score in (1, 2, 5)] == [
        (-infinite, 2.4),
        (2.4, 2.8),
        (3.6, infinite),
    ]
    assert [interval("recency", score, recency) for score in (1, 2, 5)] == [
        (66.6, infinite),
        (24.2, 66.6),
        (-infinite, 1.8),
    ]


@pytest.mark.parametrize(
    ("column", "lowest", "highest", "passes"),
    [
        ("frequency", 2.5, 3.0, True),  # above the cut 2 and up to the cut 3: score 2
        ("frequency", 2.0, 3.0, False),  # the cut itself scores 1
        ("frequency", 2.5, 3.5, False),
        ("monetary", 10.01, 20.0, True),
        ("monetary", 10.0, 20.0, False),
        ("recency", 5.5, 9.0, True),  # recency counts the cuts that are no smaller
        ("recency", 5.0, 9.0, False),
    ],
)
def test_a_value_at_a_cut_has_the_score_below_it(
    column: str, lowest: float, highest: float, passes: bool
) -> None:
    cuts = {
        "recency": [5.0, 9.0],
        "frequency": [2.0, 3.0],
        "monetary": [10.0, 20.0],
        "rfm_total": [8.0, 7.0, 6.0, 4.0],
    }
    inside = {"recency": (6.0, 9.0), "frequency": (3.0, 3.0), "monetary": (15.0, 20.0)}
    texts = ("222", 6, "Potential", TIERS["Potential"])
    keys = dict(zip(scores.KEYS, (2, 2, 2, *texts), strict=True))
    group = scores.Group(keys, 1, inside | {column: (lowest, highest)})
    assert (scores._broken(group, cuts) is None) == passes


def test_where_two_cuts_of_the_totals_are_one_the_customers_there_are_at_risk() -> None:
    """p45 and p20 are the same total for a cohort of which more than half are alike."""
    assert scores._texts([1, 1, 1], [13.0, 9.0, 3.0, 3.0], 5)[2] == "At-Risk"


@pytest.mark.parametrize("bins", [2, 3, 10])
def test_any_number_of_bins_is_followed(published: Shop, bins: int) -> None:
    again = Shop(
        type(published.step)(published.step.connection, published.settings, Rules(bins=bins))
    )
    scored, _ = rfm_snapshot(again.step, day(ON))
    assert all(one.passed for one in scored.findings)
    assert sum(scored.figures.values()) == 10  # type: ignore[arg-type]


def test_rows_that_got_lost_stop_a_delivery(shop: Shop) -> None:
    shop.deliver(ON, f"A,T,{ON},1.00,P1", f"B,T,{ON},1.00,P1")
    shop.take_in(ON)
    before = shop.bytes_of("raw_transactions", ON)

    def losing(*arguments: Any) -> Any:
        intake = take_in_transactions(*arguments)
        path = intake.accepted_rows.path
        pq.write_table(pq.read_table(path)[:1], path)
        return intake

    with pytest.raises(VerificationFailed, match="2 rows received, 1 accepted and 0 rejected"):
        take_in(shop.step, day(ON), losing)
    assert shop.bytes_of("raw_transactions", ON) == before
    intake = take_in(shop.step, day(ON), take_in_transactions)
    assert intake
    (finding,) = intake.accepted_rows.findings
    assert finding.passed
    assert finding.numbers == {"received": 2, "accepted": 2, "rejected": 0, "left_out": 0}


def test_a_delivery_that_does_not_add_up_holds_up_no_other_day_and_each_failure_is_told(
    shop: Shop,
) -> None:
    """Of four days the first loses a row on the way, and the third can't be read."""
    wanted = days("2025-01-01", "2025-01-04")
    for on in wanted:
        shop.deliver(str(on), f"A,T,{on},1.00,P1", f"B,T,{on},1.00,P1")
    (shop.settings.landing / "transactions" / "2025-01-03.csv").write_text("not a delivery")

    def losing(*arguments: Any) -> Any:
        intake = take_in_transactions(*arguments)
        if intake and intake.day == wanted[0]:
            path = intake.accepted_rows.path
            pq.write_table(pq.read_table(path)[:1], path)
        return intake

    with pytest.raises(VerificationFailed) as told:
        list(take_in_days(shop.step, wanted, losing))
    assert shop.store.days(TABLES["raw_transactions"]) == [wanted[1], wanted[3]]
    rejected, unread = str(told.value).splitlines()
    assert rejected.startswith("raw_transactions of 2025-01-01 was not published: received_is_")
    assert "2025-01-03.csv" in unread
    assert [(one.day, one.passed) for one in told.value.findings] == [(wanted[0], False)]


@pytest.mark.parametrize("chunk_of", [1, 3])
def test_a_day_that_fails_keeps_its_last_good_snapshot_and_holds_up_no_other(
    published: Shop, monkeypatch: pytest.MonkeyPatch, chunk_of: int
) -> None:
    wanted = days("2025-01-01", "2025-01-03")
    for make in (features_snapshots, loyalty_snapshots, rfm_snapshots):
        list(make(published.step, wanted))
    before = {str(one): published.bytes_of("customer_loyalty", str(one)) for one in wanted}
    formula = loyalty.customer_loyalty

    def wrong(*arguments: Any, **options: Any) -> Any:
        rows = formula(*arguments, **options)
        return rows.filter((rows.customer_id != "C") | (rows.snapshot_date != day(ON)))

    monkeypatch.setattr(loyalty, "customer_loyalty", wrong)
    monkeypatch.setattr(
        publishing, "cohorts", lambda *_: [wanted[n : n + chunk_of] for n in range(0, 3, chunk_of)]
    )
    other = Rules(weights={"purchase_total": 1})
    again = type(published.step)(published.step.connection, published.settings, other)
    with pytest.raises(VerificationFailed) as told:
        list(loyalty_snapshots(again, wanted))
    assert str(told.value).startswith(
        f"customer_loyalty of {ON} was not published: same_customers: 1 are in customer_features,"
        " not in customer_loyalty, such as C"
    )
    after = {str(one): published.bytes_of("customer_loyalty", str(one)) for one in wanted}
    assert [one for one in after if after[one] != before[one]] == ["2025-01-01", "2025-01-03"]
    monkeypatch.undo()
    loyalty_snapshot(again, day(ON))


@pytest.mark.parametrize(
    ("module", "formula", "step"),
    [
        (loyalty, "customer_loyalty", loyalty_snapshot),
        (rfm, "rfm_beside_loyalty", rfm_snapshot),
    ],
)
def test_scores_that_come_in_another_order_than_the_features_are_rejected(
    published: Shop, monkeypatch: pytest.MonkeyPatch, module: Any, formula: str, step: Any
) -> None:
    """Their files are written as the rows come, without a sort."""
    right = getattr(module, formula)

    def backwards(*arguments: Any, **options: Any) -> Any:
        return right(*arguments, **options).order_by(ibis.desc("customer_id"))

    monkeypatch.setattr(module, formula, backwards)
    with pytest.raises(VerificationFailed, match="9 of 10 rows repeat a customer or are out of"):
        step(published.step, day(ON))


@pytest.mark.parametrize("make", [features_snapshots, loyalty_snapshots, rfm_snapshots])
def test_a_range_that_ends_early_is_done_with_its_files_first(
    published: Shop, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """Files of later days are being written by then, into a folder that is gone afterwards."""
    wanted = days("2025-01-01", "2025-01-04")
    for earlier in (features_snapshots, loyalty_snapshots, rfm_snapshots):
        list(earlier(published.step, wanted))
    right = store.copy_to_parquet

    def slow(connection: Any, query: str, path: Path, metadata: Any) -> None:
        if wanted[0].isoformat() not in str(path):
            time.sleep(0.3)
            path.parent.mkdir(parents=True, exist_ok=True)
        right(connection, query, path, metadata)

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(store, "copy_to_parquet", slow)
    monkeypatch.setattr(results, "BATCH_DAYS", 1)
    monkeypatch.setattr(SnapshotStore, "publish", full)
    with pytest.raises(OSError, match="No space left"):
        list(make(published.step, wanted))
    before = set(threading.enumerate())
    assert list((published.store.root / store.STAGING).iterdir()) == []
    time.sleep(0.5)
    assert list((published.store.root / store.STAGING).iterdir()) == []
    assert set(threading.enumerate()) == before


class Counted:
    """A connection that counts its queries."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection, self.queries = connection, 0

    def execute(self, query: str) -> duckdb.DuckDBPyConnection:
        self.queries += 1
        return self.connection.execute(query)


def test_a_batch_of_days_costs_as_many_queries_as_one_day(
    published: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = days(ON, "2025-01-11")
    for make in (features_snapshots, loyalty_snapshots, rfm_snapshots):
        list(make(published.step, wanted))
    counted = []

    def queries(count: int) -> list[int]:
        found = []
        for tables in STEPS.values():
            made = [
                tuple(
                    Staged(TABLES[t], one, path, pq.read_metadata(path).num_rows)
                    for t in tables
                    for path in [published.store.path(TABLES[t], one)]
                )
                for one in wanted[:count]
            ]
            assert len(list(verified(published.step.connection, published.store, made))) == count
            found.append(sum(one.queries for one in counted))
            counted.clear()
        return found

    questions = verified.__globals__["_questions"]

    def counting(*arguments: Any) -> Any:
        def asked(question: Any, cursor: duckdb.DuckDBPyConnection) -> Any:
            counted.append(Counted(cursor))
            return question(counted[-1])

        return (partial(asked, question) for question in questions(*arguments))

    monkeypatch.setitem(verified.__globals__, "_questions", counting)
    assert queries(10) == queries(1)
