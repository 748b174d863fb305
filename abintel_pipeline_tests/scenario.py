"""One small world, worked by hand: seven snapshots of four customers.

Each value earns its place by being awkward. The window is 10 days, so that customers leave it: an
order of 1 March counts up to 10 March. There are 3 bins, so that the quantiles are at 1/3 and 2/3.
Nothing here is computed; the arithmetic stands in the comments.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from abintel_pipeline.rules import Rules

RULES = Rules(history_days=10, bins=3)


def march(day: int) -> date:
    return date(2025, 3, day)


def _line(
    customer: str,
    order: str,
    day: int,
    product: str,
    amount: str,
    delivered: int,
    *,
    cancelled: bool = False,
) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "transaction_id": order,
        "date": march(day),
        "amount": Decimal(amount),
        "product_id": product,
        "line_id": None,
        "cancelled": cancelled,
        "delivered_on": march(delivered),
    }


LINES = {
    # An order of two lines is one visit.
    "001 apple": _line("001", "T1", 1, "apple", "9.95", 1),
    # The bag stands twice: both lines count.
    "001 bag": _line("001", "T1", 1, "bag", "0.02", 1),
    "001 second bag": _line("001", "T1", 1, "bag", "0.03", 1),
    # Customer 1 is not customer 001, though the order's id is the same.
    "1 apple": _line("1", "T1", 2, "apple", "30.00", 2),
    "kim": _line("kim", "K1", 2, "apple", "20.00", 2),
    # A cancelled order never was: customer max has no row.
    "max cancelled": _line("max", "N1", 2, "tea", "8.00", 2, cancelled=True),
    # The same line, delivered again.
    "kim again": _line("kim", "K1", 2, "apple", "20.00", 3),
    # An order id used again on another date: another order.
    "001 second": _line("001", "T1", 3, "apple", "10.00", 3),
    # A late line, and the day after a correction by one cent, which makes the average a tie.
    "1 late": _line("1", "T2", 3, "milk", "5.00", 4),
    "1 corrected": _line("1", "T2", 3, "milk", "5.01", 5),
    # A late order that cost nothing still is a visit.
    "lou free": _line("lou", "M1", 6, "gift", "0.00", 7),
    # A correction a week later, of a line that was already delivered twice.
    "kim corrected": _line("kim", "K1", 2, "apple", "27.00", 9),
    # A return lowers what was spent: it is no visit, and not kim's latest day. It stays two days
    # longer than what it returns.
    "kim return": _line("kim", "R1", 4, "apple", "-2.00", 9),
    # So late that it counts for one day only: its own last.
    "1 last day": _line("1", "T0", 1, "soap", "4.99", 10),
    # A day later still, it never counts.
    "lou too late": _line("lou", "M0", 1, "gift", "99.00", 11),
    "kim second": _line("kim", "K2", 11, "tea", "25.00", 11),
    # Of two pieces one is taken back, and the other still counts.
    "lou taken back": _line("lou", "M1", 6, "gift", "7.00", 11, cancelled=True),
    "lou still free": _line("lou", "M1", 6, "gift", "0.00", 11),
    # Cancelled, and a day later it was bought after all.
    "kim cancelled": _line("kim", "K2", 11, "tea", "25.00", 12, cancelled=True),
    "kim after all": _line("kim", "K2", 11, "tea", "25.00", 13),
    # Corrects a line that has left the window: changes nothing.
    "001 corrected too late": _line("001", "T1", 1, "apple", "500.00", 12),
}
"""Every line as delivered, under a name of its own."""

CUSTOMERS = [
    {"customer_id": customer, "loyalty_score": score, "delivered_on": march(day)}
    for customer, score, day in (
        ("001", 0.97, 1),
        ("kim", 0.4, 2),
        # A null says nothing: 0.97 stays.
        ("001", None, 5),
        # A customer without a transaction gets no row.
        ("ghost", 0.9, 5),
        ("kim", 0.6, 10),
        # Not known before 12 March.
        ("lou", 0.2, 12),
    )
]

IN_FORCE = {
    march(1): {"001 apple", "001 bag", "001 second bag"},
    march(2): {"001 apple", "001 bag", "001 second bag", "1 apple", "kim"},
    march(4): {
        *("001 apple", "001 bag", "001 second bag", "1 apple"),
        *("kim again", "001 second", "1 late"),
    },
    march(10): {
        *("001 apple", "001 bag", "001 second bag", "1 apple", "001 second"),
        *("1 corrected", "lou free", "kim corrected", "kim return", "1 last day"),
    },
    march(11): {
        *("1 apple", "001 second", "1 corrected", "lou still free"),
        *("kim corrected", "kim return", "kim second"),
    },
    # 2 March left on the 12th. Without tea, kim has a return alone, and no row.
    march(12): {"001 second", "1 corrected", "lou still free", "kim return"},
    # 3 March left on the 13th: customers 001 and 1 are gone.
    march(13): {"lou still free", "kim return", "kim after all"},
}

# purchase_total, visit_frequency, avg_ticket, product_diversity, loyalty_score, recency_days
FEATURES = {
    march(1): {"001": (10.00, 1, 10.00, 2, 0.97, 0)},
    march(2): {
        "001": (10.00, 1, 10.00, 2, 0.97, 1),
        "1": (30.00, 1, 30.00, 1, 0.0, 0),
        "kim": (20.00, 1, 20.00, 1, 0.4, 0),
    },
    march(4): {
        "001": (20.00, 2, 10.00, 2, 0.97, 1),  # 9.95 + 0.05 + 10.00
        "1": (35.00, 2, 17.50, 2, 0.0, 1),  # 30.00 + 5.00
        "kim": (20.00, 1, 20.00, 1, 0.4, 2),
    },
    march(10): {
        "001": (20.00, 2, 10.00, 2, 0.97, 7),
        "1": (40.00, 3, 13.33, 3, 0.0, 7),  # 30.00 + 5.01 + 4.99; 40 / 3 = 13.333…
        "kim": (25.00, 1, 25.00, 1, 0.6, 8),  # 27.00 - 2.00
        "lou": (0.00, 1, 0.00, 1, 0.0, 4),
    },
    march(11): {
        "001": (10.00, 1, 10.00, 1, 0.97, 8),
        "1": (35.01, 2, 17.51, 2, 0.0, 8),  # 35.01 / 2 = 17.505, half up
        "kim": (50.00, 2, 25.00, 2, 0.6, 0),  # 27.00 - 2.00 + 25.00
        "lou": (0.00, 1, 0.00, 1, 0.0, 5),
    },
    march(12): {
        "001": (10.00, 1, 10.00, 1, 0.97, 9),
        "1": (5.01, 1, 5.01, 1, 0.0, 9),
        "lou": (0.00, 1, 0.00, 1, 0.2, 6),
    },
    march(13): {
        "kim": (23.00, 1, 23.00, 1, 0.6, 2),  # 25.00 - 2.00
        "lou": (0.00, 1, 0.00, 1, 0.2, 7),
    },
}

LOYALTY = {
    # Alone: every metric is constant.
    march(1): {"001": (0.5, "Silver")},
    # One visit each: visit_frequency is left out, the others' weights add up to 0.70.
    march(2): {
        "001": (0.2143, "At-Risk"),  # 0.15 / 0.70 = 0.214285…
        "1": (0.7857, "Gold"),  # (0.25 + 0.10 + 0.20) / 0.70 = 0.785714…
        "kim": (0.5357, "Silver"),  # (0.25/2 + 0.10/2 + 0.20) / 0.70 = 0.535714…
    },
    march(4): {
        "001": (0.65, "Silver"),  # 0.30 + 0.15 + 0.20
        "1": (0.975, "Platinum"),  # 0.25 + 0.30 + 0.10 · (17.5 - 10) / 10 + 0.15 + 0.20
        "kim": (0.1, "At-Risk"),  # 0.10
    },
    march(10): {
        # 0.25 · 20/40 + 0.30 · 1/2 + 0.10 · 10/25 + 0.15 · 1/2 + 0.20 · (8 - 7)/(8 - 4)
        # = 0.125 + 0.15 + 0.04 + 0.075 + 0.05
        "001": (0.44, "Bronze"),
        "1": (0.8033, "Gold"),  # 0.25 + 0.30 + 0.10 · 13.33/25 + 0.15 + 0.05 = 0.80332
        "kim": (0.2563, "At-Risk"),  # 0.25 · 25/40 + 0.10 = 0.25625: a tie, half up
        "lou": (0.2, "At-Risk"),  # 0.20
    },
    march(11): {
        "001": (0.09, "At-Risk"),  # 0.25 · 10/50 + 0.10 · 10/25
        # 0.25 · 35.01/50 + 0.30 + 0.10 · 17.51/25 + 0.15
        # = 0.17505 + 0.30 + 0.07004 + 0.15 = 0.69509
        "1": (0.6951, "Silver"),
        "kim": (1.0, "Platinum"),
        "lou": (0.075, "At-Risk"),  # 0.20 · (8 - 5)/8
    },
    # Visits and products are constant: 0.25 + 0.10 + 0.20 = 0.55 is left.
    march(12): {
        "001": (0.6364, "Silver"),  # (0.25 + 0.10) / 0.55 = 0.636363…
        "1": (0.3188, "Bronze"),  # (0.25 + 0.10) · 5.01/10 / 0.55 = 0.318818…
        "lou": (0.3636, "Bronze"),  # 0.20 / 0.55 = 0.363636…
    },
    # Two customers under min-max are 1 and 0.
    march(13): {"kim": (1.0, "Platinum"), "lou": (0.0, "At-Risk")},
}

# customers, mean, median, p90, and the counts Platinum, Gold, Silver, Bronze, At-Risk
SUMMARY = {
    march(1): (1, 0.5, 0.5, 0.5, (0, 0, 1, 0, 0)),
    # 1.5357 / 3; p90 at place 1.8: 0.5357 + 0.8 · 0.25
    march(2): (3, 0.5119, 0.5357, 0.7357, (0, 1, 1, 0, 1)),
    # 1.725 / 3; 0.65 + 0.8 · 0.325
    march(4): (3, 0.575, 0.65, 0.91, (1, 0, 1, 0, 1)),
    # 1.6996 / 4; (0.2563 + 0.44) / 2; p90 at place 2.7: 0.44 + 0.7 · 0.3633
    march(10): (4, 0.4249, 0.34815, 0.69431, (0, 1, 0, 1, 2)),
    # 1.8601 / 4; (0.09 + 0.6951) / 2; 0.6951 + 0.7 · 0.3049
    march(11): (4, 0.465025, 0.39255, 0.90853, (1, 0, 1, 0, 2)),
    # 1.3188 / 3; p90 at place 1.8: 0.3636 + 0.8 · 0.2728
    march(12): (3, 0.4396, 0.3636, 0.58184, (0, 0, 1, 2, 0)),
    march(13): (2, 0.5, 0.5, 0.9, (1, 0, 0, 0, 1)),
}

# Weight in force, lower, upper of purchase_total, visit_frequency, avg_ticket, product_diversity,
# recency_days; None for a metric that was constant.
SCALING = {
    march(1): (None, None, None, None, None),
    march(2): (
        *((0.25 / 0.70, 10.00, 30.00), None, (0.10 / 0.70, 10.00, 30.00)),
        *((0.15 / 0.70, 1, 2), (0.20 / 0.70, 0, 1)),
    ),
    march(4): ((0.25, 20, 35), (0.30, 1, 2), (0.10, 10, 20), (0.15, 1, 2), (0.20, 1, 2)),
    march(10): ((0.25, 0, 40), (0.30, 1, 3), (0.10, 0, 25), (0.15, 1, 3), (0.20, 4, 8)),
    march(11): ((0.25, 0, 50), (0.30, 1, 2), (0.10, 0, 25), (0.15, 1, 2), (0.20, 0, 8)),
    # Visits and products are constant, on the 13th as well.
    march(12): ((0.25 / 0.55, 0, 10), None, (0.10 / 0.55, 0, 10), None, (0.20 / 0.55, 6, 9)),
    march(13): ((0.25 / 0.55, 0, 23), None, (0.10 / 0.55, 0, 23), None, (0.20 / 0.55, 2, 7)),
}

# recency_score, frequency_score, monetary_score, rfm_class, rfm_total, rfm_tier
RFM = {
    # Alone, every threshold is the customer's own value: >= gives R 3, < gives F 1 and M 1.
    march(1): {"001": (3, 1, 1, "311", 5, "Loyal")},
    march(2): {
        "001": (1, 1, 1, "111", 3, "At-Risk"),
        "1": (3, 1, 3, "313", 7, "Champion"),
        "kim": (3, 1, 2, "312", 6, "Potential"),
    },
    march(4): {
        "001": (3, 2, 1, "321", 6, "Potential"),  # spent 20.00 like kim: M 1 like kim
        "1": (3, 2, 3, "323", 8, "Champion"),
        "kim": (1, 1, 1, "111", 3, "At-Risk"),
    },
    march(10): {
        "001": (3, 2, 1, "321", 6, "Potential"),
        "1": (3, 3, 3, "333", 9, "Champion"),
        "kim": (1, 1, 2, "112", 4, "At-Risk"),
        "lou": (3, 1, 1, "311", 5, "Promising"),
    },
    march(11): {
        "001": (2, 1, 1, "211", 4, "At-Risk"),
        "1": (2, 2, 2, "222", 6, "Potential"),
        "kim": (3, 2, 3, "323", 8, "Champion"),
        "lou": (3, 1, 1, "311", 5, "Promising"),
    },
    march(12): {
        "001": (2, 1, 3, "213", 6, "Loyal"),
        "1": (2, 1, 2, "212", 5, "At-Risk"),
        "lou": (3, 1, 1, "311", 5, "At-Risk"),
    },
    march(13): {
        "kim": (3, 1, 3, "313", 7, "Champion"),
        "lou": (1, 1, 1, "111", 3, "At-Risk"),
    },
}

# recency at 2/3 and 1/3, frequency and monetary at 1/3 and 2/3, rfm_total: champion, p70, p45, p20
THRESHOLDS = {
    march(1): ((0, 0), (1, 1), (10, 10), (7, 5, 5, 5)),
    # Places 2/3 and 4/3. Recency 0 0 1: 0 and 1/3. Monetary 10 20 30: 10 + 2/3 · 10, 20 + 1/3 · 10.
    # Totals 3 6 7 at places 1.4, 0.9, 0.4: 6 + 0.4, 3 + 0.9 · 3, 3 + 0.4 · 3.
    march(2): ((0.333333, 0), (1, 1), (16.666667, 23.333333), (7, 6.4, 5.7, 4.2)),
    # Recency 1 1 2: 1 and 1 + 1/3. Frequency 1 2 2: 1 + 2/3 and 2.
    # Monetary 20 20 35: 20 and 20 + 15/3.
    # Totals 3 6 8: 6 + 0.4 · 2, 3 + 0.9 · 3, 3 + 0.4 · 3.
    march(4): ((1.333333, 1), (1.666667, 2), (20, 25), (7, 6.8, 5.7, 4.2)),
    # Four customers: places 1 and 2, the middle values themselves: 4 7 7 8, 1 1 2 3, 0 20 25 40.
    # Totals 4 5 6 9 at places 2.1, 1.35, 0.6: 6 + 0.1 · 3, 5 + 0.35, 4 + 0.6.
    march(10): ((7, 7), (1, 2), (20, 25), (7, 6.3, 5.35, 4.6)),
    # 0 5 8 8, 1 1 2 2, 0 10 35.01 50. Totals 4 5 6 8: 6 + 0.1 · 2, 5 + 0.35, 4 + 0.6.
    march(11): ((8, 5), (1, 2), (10, 35.01), (7, 6.2, 5.35, 4.6)),
    # Recency 6 9 9: 6 + 2/3 · 3 and 9. Monetary 0 5.01 10: 2/3 · 5.01 and 5.01 + 1/3 · 4.99.
    # Totals 5 5 6: 5 + 0.4, 5, 5.
    march(12): ((9, 8), (1, 1), (3.34, 6.673333), (7, 5.4, 5, 5)),
    # Places 1/3 and 2/3. Recency 2 7: 2 + 5/3, 2 + 10/3. Monetary 0 23: 23/3, 46/3.
    # Totals 3 7 at places 0.7, 0.45, 0.2: 3 + 2.8, 3 + 1.8, 3 + 0.8.
    march(13): ((5.333333, 3.666667), (1, 1), (7.666667, 15.333333), (7, 5.8, 4.8, 3.8)),
}
