"""What is worth knowing about rows: copies, returns, guests, ids that look alike, dates."""

from abintel_pipeline_tests.inspecting.inspected import inspected, spoken, written

HEADER = "customer_id,transaction_id,date,amount,product_id"


def of(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines]) + "\n"


def test_copies_and_repeated_positions_are_counted_with_their_money():
    seen = inspected(
        written(
            of(
                "A,T1,2025-03-04,10.00,P1",
                "A,T1,2025-03-04,10.00,P1",
                "A,T1,2025-03-04,2.50,P1",
                "B,T2,2025-03-04,1.00,P1",
            )
        )
    )
    assert (seen.checks.copies.rows, str(seen.checks.copies.money)) == (1, "10.00")
    assert seen.checks.repeated.rows == 2
    assert "rows that copy an earlier row exactly: 1 (25.0%), 10.00 of money" in spoken(seen)
    assert "repeated_lines" not in seen.proposal.values


def test_an_export_written_twice_offers_to_reject_the_copies():
    lines = [f"C{n},T{n},2025-03-04,1.00,P1" for n in range(4)]
    seen = inspected(written(of(*lines, *lines)))
    assert "# ABINTEL_REPEATED_LINES=refuse" in seen.proposal.choices
    assert seen.trial.accepted == 8


def test_returns_are_netted_and_counted():
    seen = inspected(written(of("A,T1,2025-03-04,10.00,P1", "A,T2,2025-03-05,-4.00,P1")))
    assert seen.proposal.values == {"returns": "net"}
    assert (seen.checks.returns.rows, str(seen.checks.returns.money)) == (1, "-4.00")
    assert str(seen.trial.totals.money) == "6.00"


def test_rows_without_a_customer_are_left_out_with_their_money():
    seen = inspected(written(of("A,T1,2025-03-04,10.00,P1", ",T2,2025-03-05,4.00,P1")))
    assert seen.proposal.values == {"nobody_ids": [""]}
    assert (seen.checks.nobody.rows, str(seen.checks.nobody.money)) == (1, "4.00")
    assert (seen.trial.left_out, str(seen.trial.totals.money)) == (1, "10.00")


def test_ids_that_look_alike_are_listed_and_whether_they_are_one_customer():
    ids = ["a1", "A1", "007", "7", "8", "8.0", "B2", "B2 ", "other"]
    lines = [f"{one},T{n},2025-03-04,1.00,P1" for n, one in enumerate(ids)]
    seen = inspected(written(of(*lines)))
    found = {(pair.one, pair.other, pair.same) for pair in seen.checks.alike}
    assert found == {
        ("A1", "a1", False),
        ("007", "7", False),
        ("8", "8.0", True),
        ("B2", "B2 ", True),
    }
    assert "customers 'A1' and 'a1' look alike: two customers" in spoken(seen)


def test_an_id_that_stands_for_guests_elsewhere_is_asked_about_with_its_money():
    seen = inspected(written(of("0,T1,2025-03-04,3.00,P1", "A,T2,2025-03-04,1.00,P1")))
    assert "customer '0': 1 row, 3.00 of money; guests, perhaps" in spoken(seen)
    assert "# ABINTEL_NOBODY_IDS='[\"0\"]'" in seen.proposal.choices
    assert "nobody_ids" not in seen.proposal.values


def test_one_customer_with_many_orders_may_be_the_guests():
    lines = [f"X,G{n},2025-03-04,1.00,P1" for n in range(10)]
    lines += [f"C{n},T{n},2025-03-04,1.00,P1" for n in range(10)]
    seen = inspected(written(of(*lines)))
    assert seen.checks.largest == ("X", 10, 0.5)
    assert "# ABINTEL_NOBODY_IDS='[\"X\"]'" in seen.proposal.choices


def test_dates_long_ago_and_in_the_future_are_counted():
    lines = [f"C{n},T{n},2025-03-04,1.00,P1" for n in range(60)]
    seen = inspected(written(of(*lines, "A,X,1970-01-01,1.00,P1", "A,Y,2099-01-01,1.00,P1")))
    assert (seen.checks.early, seen.checks.future) == (1, 1)
    assert str(seen.day) == "2025-03-04"
    assert seen.trial.rejected == 2
    assert "rejected         1  date: before 1980-01-01" in spoken(seen)


def test_each_reason_of_a_rejection_names_its_first_line():
    lines = [f"C{n},T{n},2025-03-04,1.00,P1" for n in range(60)]
    seen = inspected(written(of(*lines, "A,X,2025-03-04,much,P1", "B,Y,2025-03-04,more,P1")))
    (rejection,) = seen.trial.rejections
    assert (rejection.reason, rejection.rows, rejection.first) == ("amount: not a number", 2, 62)
    assert "much" in rejection.text
    assert seen.ready


def test_too_many_rejected_rows_are_a_decision():
    seen = inspected(written(of("A,T,2025-03-04,1.00,P1", "A,X,2025-03-04,,P1")))
    assert not seen.ready
    assert "50.0% of the rows are rejected, more than the 5%" in spoken(seen)


def test_rows_newer_than_the_day_of_delivery_are_told():
    path = written(of("A,T,2025-03-04,1.00,P1"), "2025-03-03.csv")
    assert "the newest date is 2025-03-04, after the day of delivery" in spoken(inspected(path))


def test_words_that_say_cancelled_are_understood():
    header = f"{HEADER},storniert"
    lines = ("A,T,2025-03-04,1.00,P1,J", "B,U,2025-03-04,2.00,P1,N")
    seen = inspected(written(of(*lines, header=header)))
    assert seen.proposal.values == {
        "transaction_columns": {"cancelled": "storniert"},
        "cancelled_words": {"j": True, "n": False, "": False},
    }
    assert (seen.trial.totals.cancelled, str(seen.trial.totals.money)) == (1, "2.00")


def test_words_nobody_knows_are_left_to_a_person():
    header = f"{HEADER},storno"
    lines = ("A,T,2025-03-04,1.00,P1,alpha", "B,U,2025-03-04,2.00,P1,beta")
    seen = inspected(written(of(*lines, header=header)))
    assert "cancelled_words" not in seen.proposal.values
    assert any("CANCELLED_WORDS" in line for line in seen.proposal.choices)


def test_a_cancellation_in_the_first_row_of_an_order_alone_is_told():
    header = f"{HEADER},cancelled_at"
    lines = ("A,T,2025-03-04,1.00,P1,2025-03-05", "A,T,2025-03-04,2.00,P2,")
    seen = inspected(written(of(*lines, header=header)))
    assert "orders in which only some rows have a 'cancelled_at': 1" in spoken(seen)


def test_line_numbers_that_repeat_in_an_order_are_not_used():
    header = f"{HEADER},position"
    lines = ("A,T,2025-03-04,1.00,P1,1", "A,T,2025-03-04,2.00,P1,1")
    seen = inspected(written(of(*lines, header=header)))
    assert seen.proposal.values == {}
    assert "'position' is no number of its own in an order" in spoken(seen)


def test_a_total_that_is_the_orders_is_doubted():
    header = "customer_id,transaction_id,date,total,product_id"
    lines = [f"C{n},T{n},2025-03-04,30.00,P{p}" for n in range(6) for p in range(2)]
    seen = inspected(written(of(*lines, header=header)))
    assert "the same in all rows of 6 of 6 orders" in spoken(seen)


def test_an_orders_total_gives_way_to_quantity_times_price():
    header = "customer_id,transaction_id,date,order_total,product_id,quantity,price"
    lines = [f"C{n},T{n},2025-03-04,30.00,P{p},1,{p}0.00" for n in range(6) for p in (1, 2)]
    seen = inspected(written(of(*lines, header=header)))
    assert seen.amount.source == "quantity * price"
    assert seen.trial.totals.money == 6 * 30


def test_a_line_total_with_a_discount_is_kept_and_the_product_is_named():
    header = "customer_id,transaction_id,date,line_total,product_id,quantity,price"
    lines = ("A,T,2025-03-04,18.00,P1,2,10.00", "A,U,2025-03-04,10.00,P1,1,10.00")
    seen = inspected(written(of(*lines, header=header)))
    assert seen.amount.source == "line_total"
    assert "quantity * price is 'line_total' in 1 of 2 rows" in spoken(seen)


def test_nothing_in_a_file_speaks_to_the_terminal():
    seen = inspected(
        written(of("A\x1b[31m,T,2025-03-04,1.00,P1", "a\x1b[31m,U,2025-03-04,1.00,P1"))
    )
    assert "\x1b" not in spoken(seen)
