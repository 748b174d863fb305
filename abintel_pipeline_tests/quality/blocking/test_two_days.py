"""Every sentence and number of the checks before publishing, on two days worked by hand."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.findings import VerificationFailed
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.engine.connection import Backend, engine, native
from abintel_pipeline.intake import Intake
from abintel_pipeline.quality.blocking import (
    Received,
    nothing_delivered,
    reconciled,
    reconciled_again,
    results,
    verified,
    verified_again,
)
from abintel_pipeline.quality.blocking.files import same_column
from abintel_pipeline.quality.blocking.scores import scores_from_thresholds
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged
from abintel_pipeline_tests.quality.blocking.two_days import (
    DAYS,
    FIRST,
    ROWS,
    SECOND,
    STEPS,
    Row,
    TwoDays,
    features_of,
    put,
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("engine"), threads=2)
    with engine(settings) as opened:
        yield opened


@pytest.fixture
def two_days(connection: Backend, tmp_path: Path) -> TwoDays:
    return TwoDays(connection, tmp_path / "store")


def test_each_check_of_features_says_what_it_saw(two_days: TwoDays) -> None:
    assert two_days.publish().told("customer_features", passed=True) == {
        ("customer_features.contract", FIRST): "all 3 rows meet the 16 constraints of the model",
        ("customer_features.one_row_per_customer", FIRST): "3 customers, one row each, in order",
        ("customer_features.contract", SECOND): "all 2 rows meet the 16 constraints of the model",
        ("customer_features.one_row_per_customer", SECOND): "2 customers, one row each, in order",
    }


def test_each_check_of_loyalty_says_what_it_saw(two_days: TwoDays) -> None:
    told = two_days.publish().told("customer_loyalty", passed=True)
    assert {name: sentence for (name, day), sentence in told.items() if day == FIRST} == {
        "customer_loyalty.contract": "all 3 rows meet the 5 constraints of the model",
        "customer_loyalty.one_row_per_customer": "3 customers, one row each, in order",
        "customer_loyalty.same_customers": "the same 3 customers as in customer_features",
        "loyalty_summary.contract": "all 1 rows meet the 29 constraints of the model",
        "loyalty_summary.summary_adds_up": "the customers of 5 segments add up to 3",
    }


def test_each_check_of_rfm_says_what_it_saw(two_days: TwoDays) -> None:
    told = two_days.publish().told("customer_rfm", passed=True)
    assert {name: sentence for (name, day), sentence in told.items() if day == SECOND} == {
        "customer_rfm.contract": "all 2 rows meet the 30 constraints of the model",
        "customer_rfm.one_row_per_customer": "2 customers, one row each, in order",
        "customer_rfm.same_customers": (
            "the same 2 customers as in customer_features and customer_loyalty"
        ),
        "customer_rfm.scores_from_thresholds": (
            "2 customers' scores and tiers follow from 7 thresholds"
        ),
        "rfm_thresholds.contract": "all 7 rows meet the 6 constraints of the model",
    }


@pytest.mark.parametrize(
    ("step", "numbers"),
    [
        (
            "customer_features",
            [
                {"rows": 3, "constraints": 16, "broken_constraints": 0},
                {"customers": 3, "misplaced_rows": 0},
            ],
        ),
        (
            "customer_loyalty",
            [
                {"rows": 3, "constraints": 5, "broken_constraints": 0},
                {"customers": 3, "misplaced_rows": 0},
                {"customer_loyalty": 3, "customer_features": 3},
                {"rows": 1, "constraints": 29, "broken_constraints": 0},
                {"customers": 3, "counted": 3, "faults": 0},
            ],
        ),
        (
            "customer_rfm",
            [
                {"rows": 3, "constraints": 30, "broken_constraints": 0},
                {"customers": 3, "misplaced_rows": 0},
                {"customer_rfm": 3, "customer_features": 3, "customer_loyalty": 3},
                {"customers": 3, "thresholds": 7, "wrong": 0},
                {"rows": 7, "constraints": 6, "broken_constraints": 0},
            ],
        ),
    ],
    ids=STEPS,
)
def test_each_finding_has_its_numbers(
    two_days: TwoDays, step: str, numbers: list[dict[str, int]]
) -> None:
    two_days.publish()
    tables = tuple(TABLES[name] for name in STEPS[step])
    found = verified_again(two_days.connection, two_days.store, tables, DAYS)
    assert [dict(one.numbers) for one in found if one.day == FIRST] == numbers
    assert all(one.blocking for one in found)


def staged(two_days: TwoDays, step: str) -> list[tuple[Staged, ...]]:
    """The published files of a step, as if they were still to be published."""
    store = two_days.store
    return [
        tuple(
            Staged(table, day, store.path(table, day), store.rows(table, day))
            for table in (TABLES[name] for name in STEPS[step])
        )
        for day in DAYS
    ]


def test_a_verified_day_carries_the_figures_worth_following(two_days: TwoDays) -> None:
    two_days.publish()
    made = verified(two_days.connection, two_days.store, staged(two_days, "customer_loyalty"))
    (loyalty, summary), _ = made
    assert loyalty.figures == {}
    assert summary.figures == {
        "mean_score": 0.5,
        "median_score": 0.5,
        "top_decile_threshold": 0.9,
        "customers in Platinum": 1,
        "customers in Gold": 0,
        "customers in Silver": 1,
        "customers in Bronze": 0,
        "customers in At-Risk": 1,
    }
    made = verified(two_days.connection, two_days.store, staged(two_days, "customer_rfm"))
    assert [rfm.figures for rfm, _ in made] == [
        {
            "customers in Champion": champions,
            "customers in Loyal": 0,
            "customers in Potential": 0,
            "customers in Promising": 0,
            "customers in At-Risk": 1,
        }
        for champions in (2, 1)
    ]


def test_days_that_pass_come_first_and_the_others_are_told_with_all_their_findings(
    two_days: TwoDays,
) -> None:
    two_days.publish(customer_loyalty=put(1, loyalty_score=1.5))
    made = verified(two_days.connection, two_days.store, staged(two_days, "customer_loyalty"))
    assert [(one.table.name, one.day, len(one.findings)) for one in next(made)] == [
        ("customer_loyalty", SECOND, 3),
        ("loyalty_summary", SECOND, 2),
    ]
    with pytest.raises(VerificationFailed) as failed:
        next(made)
    assert [(one.check, one.passed) for one in failed.value.findings] == [
        ("contract", False),
        ("contract", True),
        ("one_row_per_customer", True),
        ("same_customers", True),
        ("summary_adds_up", False),
    ]
    assert {one.day for one in failed.value.findings} == {FIRST}


def test_a_step_that_makes_one_table_is_verified_day_by_day_too(two_days: TwoDays) -> None:
    two_days.publish(customer_features=put(0, recency_days=-1))
    made = verified(two_days.connection, two_days.store, staged(two_days, "customer_features"))
    assert [(one.day, len(one.findings)) for one in next(made)] == [(SECOND, 2)]
    with pytest.raises(VerificationFailed):
        next(made)


def test_the_findings_of_every_rejected_day_are_told(two_days: TwoDays) -> None:
    two_days.publish(customer_features=put(0, recency_days=-1))
    two_days.write("customer_features", SECOND, put(0, recency_days=-1)(features_of(SECOND)))
    made = verified(two_days.connection, two_days.store, staged(two_days, "customer_features"))
    with pytest.raises(VerificationFailed) as failed:
        next(made)
    assert [(one.day, one.check, one.passed) for one in failed.value.findings] == [
        (day, check, passed)
        for day in DAYS
        for check, passed in (("contract", False), ("one_row_per_customer", True))
    ]


@pytest.mark.parametrize("missing", ["customer_rfm", "rfm_thresholds", "customer_loyalty"])
def test_a_published_day_of_which_a_file_is_missing_is_not_looked_at_again(
    two_days: TwoDays, missing: str
) -> None:
    two_days.publish()
    two_days.store.path(TABLES[missing], FIRST).unlink()
    assert {day for _, day in two_days.told("customer_rfm")} == {SECOND}


def test_rows_out_of_range_are_counted_and_three_are_shown(two_days: TwoDays) -> None:
    two_days.publish()
    bad = [ROW | {"customer_id": customer, "recency_days": -1} for customer in "DEFG"]
    two_days.write("customer_features", FIRST, [ROW, *bad])
    (sentence,) = two_days.told("customer_features", passed=False).values()
    shown = '{{"customer_id":"{}","purchase_total":9.0,"visit_frequency":1,"avg_ticket":9.0,'
    shown += '"product_diversity":1,"loyalty_score":0.0,"recency_days":-1}}'
    assert sentence == (
        "4 of 5 rows break recency_days: greater_than_or_equal_to(0), the first "
        + "; ".join(shown.format(customer) for customer in "DEF")
    )


ROW: Row = {
    "customer_id": "A",
    "purchase_total": 9.0,
    "visit_frequency": 1,
    "avg_ticket": 9.0,
    "product_diversity": 1,
    "loyalty_score": 0.0,
    "recency_days": 0,
}


def test_each_broken_constraint_has_a_sentence_of_its_own(two_days: TwoDays) -> None:
    two_days.publish(customer_features=put(1, recency_days=None, loyalty_score=1.25))
    tables = (TABLES["customer_features"],)
    found = verified_again(two_days.connection, two_days.store, tables, DAYS)
    (broken,) = (one for one in found if not one.passed)
    assert (broken.table, broken.day, broken.check) == ("customer_features", FIRST, "contract")
    assert [part.split(", the first ")[0] for part in broken.sentence.split(". ")] == [
        "1 of 3 rows break loyalty_score: less_than_or_equal_to(1)",
        "1 of 3 rows break recency_days: not null",
        "1 of 3 rows break recency_days: greater_than_or_equal_to(0)",
    ]
    assert broken.numbers == {"rows": 3, "constraints": 16, "broken_constraints": 3}


def test_a_text_that_breaks_the_contract_is_counted_for_every_row_that_has_it(
    two_days: TwoDays,
) -> None:
    def no_classes(rows: list[Row]) -> list[Row]:
        return [row | {"rfm_class": "2-2"} for row in rows]

    two_days.publish(customer_rfm=no_classes)
    sentence = two_days.told("customer_rfm", passed=False)["customer_rfm.contract", FIRST]
    assert sentence.startswith("3 of 3 rows break rfm_class: str_matches(")


def test_customers_that_repeat_or_fall_back_are_named_and_a_new_day_begins_anew(
    two_days: TwoDays,
) -> None:
    def repeated(rows: list[Row]) -> list[Row]:
        first, second, third = rows
        return [first, third, second, second]

    told = two_days.publish(customer_features=repeated).told("customer_features", passed=False)
    assert told == {
        ("customer_features.one_row_per_customer", FIRST): (
            "2 of 4 rows repeat a customer or are out of order, the first"
            ' {"customer_id":"B"}; {"customer_id":"B"}'
        )
    }


def test_customers_of_one_table_alone_are_named_for_both_and_three_of_them_shown(
    two_days: TwoDays,
) -> None:
    two_days.publish()
    rows = [ROW | {"customer_id": customer} for customer in "CDEFG"]
    two_days.write("customer_features", FIRST, rows)
    told = two_days.told("customer_loyalty", passed=False)
    assert told == {
        ("customer_loyalty.same_customers", FIRST): (
            "2 are in customer_loyalty, not in customer_features, such as A, B;"
            " 4 are in customer_features, not in customer_loyalty, such as D, E, F"
        )
    }


def test_a_thousand_customers_more_are_written_with_a_comma(two_days: TwoDays) -> None:
    two_days.publish()
    rows = [ROW | {"customer_id": f"{n:04}"} for n in range(1000)]
    two_days.write("customer_features", FIRST, rows + features_of(FIRST))
    told = two_days.told("customer_loyalty", passed=False)
    assert told["customer_loyalty.same_customers", FIRST] == (
        "1,000 are in customer_features, not in customer_loyalty, such as 0000, 0001, 0002"
    )


def test_a_customer_without_an_id_is_called_null(two_days: TwoDays) -> None:
    two_days.publish(customer_loyalty=put(2, customer_id=None))
    told = two_days.told("customer_loyalty", passed=False)
    assert told["customer_loyalty.same_customers", FIRST] == (
        "1 are in customer_loyalty, not in customer_features, such as null;"
        " 1 are in customer_features, not in customer_loyalty, such as C"
    )
    assert told["customer_loyalty.one_row_per_customer", FIRST] == (
        '1 of 3 rows repeat a customer or are out of order, the first {"customer_id":null}'
    )


def test_the_same_customers_elsewhere_are_told_by_how_many(two_days: TwoDays) -> None:
    two_days.publish(customer_features=lambda rows: rows[::-1])
    told = two_days.told("customer_loyalty", passed=False)
    assert told == {
        ("customer_loyalty.same_customers", FIRST): "2 rows stand elsewhere in customer_features"
    }


# ── rfm ──────────────────────────────────────────────────────────────────────


def wrong_scores(two_days: TwoDays) -> tuple[str, dict[str, Any]] | None:
    tables = tuple(TABLES[name] for name in STEPS["customer_rfm"])
    found = verified_again(two_days.connection, two_days.store, tables, DAYS)
    wrong = [o for o in found if o.check == "scores_from_thresholds" and not o.passed]
    assert all(one.day == FIRST for one in wrong)
    return (wrong[0].sentence, dict(wrong[0].numbers)) if wrong else None


@pytest.mark.parametrize(
    ("place", "values"),
    [
        (0, {"recency_days": 2}),  # the median 1 isn't >= 2: score 1
        (2, {"recency_days": 1}),  # it is >= 1: score 2
        (0, {"frequency": 2}),  # the median 2 isn't < 2: score 1
        (1, {"frequency": 3}),
        (0, {"monetary_total": 20.0}),
        (1, {"monetary_total": 20.01}),
        (1, {"monetary_total": None}),
        (0, {"frequency": 2, "monetary_total": 20.0}),
        (1, {"recency_score": None}),
        (1, {"recency_score": 3, "rfm_class": "311", "rfm_total": 5}),
        (1, {"recency_score": 0, "rfm_class": "011", "rfm_total": 2, "rfm_tier": "At-Risk"}),
        (1, {"rfm_class": "221"}),
        (1, {"rfm_total": 5}),
        (1, {"rfm_tier": "Loyal"}),
        (1, {"interpretation": None}),
    ],
    ids=str,
)
def test_one_customer_whose_scores_do_not_follow_is_shown(
    two_days: TwoDays, place: int, values: dict[str, Any]
) -> None:
    told = wrong_scores(two_days.publish(customer_rfm=put(place, **values)))
    assert told
    sentence, numbers = told
    assert numbers == {"customers": 3, "thresholds": 7, "wrong": 1}
    assert sentence.startswith(
        "1 of 3 customers have scores, class or tier that the published thresholds don't give,"
        f' the first {{"customer_id":"{"ABC"[place]}","recency_days":'
    )


def test_of_customers_with_the_same_scores_only_the_wrong_ones_are_shown(
    two_days: TwoDays,
) -> None:
    def four(rows: list[Row]) -> list[Row]:
        *_, last = rows
        return [*rows, last | {"customer_id": "D", "frequency": 3}, last | {"customer_id": "E"}]

    told = wrong_scores(two_days.publish(customer_rfm=four))
    assert told
    assert told[1] == {"customers": 5, "thresholds": 7, "wrong": 1}
    shown = (
        '{"customer_id":"D","recency_days":2,"frequency":3,"monetary_total":10.0,'
        '"recency_score":1,"frequency_score":1,"monetary_score":1,"rfm_class":"111",'
        '"rfm_total":3,"rfm_tier":"At-Risk"}'
    )
    assert told[0].endswith(f"don't give, the first {shown}")


def test_wrong_customers_of_several_groups_are_counted_together(two_days: TwoDays) -> None:
    def both(rows: list[Row]) -> list[Row]:
        return put(0, frequency=2)(put(2, monetary_total=20.01)(rows))

    told = wrong_scores(two_days.publish(customer_rfm=both))
    assert told
    assert told[1]["wrong"] == 2
    assert told[0].count('{"customer_id":"') == 2
    assert '}; {"customer_id":"C"' in told[0]


@pytest.mark.parametrize("metric", ["recency", "rfm_total"])
def test_without_the_thresholds_of_a_metric_no_customer_follows(
    two_days: TwoDays, metric: str
) -> None:
    def fewer(rows: list[Row]) -> list[Row]:
        return [row for row in rows if row["metric"] != metric]

    told = wrong_scores(two_days.publish(rfm_thresholds=fewer))
    assert told
    left = {"recency": 6, "rfm_total": 3}[metric]
    assert told[1] == {"customers": 3, "thresholds": left, "wrong": 3}


def test_without_any_thresholds_no_customer_follows(two_days: TwoDays) -> None:
    told = wrong_scores(two_days.publish(rfm_thresholds=lambda _: []))
    assert told
    assert told[1] == {"customers": 3, "thresholds": 0, "wrong": 3}


def test_a_day_without_customers_has_nothing_wrong(two_days: TwoDays) -> None:
    two_days.publish()
    for name in ROWS:
        two_days.write(name, FIRST, [])
    assert two_days.told("customer_loyalty", passed=False) == {}
    told = two_days.told("customer_rfm")
    assert told["customer_rfm.scores_from_thresholds", FIRST] == (
        "0 customers' scores and tiers follow from 0 thresholds"
    )
    told = two_days.told("customer_loyalty")
    assert told["loyalty_summary.summary_adds_up", FIRST] == (
        "the customers of 0 segments add up to 0"
    )


@pytest.mark.parametrize("tier", ["Loyal", "Potential", "Promising"])
def test_each_tier_between_follows_from_the_cuts_of_the_totals(
    two_days: TwoDays, tier: str
) -> None:
    """B's total is 4: at p70, at p45 or below it, above p20, and no Champion's."""
    cuts = {"Loyal": (4.0, 3.9), "Potential": (4.1, 4.0), "Promising": (5.0, 4.1)}[tier]
    totals = {"champion": 5.0, "p70": cuts[0], "p45": cuts[1], "p20": 3.4}

    def other(rows: list[Row]) -> list[Row]:
        return [row | {"threshold": totals.get(row["cut"], row["threshold"])} for row in rows]

    follows = put(1, rfm_tier=tier, interpretation=TIERS[tier])
    assert wrong_scores(two_days.publish(rfm_thresholds=other, customer_rfm=follows)) is None


def test_scores_of_ten_bins_follow_from_nine_thresholds_and_have_hyphens_between_them(
    two_days: TwoDays,
) -> None:
    """Recency is listed from its largest threshold down, as it is published."""
    cuts = {
        "recency": [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0],
        "frequency": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        "monetary": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0],
        "rfm_total": [28.0, 24.0, 10.0, 4.0],
    }
    listed = [
        {"metric": metric, "position": place, "cut": "", "threshold": cut}
        for metric, of_metric in cuts.items()
        for place, cut in enumerate(of_metric, start=1)
    ]
    # 0 is at or below all nine, 10 above all nine, 35 above three; 9 is at or below one.
    customers = [
        rfm("A", 0, 10, 35.0, (10, 10, 4), "10-10-4", "Loyal"),
        rfm("B", 9, 1, 10.0, (2, 1, 1), "2-1-1", "At-Risk"),
    ]
    two_days.publish(rfm_thresholds=lambda _: listed, customer_rfm=lambda _: customers)
    assert wrong_scores(two_days) is None
    assert two_days.told("customer_rfm")["customer_rfm.scores_from_thresholds", FIRST] == (
        "2 customers' scores and tiers follow from 31 thresholds"
    )


def rfm(
    customer: str,
    recency: int,
    visits: int,
    spent: float,
    scores: tuple[int, int, int],
    named: str,
    tier: str,
) -> Row:
    names = ("recency_score", "frequency_score", "monetary_score")
    return {
        "customer_id": customer,
        "recency_days": recency,
        "frequency": visits,
        "monetary_total": spent,
        **dict(zip(names, scores, strict=True)),
        "rfm_class": named,
        "rfm_total": sum(scores),
        "rfm_tier": tier,
        "interpretation": TIERS[tier],
        "loyalty_score": 0.5,
        "segment": "Silver",
    }


def test_customers_of_a_tier_that_there_is_none_of_are_counted(two_days: TwoDays) -> None:
    two_days.publish(customer_rfm=put(1, rfm_tier="VIP"))
    scored, thresholds = zip(*staged(two_days, "customer_rfm"), strict=True)
    with native(two_days.connection).cursor() as cursor:
        _, figures = scores_from_thresholds(cursor, scored, thresholds)
    assert figures[FIRST] == {
        "customers in Champion": 1,
        "customers in Loyal": 0,
        "customers in Potential": 0,
        "customers in Promising": 0,
        "customers in At-Risk": 1,
        "customers in VIP": 1,
    }


# ── loyalty ──────────────────────────────────────────────────────────────────


def faults(two_days: TwoDays) -> str:
    told = two_days.told("customer_loyalty", passed=False)
    return told["loyalty_summary.summary_adds_up", FIRST]


def counts(**others: int) -> str:
    named = {"Platinum": 1, "Gold": 0, "Silver": 1, "Bronze": 0, "At-Risk": 1}
    return json.dumps(named | others)


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        (
            {"segment_counts": counts(Silver=2)},
            "the segments add up to 4, the summary says 3 customers, 3 have a row;"
            " Silver: the summary says 2, 1 customers have it",
        ),
        (
            {"customers": 4},
            "the segments add up to 3, the summary says 4 customers, 3 have a row",
        ),
        (
            {"customers": 4, "segment_counts": counts(Gold=1)},
            "the segments add up to 4, the summary says 4 customers, 3 have a row;"
            " Gold: the summary says 1, 0 customers have it",
        ),
        (
            {"segment_counts": counts(VIP=0)},
            None,
        ),
        (
            {"segment_counts": json.dumps({"Platinum": 1, "Silver": 1, "At-Risk": 1})},
            "Bronze: the summary says None, 0 customers have it;"
            " Gold: the summary says None, 0 customers have it",
        ),
    ],
    ids=["one too many", "another total", "both", "another segment", "segments left out"],
)
def test_a_summary_that_says_something_else_than_the_table_is_told(
    two_days: TwoDays, summary: dict[str, Any], sentence: str | None
) -> None:
    two_days.publish(loyalty_summary=put(0, **summary))
    if sentence:
        assert faults(two_days) == sentence
    else:
        assert two_days.told("customer_loyalty", passed=False) == {}


def test_the_numbers_of_a_summary_that_does_not_add_up(two_days: TwoDays) -> None:
    two_days.publish(loyalty_summary=put(0, customers=4, segment_counts=counts(Silver=2)))
    tables = tuple(TABLES[name] for name in STEPS["customer_loyalty"])
    found = verified_again(two_days.connection, two_days.store, tables, DAYS)
    (wrong,) = (one for one in found if not one.passed)
    assert wrong.numbers == {"customers": 3, "counted": 4, "faults": 2}


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        (0.4999, "Silver, 0.5 up to 0.7: it has scores from 0.4999 to 0.4999"),
        (0.7, "Silver, 0.5 up to 0.7: it has scores from 0.7 to 0.7"),
    ],
)
def test_a_segment_has_the_scores_from_its_threshold_to_below_the_next(
    two_days: TwoDays, score: float, sentence: str
) -> None:
    assert faults(two_days.publish(customer_loyalty=put(1, loyalty_score=score))) == sentence


@pytest.mark.parametrize("score", [0.5, 0.6999])
def test_a_score_at_the_threshold_or_just_below_the_next_is_in_its_segment(
    two_days: TwoDays, score: float
) -> None:
    two_days.publish(customer_loyalty=put(1, loyalty_score=score))
    assert two_days.told("customer_loyalty", passed=False) == {}


def test_a_segment_that_has_no_threshold_is_told(two_days: TwoDays) -> None:
    told = faults(two_days.publish(customer_loyalty=put(1, segment="VIP")))
    assert told == (
        "Silver: the summary says 1, 0 customers have it;"
        " VIP: the summary says None, 1 customers have it"
    )


def test_customers_without_a_summary_are_told(two_days: TwoDays) -> None:
    assert faults(two_days.publish(loyalty_summary=lambda _: [])) == (
        "there is no summary, but there are 3 customers"
    )


def test_a_summary_without_customers_is_told(two_days: TwoDays) -> None:
    two_days.publish(customer_features=lambda _: [], customer_loyalty=lambda _: [])
    assert faults(two_days) == (
        "the segments add up to 3, the summary says 3 customers, 0 have a row;"
        " At-Risk: the summary says 1, 0 customers have it;"
        " Platinum: the summary says 1, 0 customers have it;"
        " Silver: the summary says 1, 0 customers have it"
    )


# ── batches ──────────────────────────────────────────────────────────────────


def made_of(rows: list[int]) -> list[tuple[Staged, ...]]:
    table = TABLES["customer_features"]
    return [
        (Staged(table, FIRST + timedelta(days=n), Path(), count),) for n, count in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("rows", "batches"),
    [
        ([1, 1, 1, 1, 1, 1, 1], [3, 3, 1]),  # three days at most
        ([4, 6, 5, 4, 1], [2, 3]),  # until there are ten rows
        ([10, 11, 9], [1, 1, 1]),
        ([1, 1, 1], [3]),
        ([], []),
    ],
)
def test_days_wait_for_each_other_up_to_so_many_days_or_rows(
    monkeypatch: pytest.MonkeyPatch, rows: list[int], batches: list[int]
) -> None:
    monkeypatch.setattr(results, "BATCH_DAYS", 3)
    monkeypatch.setattr(results, "BATCH_ROWS", 10)
    made = made_of(rows)
    found = list(results._batches(made))
    assert [len(batch) for batch in found] == batches
    assert [day for batch in found for day in batch] == made


def test_days_of_several_batches_are_looked_at_each_in_its_batch(
    two_days: TwoDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "BATCH_DAYS", 1)
    two_days.publish()
    assert {day for _, day in two_days.told("customer_features", passed=True)} == set(DAYS)
    made = verified(two_days.connection, two_days.store, staged(two_days, "customer_loyalty"))
    assert [
        (summary.day, summary.figures["customers in Silver"], len(summary.findings))
        for _, summary in made
    ] == [(FIRST, 1, 2), (SECOND, 0, 2)]


# ── equal columns by their bytes ─────────────────────────────────────────────


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"use_dictionary": False},
        {"row_group_size": 2},
        {"compression": "none"},
    ],
    ids=str,
)
def test_a_column_written_in_another_way_is_not_the_same_byte_by_byte(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    one, other, third = (tmp_path / name for name in ("one", "other", "third"))
    rows = pa.table({"before": [1, 2, 3, 4], "id": ["A", "B", "A", "D"]})
    pq.write_table(rows, one)
    pq.write_table(rows, other, **options)
    assert not same_column(one, other, "id")
    pq.write_table(rows, third, **options)
    assert same_column(other, third, "id")


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}], ids=str)
def test_one_value_among_many_makes_a_column_another(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    paths = [tmp_path / name for name in ("one", "other")]
    for path, last in zip(paths, "YZ", strict=True):
        rows = pa.table({"before": [last] * 3, "id": ["A", "B", last], "after": [1, 2, 3]})
        pq.write_table(rows, path, compression="none", **options)
    assert not same_column(*paths, "id")
    assert not same_column(*paths, "before")
    assert same_column(*paths, "after")


def test_a_column_that_goes_on_where_another_ends_is_not_the_same(tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    pq.write_table(pa.table({"id": ["A", "B"]}), short, row_group_size=2)
    pq.write_table(pa.table({"id": ["A", "B", "C", "D"]}), long, row_group_size=2)
    assert not same_column(short, long, "id")
    assert not same_column(long, short, "id")


def test_a_value_between_the_smallest_and_the_largest_makes_a_column_another(
    tmp_path: Path,
) -> None:
    """Of two columns with as many values only their dictionaries tell."""
    paths = [tmp_path / name for name in ("one", "other")]
    for path, between in zip(paths, "BC", strict=True):
        rows = pa.table({"id": ["A", between, "D"], "after": [1.5, 2.5, 3.5]})
        pq.write_table(rows, path, compression="none")
    assert not same_column(*paths, "id")


# ── intake ───────────────────────────────────────────────────────────────────


def intake_of(root: Path, received: int, left_out: int, accepted: int, rejected: int) -> Intake:
    """A delivery so many of whose rows were written to its two files."""
    staged = []
    for name, rows in (("raw_transactions", accepted), ("rejected_transactions", rejected)):
        path = root / f"{name}.parquet"
        pq.write_table(pa.table({"row": list(range(rows))}), path)
        staged.append(Staged(TABLES[name], FIRST, path, rows))
    return Intake(
        day=FIRST, files=("a.csv",), received=received, accepted=accepted, rejected=rejected,
        left_out=left_out, late=0, reasons={}, left_out_by={}, ids_changed=0, returns=0,
        returned=Decimal(0), accepted_rows=staged[0], rejected_rows=staged[1],
    )  # fmt: skip


def test_a_delivery_whose_rows_add_up_has_the_finding_beside_its_accepted_rows(
    tmp_path: Path,
) -> None:
    intake = reconciled(intake_of(tmp_path, 1007, 2, 1001, 4))
    (finding,) = intake.accepted_rows.findings
    assert intake.rejected_rows.findings == ()
    assert (finding.table, finding.day, finding.passed) == ("raw_transactions", FIRST, True)
    assert finding.check == "received_is_accepted_and_rejected"
    assert finding.sentence == "1,007 rows received, 1,001 accepted and 4 rejected, 2 left out"
    numbers = {"received": 1007, "accepted": 1001, "rejected": 4, "left_out": 2}
    assert finding.numbers == numbers


@pytest.mark.parametrize("received", [4, 6])
def test_a_row_too_few_or_too_many_stops_a_delivery(tmp_path: Path, received: int) -> None:
    with pytest.raises(VerificationFailed) as failed:
        reconciled(intake_of(tmp_path, received, 0, 3, 2))
    assert str(failed.value) == (
        "raw_transactions of 2025-03-01 was not published: received_is_accepted_and_rejected:"
        f" {received} rows received, 3 accepted and 2 rejected"
    )


def published_rows(root: Path, name: str, day: date, rows: int) -> None:
    path = SnapshotStore(root).path(TABLES[name], day)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"row": list(range(rows))}), path)


def test_published_deliveries_are_counted_again_where_both_files_are_there(
    tmp_path: Path,
) -> None:
    third = SECOND + timedelta(days=1)
    for day, accepted in ((FIRST, 5), (SECOND, 6)):
        published_rows(tmp_path, "raw_transactions", day, accepted)
    published_rows(tmp_path, "rejected_transactions", FIRST, 2)
    received = {FIRST: Received(8, 1), SECOND: Received(6), third: None}
    tables = TABLES["raw_transactions"], TABLES["rejected_transactions"]
    found = reconciled_again(SnapshotStore(tmp_path), *tables, received)
    assert [(one.day, one.passed, one.sentence) for one in found] == [
        (FIRST, True, "8 rows received, 5 accepted and 2 rejected, 1 left out"),
        (
            third,
            True,
            "nothing was delivered: nothing was published, and nothing that was is lost",
        ),
    ]
    assert found[1] == nothing_delivered(TABLES["raw_transactions"], third)
    assert (found[1].table, found[1].check) == (found[0].table, found[0].check)
    assert found[1].numbers == {"received": 0, "accepted": 0, "rejected": 0, "left_out": 0}
