"""What `make mutants` makes of mutmut's answers."""

from collections import Counter
from pathlib import Path

import pytest

from abintel_pipeline_tests.mutants import running
from abintel_pipeline_tests.mutants.__main__ import _tell
from abintel_pipeline_tests.mutants.groups import GROUPS
from abintel_pipeline_tests.mutants.running import REACHED, TESTS, working_copy
from abintel_pipeline_tests.mutants.survivors import (
    EXPLAINED,
    Reason,
    Survivor,
    reason_of,
    reasons,
    survivor,
)

ROOT = Path(__file__).parents[1]
SOURCE = '''"""A module."""

LIMIT = 3


# Why it is so.

class Shop:
    # ── selling ──

    def price(self, count):
        """What it costs."""
        free = count > LIMIT
        return 0 if free else count * 2


def open_on(day):
    return day + 1
'''
METHOD = """# abintel_pipeline.shop.xǁShopǁprice__mutmut_2: survived
--- abintel_pipeline/shop.py
+++ abintel_pipeline/shop.py
@@ -2,5 +2,5 @@

 def price(self, count):
     \"\"\"What it costs.\"\"\"
-    free = count > LIMIT
+    free = count >= LIMIT
     return 0 if free else count * 2
"""
FUNCTION = """# abintel_pipeline.shop.x_open_on__mutmut_1: survived
--- abintel_pipeline/shop.py
+++ abintel_pipeline/shop.py
@@ -1,2 +1,2 @@
 def open_on(day):
-    return day + 1
+    return day + 2
"""


def test_a_survivor_is_named_by_its_line_and_what_was_changed() -> None:
    one = survivor("shop.py", "abintel_pipeline.shop.xǁShopǁprice__mutmut_2", METHOD, SOURCE)
    assert SOURCE.splitlines()[one.line - 1].strip() == "free = count > LIMIT"
    assert one == Survivor("shop.py", "Shop.price", 13, "free = count «> → >=» LIMIT")
    one = survivor("shop.py", "abintel_pipeline.shop.x_open_on__mutmut_1", FUNCTION, SOURCE)
    assert one == Survivor("shop.py", "open_on", 18, "return day + «1 → 2»")


def test_a_reason_holds_for_its_change_in_its_function() -> None:
    one, two = reasons(
        "[[accepted]]\nwhere = 'shop.py:open_on'\nchange = 'day + «1 → 2»'\nreason = 'a'\n"
        "[[equivalent]]\npattern = 'strict=«.*»'\nreason = 'b'\n"
    )
    known = [one, two]
    assert [one.equivalent, two.equivalent] == [True, False]
    held = Survivor("shop.py", "open_on", 1, "day + «1 → 2»")
    assert reason_of(held, known) == two
    assert reason_of(Survivor("shop.py", "price", 1, "day + «1 → 2»"), known) is None
    assert reason_of(Survivor("shop.py", "open_on", 1, "day + «1 → 3»"), known) is None
    strict = Survivor("shop.py", "price", 1, "zip(a, strict=«True → False»)")
    assert reason_of(strict, known) == one


def test_every_module_is_mutated_in_one_group() -> None:
    package = ROOT / "abintel_pipeline"
    folders = ("metrics", "quality/blocking", "store")
    wanted = [path for folder in folders for path in (package / folder).glob("*.py")]
    found = [p for group in GROUPS.values() for glob in group.modules for p in package.glob(glob)]
    assert sorted(path for path in found if path.name != "__init__.py") == sorted(
        path for path in wanted if path.name != "__init__.py"
    )


def test_every_reason_is_one() -> None:
    for one in reasons(EXPLAINED.read_text()):
        assert bool(one.change) != bool(one.pattern), one
        assert len(one.reason) > 10
        if one.where:
            module, _, function = one.where.partition(":")
            source = (ROOT / "abintel_pipeline" / module).read_text()
            assert f"def {function.rpartition('.')[2]}(" in source, one


def test_a_second_run_finds_anew_which_tests_reach_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "COPIES", tmp_path)
    folder = working_copy("rounding", GROUPS["rounding"], anew=True)
    results, reached = folder / "mutants" / "rounding.py.meta", folder / "mutants" / REACHED
    for path in (results, reached):
        path.write_text("{}")
    assert working_copy("rounding", GROUPS["rounding"], anew=False) == folder
    assert results.exists()
    assert not reached.exists()


def test_what_is_left_out_of_a_groups_tests_is_there() -> None:
    for group in GROUPS.values():
        for left_out in group.without:
            file, _, name = left_out.partition("::")
            assert (f"def {name}(" if name else "def test_") in (ROOT / TESTS / file).read_text()


MUTANT = Survivor("shop.py", "open_on", 18, "return day + «1 → 2»")


@pytest.mark.parametrize(
    ("mutants", "reason", "enough"),
    [
        (20, None, False),  # 95 % killed, but why did it survive?
        (20, Reason("nobody reads it", equivalent=False), True),
        (19, Reason("nobody reads it", equivalent=False), False),
        (1, Reason("both are the same", equivalent=True), True),
    ],
)
def test_enough_is_95_of_100_killed_and_a_reason_for_each_survivor(
    capsys: pytest.CaptureFixture[str], mutants: int, reason: Reason | None, enough: bool
) -> None:
    failed = ""
    try:
        _tell(Counter({"shop.py": mutants}), [(MUTANT, reason)])
    except SystemExit as error:
        failed = str(error)
    assert (failed == "") == enough
    told = capsys.readouterr().out
    assert "abintel_pipeline/shop.py:18 open_on: return day + «1 → 2»" in told
    assert f"{'shop.py':32}  {mutants:7}" in told
