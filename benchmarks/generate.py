"""A seeded retailer: transaction lines of N orders' lines and C customers, as the store holds them.

    python -m benchmarks.generate /tmp/retailer --lines 20_000_000 --customers 500_000

What it looks like, so that no contender gains from data that is too easy:
- four customers in ten buy once; the most active fifth makes three quarters of the other orders,
  its best customer some 1,500 of them;
- an order has 4 lines on average (geometric, at most 32), each of another product;
- the most popular of 20,000 products are bought over a hundred times as often as the median one,
  and half of the orders repeat what that customer buys habitually;
- optionally a share of orders that are delivered up to 14 days late, and a share of lines that are
  corrected (delivered again with another amount) three days later.

Everything is a function of DuckDB's `hash` of the seed and a counter: one seed gives the same rows
on any machine and number of threads, for one version of DuckDB.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from abintel_pipeline.contract import TABLES
from abintel_pipeline.store.snapshot_store import SnapshotStore

ABOUT = "retailer.json"
CORRECTED_AFTER_DAYS = 3
BUY_ONCE = 0.4
"""Share of the customers who buy once in all the days: what generate.sql leaves over."""
NOTHING_SPECIAL = "NULL::VARCHAR AS line_id, false AS cancelled"
"""No line has a number of its own, and none is cancelled."""
LINES_SQL = (Path(__file__).parent / "generate.sql").read_text()


@dataclass(frozen=True)
class Retailer:
    """What decides the rows: the same values give the same rows."""

    lines: int = 20_000_000
    customers: int = 500_000
    days: int = 540
    late_share: float = 0.0
    corrected_share: float = 0.0
    long_ids: bool = False
    seed: int = 1
    first_day: date = date(2024, 1, 1)

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)

    @property
    def name(self) -> str:
        """A folder name that differs where the rows differ."""
        ids = "-long" if self.long_ids else ""
        return (
            f"{self.lines}-{self.customers}-{self.days}"
            f"-late{self.late_share}-corrected{self.corrected_share}{ids}-seed{self.seed}"
        )


def generate(retailer: Retailer, folder: Path) -> None:
    """Write `raw_transactions` and `raw_customers` into `folder`, unless they already lie there."""
    about = folder / ABOUT
    raw = TABLES["raw_transactions"]
    made_by = {"duckdb": duckdb.__version__, "raw_transactions": raw.version}
    wanted = json.dumps(asdict(retailer) | made_by, default=str, indent=1)
    if about.is_file() and about.read_text() == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    about.unlink(missing_ok=True)
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        connection.execute(LINES_SQL)
        store = SnapshotStore(folder)
        for number in range(retailer.days):
            day = retailer.first_day + timedelta(days=number)
            rows = f"SELECT *, {NOTHING_SPECIAL} FROM ({delivered_lines(retailer, number)})"
            _write(connection, rows, store.path(raw, day))
        scores = delivered_scores(retailer)
        _write(connection, scores, store.path(TABLES["raw_customers"], retailer.first_day))
    about.write_text(wanted)


def delivered_lines(retailer: Retailer, number: int) -> str:
    """SQL of the lines delivered on day `number` (from 0): new ones, and old ones corrected."""
    new = f"SELECT * EXCLUDE (line) FROM {_new_lines(retailer, number)}"
    corrected = number - CORRECTED_AFTER_DAYS
    if corrected < 0 or not retailer.corrected_share:
        return new
    return (
        f"{new} UNION ALL SELECT * EXCLUDE (line)"
        f" REPLACE ((amount + 0.01)::DECIMAL(18, 2) AS amount)"
        f" FROM {_new_lines(retailer, corrected)}"
        f" WHERE uniform(line, 'corrected', {retailer.seed}) < {retailer.corrected_share}"
    )


def delivered_scores(retailer: Retailer) -> str:
    """SQL of a loyalty score for every third customer."""
    return (
        f"SELECT customer_name(n * 3, {retailer.customers}, {retailer.long_ids}) AS customer_id,"
        f" (uniform(n, 'score', {retailer.seed}) * 10000)::INT / 10000.0::DOUBLE AS loyalty_score"
        f" FROM range({retailer.customers} // 3) t(n)"
    )


def _new_lines(retailer: Retailer, number: int) -> str:
    first, end = (retailer.lines * n // retailer.days for n in (number, number + 1))
    day = retailer.first_day + timedelta(days=number)
    return (
        f"new_lines(DATE '{day}', {number}, {retailer.days}, {first}, {end}, {retailer.customers},"
        f" {retailer.late_share}, {retailer.long_ids}, {retailer.seed})"
    )


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def write_csv(retailer: Retailer, path: Path) -> None:
    """Write the retailer's first delivery as one CSV file: all its lines where `days` is 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        connection.execute(LINES_SQL)
        query = delivered_lines(retailer, 0)
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER true)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that describe a retailer."""
    default = Retailer()
    parser.add_argument("--lines", type=int, default=default.lines)
    parser.add_argument("--customers", type=int, default=default.customers)
    parser.add_argument("--days", type=int, default=default.days)
    parser.add_argument("--late-share", type=float, default=0.0, help="orders delivered late")
    parser.add_argument("--corrected-share", type=float, default=0.0, help="lines corrected later")
    parser.add_argument("--long-ids", action="store_true", help="36-character ids")
    parser.add_argument("--seed", type=int, default=default.seed)


def retailer_from(arguments: argparse.Namespace) -> Retailer:
    names = ("lines", "customers", "days", "late_share", "corrected_share", "long_ids", "seed")
    return Retailer(**{name: getattr(arguments, name) for name in names})


def main(argv: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    add_arguments(parser)
    arguments = parser.parse_args(None if argv is None else list(argv))
    generate(retailer_from(arguments), arguments.folder)


if __name__ == "__main__":
    main()
