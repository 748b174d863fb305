"""A tiny shop: what is delivered for each of its days, in how many versions.

Every version of a day follows from the world's number and the day alone, so the seeds of one world
meet the same deliveries, in other orders and at other moments.
"""

import gzip
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Literal

FIRST_DAY = date(2025, 3, 1)
NOBODY = "0"
HEADER = "customer_id,transaction_id,date,amount,product_id,cancelled"
MOST_REJECTED = Decimal("0.5")

Version = Literal["first", "corrected", "cancelled", "renamed", "damaged", "bad", "more"]
VERSIONS: tuple[Version, ...] = (
    *("first", "corrected", "cancelled", "renamed", "damaged", "bad", "more"),
)
Files = dict[str, bytes]
"""The files of one day in the folder of a table: {name: content}."""


@dataclass(frozen=True)
class World:
    """A shop of three to five customers over some nights."""

    number: int
    nights: int

    @cached_property
    def days(self) -> list[date]:
        return [FIRST_DAY + timedelta(days=n) for n in range(self.nights)]

    @property
    def history_days(self) -> int:
        return 4

    def files(self, day: date, version: Version) -> Files:
        """What lies in `transactions` once this version of the day's delivery has come."""
        lines = self._lines(day)
        if version == "corrected":
            lines = [self._repriced(lines[0]), *lines[1:]]
        elif version == "cancelled":
            lines = [*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",true"]
        elif version == "more":
            lines = [*lines, f"new,N1,{day},7.25,P9,false"]
        elif version == "bad":
            lines = [f"ann,B{n},{day},many,P1,false" for n in range(3)] + lines[:1]
        text = "\n".join([HEADER, *lines, ""]).encode()
        if version == "damaged":
            return {f"{day}.csv.gz": gzip.compress(text, mtime=0)[:-12]}
        name = f"sales of {day}.csv" if version == "renamed" else f"{day}.csv"
        return {name: text}

    def customers(self, day: date) -> Files:
        """What lies in `customers` for the day: a few loyalty scores now and then."""
        random = Random(f"customers {self.number} {day}")
        if day.day % 4 != 2:
            return {}
        lines = [f"{name},{random.randint(0, 100) / 100}" for name in ("ann", "bob", "ghost")]
        return {f"{day}.csv": "\n".join(["customer_id,loyalty_score", *lines, ""]).encode()}

    def _lines(self, day: date) -> list[str]:
        """Lines of the day, some late, now and then one to reject or to leave out."""
        random = Random(f"lines {self.number} {day}")
        names = ["ann", "bob", "cem", "dot", "eve"][: 3 + self.number % 3]
        lines = []
        for number, name in enumerate(random.sample(names, random.randint(2, len(names)))):
            late = random.random() < 0.25
            on = day - timedelta(days=random.randint(1, 2)) if late else day
            amount = Decimal(random.randint(0, 5000)) / 100
            lines.append(f"{name},T{number},{on},{amount},P{random.randint(1, 3)},false")
        if random.random() < 0.4:
            lines.append(f"bob,X1,{day + timedelta(days=1)},1.00,P1,false")
        if random.random() < 0.3:
            lines.append(f"{NOBODY},G1,{day},3.00,P1,false")
        return [lines[0], *random.sample(lines[1:], len(lines) - 1)]

    @staticmethod
    def _repriced(line: str) -> str:
        cells = line.split(",")
        cells[3] = str(Decimal(cells[3]) + Decimal("1.01"))
        return ",".join(cells)


def put(folder: Path, day: date, files: Files) -> None:
    """Make these the day's files in a landing folder, in place of those that were."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        fresh = folder / f"{name}.part"
        fresh.write_bytes(content)
        fresh.replace(folder / name)
    for path in folder.glob(f"*{day}*"):
        if path.name not in files:
            path.unlink()
