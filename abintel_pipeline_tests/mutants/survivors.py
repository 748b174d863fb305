"""Mutants that survived: where, what was changed, and why that may be."""

import ast
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

EXPLAINED = Path(__file__).with_name("survivors.toml")
TOKEN = re.compile(r"\w+|\s+|[-+*/%<>=!|&~]+|[^\w\s]")


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test told from the code."""

    module: str
    function: str
    line: int
    change: str
    """The lines that differ, as one line, with «what it is → what it was changed to»."""


@dataclass(frozen=True)
class Reason:
    """Why mutants may survive: an entry of survivors.toml."""

    reason: str
    equivalent: bool
    """No test can tell it from the code; else one could, and we do without it."""
    where: str = ""
    """`module:function`; empty for every one."""
    change: str = ""
    pattern: str = ""
    """A regular expression that is found in the change, instead of the `change` itself."""

    def explains(self, one: Survivor) -> bool:
        if self.where not in ("", f"{one.module}:{one.function}"):
            return False
        if self.pattern:
            return re.search(self.pattern, one.change) is not None
        return self.change == one.change


def reasons(text: str) -> list[Reason]:
    """The entries of survivors.toml."""
    entries = tomllib.loads(text)
    return [
        Reason(equivalent=kind == "equivalent", **entry)
        for kind in ("equivalent", "accepted")
        for entry in entries.get(kind, [])
    ]


def reason_of(one: Survivor, known: Iterable[Reason]) -> Reason | None:
    return next((reason for reason in known if reason.explains(one)), None)


def survivor(module: str, mutant: str, diff: str, source: str) -> Survivor:
    """What a unified diff of a mutant's function says; `source` is the module's text."""
    function = _function_of(mutant)
    head, *body = diff[diff.index("\n@@") + 1 :].splitlines()
    first = next(n for n, line in enumerate(body) if line[:1] in ("-", "+"))
    in_function = int(head.split()[1].removeprefix("-").split(",")[0]) - 1 + first
    old, new = (" ".join(line[1:].strip() for line in body if line[0:1] == sign) for sign in "-+")
    return Survivor(module, function, _begins(source, function) + in_function, compared(old, new))


def compared(old: str, new: str) -> str:
    """Two texts as one, in which the words that differ stand in «old → new».

    >>> compared("return day + one_day(1)", "return day - one_day(1)")
    'return day «+ → -» one_day(1)'
    """
    one, other = TOKEN.findall(old), TOKEN.findall(new)
    before = _alike(one, other)
    after = _alike(one[before:][::-1], other[before:][::-1])
    ends = len(one) - after, len(other) - after
    parts = ["".join(one[:before]), "".join(one[before : ends[0]])]
    parts += ["".join(other[before : ends[1]]), "".join(one[ends[0] :])]
    return "{}«{} → {}»{}".format(*parts)


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words of both are the same from the beginning."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _function_of(mutant: str) -> str:
    """The function's name, after its class's.

    >>> _function_of("abintel_pipeline.store.locks.x__await__mutmut_3")
    '_await'
    >>> _function_of("abintel_pipeline.metrics.snapshot_range.xǁSnapshotRangeǁout__mutmut_1")
    'SnapshotRange.out'
    """
    name = mutant.rpartition(".")[2].rpartition("__mutmut_")[0]
    return name[2:] if name.startswith("x_") else ".".join(name.split("ǁ")[1:])


def _begins(source: str, function: str) -> int:
    """The line at which a function begins, with the comments above it."""
    scope = ast.parse(source).body
    for name in function.split("."):
        kinds = (ast.FunctionDef, ast.ClassDef)
        found = next(one for one in scope if isinstance(one, kinds) and one.name == name)
        scope = found.body
    above = source.splitlines()[: found.lineno - 1]
    line = found.lineno
    for number in range(len(above), 0, -1):
        text = above[number - 1].strip()
        if text and not text.startswith("#"):
            break
        line = number if text else line
    return line
