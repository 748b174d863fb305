"""Runs seeds: `python -m abintel_pipeline_tests.nights 7`, `0 200`, or `--campaign`.

A seed that fails is told with the smallest plan that fails too. `--write` puts what a campaign
came to into docs/reliability.md.
"""

import argparse
import sys

from abintel_pipeline_tests.nights.campaign import SEEDS, campaign
from abintel_pipeline_tests.nights.figures import write_page
from abintel_pipeline_tests.nights.ledger import Wrong
from abintel_pipeline_tests.nights.plan import CAMPAIGN, EVERYDAY, Plan, Scale, drawn
from abintel_pipeline_tests.nights.real_kills import KILLS
from abintel_pipeline_tests.nights.seeds import Seeds
from abintel_pipeline_tests.nights.shrink import shrunk


def main() -> None:
    """What the command line asks for; ends with 1 if a seed failed."""
    asked = argparse.ArgumentParser(prog="python -m abintel_pipeline_tests.nights")
    asked.add_argument("first", type=int, nargs="?", help="a seed")
    asked.add_argument("behind", type=int, nargs="?", help="the seed behind the last one")
    asked.add_argument("--large", action="store_true", help="nights as in the campaign")
    asked.add_argument("--campaign", action="store_true", help="many seeds, and kills by signal")
    asked.add_argument("--seeds", type=int, default=SEEDS, help="of the campaign")
    asked.add_argument("--kills", type=int, default=KILLS, help="of the campaign, by signal")
    asked.add_argument("--write", action="store_true", help="write docs/reliability.md's figures")
    given = asked.parse_args()
    if given.campaign:
        figures = campaign(given.seeds, given.kills)
        print(figures.told())
        if given.write:
            write_page(figures)
        sys.exit(bool(figures.failed))
    if given.first is None:
        asked.error("name a seed, or --campaign")
    scale = CAMPAIGN if given.large else EVERYDAY
    behind = given.first + 1 if given.behind is None else given.behind
    sys.exit(_run(range(given.first, behind), scale))


def _run(seeds: range, scale: Scale) -> int:
    failed = 0
    with Seeds.open() as opened:
        for seed in seeds:
            plan = drawn(seed, scale)
            if wrong := _wrong(opened, plan):
                failed += 1
                print(f"seed {seed} fails: {wrong}")
                small = shrunk(plan, lambda one: _wrong(opened, one) is not None)
                print(f"  smaller: {small}\n  which fails: {_wrong(opened, small)}")
            elif len(seeds) == 1:
                told = opened.run(plan)
                print(f"seed {seed} survived {told.operations:,} operations: {plan}")
                print(f"  came: {dict(told.met)}\n  runs ended: {dict(told.ended)}")
    print(f"{len(seeds):,} seeds, {failed} failed")
    return int(failed > 0)


def _wrong(opened: Seeds, plan: Plan) -> str | None:
    try:
        opened.run(plan)
    except Wrong as wrong:
        return str(wrong)
    return None


if __name__ == "__main__":
    main()
