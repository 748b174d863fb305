"""What the pictures show, worked by hand, and that a small PNG of it is drawn."""

import io
from collections.abc import Iterator
from itertools import pairwise

import pytest
from PIL import Image

from abintel_pipeline.contract import TABLES
from abintel_pipeline.orchestration.asset_page import pictures
from abintel_pipeline.orchestration.asset_page.pictures import (
    customers_by_score,
    reasons,
    rejected_by_reason,
    score_histogram,
    scores,
    spend,
    spend_by_segment,
    tiers,
)
from abintel_pipeline.rules import Rules
from abintel_pipeline.snapshots import StepContext, rfm_snapshot
from abintel_pipeline_tests.shop import Shop, day, shop_settings

ON = "2025-01-01"
REJECTED = TABLES["rejected_transactions"]
MOST_BYTES = 40_000
BLUE = (0x4C, 0x78, 0xA8)


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Spends of 0, 100, 600, 850 and 1000: by spend alone scores of 0, 0.1, 0.6, 0.85 and 1.

    Nothing here writes into it.
    """
    rules = Rules(weights={"purchase_total": 1})
    with Shop.open(shop_settings(tmp_path_factory.mktemp("five")), rules) as shop:
        shop.deliver(ON, *(f"{n},T{n},{ON},{n}.00,P1" for n in (0, 100, 600, 850, 1000)))
        shop.take_in(ON)
        shop.snapshot(ON)
        yield shop


def opened(png: bytes) -> Image.Image:
    assert len(png) < MOST_BYTES
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.size) == ("PNG", (560, 280))
    return image.convert("RGB")


def pixels(image: Image.Image, color: tuple[int, int, int]) -> int:
    counted = image.getcolors(image.width * image.height) or []
    return {found: count for count, found in counted}.get(color, 0)


def test_the_histogram_counts_customers_by_score(five: Shop) -> None:
    counted = {n: count for n, count in enumerate(scores(five.step, day(ON))) if count}
    assert counted == {0: 1, 5: 1, 30: 1, 42: 1, 49: 1}  # 0.85 lies in 0.84..0.86
    image = opened(score_histogram(five.step, day(ON)))
    assert pixels(image, (0x4C, 0x78, 0xA8)) > 500


def test_spend_is_summed_by_segment_from_the_highest(five: Shop) -> None:
    assert spend(five.step, day(ON)) == [
        ("Platinum", 2, 1850.0),
        ("Gold", 0, 0.0),
        ("Silver", 1, 600.0),
        ("Bronze", 0, 0.0),
        ("At-Risk", 2, 100.0),
    ]
    opened(spend_by_segment(five.step, day(ON)))


def test_customers_are_counted_by_recency_and_frequency(five: Shop) -> None:
    """All bought once, on the same day: nobody passes a cut of either."""
    ((field, counts),) = tiers(five.step, day(ON)).items()
    assert field == (5, 1)
    assert sum(counts.values()) == 5
    image = opened(customers_by_score(five.step, day(ON)))
    assert pixels(image, (0x08, 0x30, 0x6B)) > 1000  # the darkest blue: the fullest field


@pytest.mark.parametrize("bins", [2, 10])
def test_any_number_of_bins_can_be_drawn(shop: Shop, five: Shop, bins: int) -> None:
    shop.begin_with(five.settings.data_dir)
    rules = five.step.rules.model_copy(update={"bins": bins})
    again = Shop(StepContext(shop.step.connection, shop.settings, rules))
    rfm_snapshot(again.step, day(ON))
    opened(customers_by_score(again.step, day(ON)))


def test_rejected_rows_are_counted_by_reason(shop: Shop) -> None:
    settings = shop.settings.model_copy(update={"max_rejected_share": 1.0})
    again = Shop(StepContext(shop.step.connection, settings, shop.step.rules))
    again.deliver(ON, f"1,T,{ON},abc,P1", f"2,T,{ON},-1,P1", f"3,T,{ON},x,P1", f"4,T,{ON},1.00,P1")
    again.take_in(ON)
    assert reasons(again.step, REJECTED, day(ON)) == [
        ("amount: not a number", 2),
        ("amount: negative", 1),
    ]
    drawn = rejected_by_reason(again.step, REJECTED, day(ON))
    assert drawn
    assert pixels(opened(drawn), (0x4C, 0x78, 0xA8)) > 5000


def test_where_nothing_was_rejected_there_is_nothing_to_draw(five: Shop) -> None:
    assert rejected_by_reason(five.step, REJECTED, day(ON)) is None
    assert rejected_by_reason(five.step, REJECTED, day("2025-01-02")) is None


def test_a_snapshot_of_nobody_can_be_drawn(shop: Shop) -> None:
    shop.deliver(ON)
    shop.take_in(ON)
    shop.snapshot(ON)
    for draw in (score_histogram, spend_by_segment, customers_by_score):
        opened(draw(shop.step, day(ON)))


ODD_NAMES = {
    "mathematics": ("$$$", "$$", "$"),
    "broken mathematics": (r"$\\frac{", "a_b^c", "50 % {"),
    "glyphs that no font has": ("金\U0001f947", "\u05d0\u0301", "\ue000"),
    "several lines": ("a\nb", "a b", "\x1fc\u2028"),
    "very long": ("W" * 500, "W" * 501, "W" * 502),
    "numbers and dates": ("1", "2025-01-01", "nan"),
}


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
def test_whatever_segments_are_called_is_text_in_a_picture(
    shop: Shop, names: tuple[str, str, str]
) -> None:
    rules = Rules(segment_thresholds=dict(zip(names, (0.8, 0.4, 0), strict=True)))
    again = Shop(StepContext(shop.step.connection, shop.settings, rules))
    again.deliver(ON, *(f"{n},T{n},{ON},{n}.00,P1" for n in (0, 500, 1000)))
    again.take_in(ON)
    again.snapshot(ON)
    opened(score_histogram(again.step, day(ON)))
    image = opened(spend_by_segment(again.step, day(ON)))
    assert pixels(image, (0x4C, 0x78, 0xA8)) > 5000  # bars of 1000 and 500, however long the names


@pytest.mark.filterwarnings("error::UserWarning")
def test_reasons_that_begin_alike_keep_a_bar_each(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = [("W" * 70 + f"${n}", 100) for n in range(10)]
    monkeypatch.setattr(pictures, "reasons", lambda *_: alike)
    image = opened(rejected_by_reason(shop.step, REJECTED, day(ON)) or b"")
    blue = [[image.getpixel((x, y)) == BLUE for y in range(280)] for x in range(560)]
    column = max(blue, key=sum)
    assert sum(here and not above for above, here in pairwise(column)) == 10


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_hundred_segments_can_be_drawn(shop: Shop) -> None:
    names = {f"segment {n}": n / 100 for n in range(99, -1, -1)}
    again = Shop(StepContext(shop.step.connection, shop.settings, Rules(segment_thresholds=names)))
    again.deliver(ON, f"1,T,{ON},1.00,P1")
    again.take_in(ON)
    again.snapshot(ON)
    opened(score_histogram(again.step, day(ON)))
    opened(spend_by_segment(again.step, day(ON)))


def test_busy_pictures_stay_small(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    full = {(r, f): {"Promising": 1000 * r + f} for r in range(1, 11) for f in range(1, 11)}
    shop.deliver(ON, f"1,T,{ON},1.00,P1")
    shop.take_in(ON)
    again = Shop(StepContext(shop.step.connection, shop.settings, Rules(bins=10)))
    again.snapshot(ON)
    monkeypatch.setattr(pictures, "tiers", lambda *_: full)
    opened(customers_by_score(again.step, day(ON)))
    many = [(f"line: too many fields, of which {n} " + "x" * 60, n) for n in range(10, 0, -1)]
    monkeypatch.setattr(pictures, "reasons", lambda *_: many)
    opened(rejected_by_reason(again.step, REJECTED, day(ON)) or b"")
