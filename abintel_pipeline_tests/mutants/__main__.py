"""Run the mutants and judge them: python -m abintel_pipeline_tests.mutants --help."""

import argparse
import fnmatch
import re
from collections import Counter, defaultdict
from pathlib import Path

from abintel_pipeline_tests.mutants.groups import GROUPS
from abintel_pipeline_tests.mutants.running import (
    COPIES,
    PACKAGE,
    ROOT,
    Statuses,
    difference,
    module_of,
    patterns,
    run_mutants,
    statuses,
    working_copy,
)
from abintel_pipeline_tests.mutants.survivors import (
    EXPLAINED,
    Reason,
    Survivor,
    reason_of,
    reasons,
    survivor,
)

ENOUGH = 0.95
"""The share of the mutants that must be killed, of those that a test can tell from the code."""
KILLED = ("killed", "timeout")
Judged = list[tuple[Survivor, Reason | None]]


def main() -> None:
    options = _parser().parse_args()
    ran: Counter[str] = Counter()
    judged: Judged = []
    for name, group in GROUPS.items():
        chosen = patterns(group, [one.removeprefix(f"{PACKAGE}/") for one in options.modules])
        if chosen is None:
            continue
        again = options.again and (COPIES / name).exists()
        if not options.report:
            print(f"{name}: {', '.join(group.modules)}", flush=True)
            folder = working_copy(name, group, anew=not again)
            names = _unexplained(folder, _wanted(statuses(folder), chosen)) if again else chosen
            if names or not again:
                run_mutants(folder, names, options.at_once)
        found = _wanted(statuses(COPIES / name), chosen)
        ran.update(module_of(mutant) for mutant in found)
        judged += _judged(COPIES / name, found).values()
    _tell(ran, judged)


def _wanted(found: Statuses, chosen: list[str]) -> Statuses:
    """Those whose name fits one of mutmut's patterns, of which none at all means all."""
    fits = [re.compile(fnmatch.translate(pattern)).match for pattern in chosen or ["*"]]
    return {name: status for name, status in found.items() if any(fit(name) for fit in fits)}


def _unexplained(folder: Path, found: Statuses) -> list[str]:
    return [mutant for mutant, (_, reason) in _judged(folder, found).items() if not reason]


def _judged(folder: Path, found: Statuses) -> dict[str, tuple[Survivor, Reason | None]]:
    """{mutant that survived: what it is, and the reason why it may}."""
    known = reasons(EXPLAINED.read_text())
    survived = {}
    for mutant in (mutant for mutant, status in found.items() if status not in KILLED):
        module = module_of(mutant)
        source = (ROOT / PACKAGE / module).read_text()
        one = survivor(module, mutant, difference(folder, mutant), source)
        survived[mutant] = one, reason_of(one, known)
    return survived


def _tell(ran: Counter[str], judged: Judged) -> None:
    """Print the survivors and the figures of each module. Exits where they aren't good enough."""
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one, reason in judged:
        kind = "unexplained" if reason is None else ("accepted", "equivalent")[reason.equivalent]
        kinds[one.module][kind] += 1
        print(f"{PACKAGE}/{one.module}:{one.line} {one.function}: {one.change}")
        print(f"    {kind}{f': {reason.reason}' if reason else ''}")
    print(f"{'module':32}  mutants  killed  share  equivalent  accepted  unexplained")
    shares = {}
    for module, mutants in [*sorted(ran.items()), ("all", ran.total())]:
        own = kinds[module] if module != "all" else sum(kinds.values(), Counter())
        killed = mutants - own.total()
        counted = mutants - own["equivalent"]
        shares[module] = killed / counted if counted else 1.0
        print(
            f"{module:32}  {mutants:7}  {killed:6}  {shares[module]:5.1%}  {own['equivalent']:10}"
            f"  {own['accepted']:8}  {own['unexplained']:11}"
        )
    low = [module for module, share in shares.items() if share < ENOUGH]
    if low or own["unexplained"]:
        raise SystemExit(
            f"{own['unexplained']} mutants survived without a reason in {EXPLAINED.name}; fewer"
            f" than {ENOUGH:.0%} were killed in: {', '.join(low) or 'no module'}"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m abintel_pipeline_tests.mutants",
        description="Change one place of the code at a time and see whether a test fails. All of it"
        " takes an hour or two, one module some minutes.",
    )
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="metrics/rfm, store …; without any, all"
    )
    parser.add_argument(
        "--again", action="store_true", help="only those that survived for no known reason"
    )
    parser.add_argument("--report", action="store_true", help="run nothing: judge the last run")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="mutants at a time")
    return parser


if __name__ == "__main__":
    main()
