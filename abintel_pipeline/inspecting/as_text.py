"""An inspection as text for people, in parts."""

import re
from collections.abc import Iterator

from abintel_pipeline.inspecting.env_lines import env_lines
from abintel_pipeline.inspecting.inspection import Inspection
from abintel_pipeline.inspecting.profiles import Column
from abintel_pipeline.inspecting.text_files import ExcelFile
from abintel_pipeline.inspecting.trial import Trial
from abintel_pipeline.inspecting.wording import counted, money
from abintel_pipeline.settings import Settings

_FORMATS = {"csv": "CSV", "csv.gz": "CSV, gzipped", "xlsx": "Excel", "jsonl": "JSON lines"}
_MARKS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}
EXAMPLE_WIDTH = 30
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
Lines = Iterator[str]


def told(seen: Inspection) -> Lines:
    """Every line of what is told about a file; no value in it speaks to the terminal."""
    return (_CONTROL.sub(lambda found: repr(found[0])[1:-1], line) for line in _parts(seen))


def _parts(seen: Inspection) -> Lines:
    yield from _file(seen)
    yield from _columns(seen.columns)
    yield from _meanings(seen)
    yield from _listed("Worth knowing", notes(seen))
    yield from _listed("To decide first", seen.proposal.decisions)
    yield from _settings(seen)
    if seen.trial:
        yield from _trial(seen.trial)
    yield from _next(seen)


def env(seen: Inspection) -> list[str]:
    """The lines of `.env` that differ from the defaults."""
    values = seen.proposal.given | seen.proposal.values
    fields = Settings.model_fields
    return env_lines({name: v for name, v in values.items() if v != fields[name].default})


def notes(seen: Inspection) -> list[str]:
    """What is worth knowing: about the amount first."""
    found = [f"amount: {seen.amount.why}"] if seen.amount and seen.amount.why else []
    if seen.amount and seen.amount.doubt:
        found.append(seen.amount.doubt)
    found += [
        f"{match.role} may also be {', '.join(map(repr, match.also))}"
        for match in seen.matches.roles.values()
        if match.also and match.role in ("customer_id", "transaction_id", "date")
    ]
    if seen.day and seen.day >= seen.call.today:
        found.append(f"{seen.day} isn't over yet: abintel run takes it from the next day on")
    return found + seen.proposal.notes


def _file(seen: Inspection) -> Lines:
    opened = seen.opened
    parts = [_FORMATS.get(opened.format, "Parquet")]
    if opened.encoding:
        mark = " with a byte order mark" if opened.encoding.mark else ""
        parts.append(opened.encoding.name + mark)
    if opened.layout:
        mark = opened.layout.delimiter
        sep = " (its first line says so: sep=)" if opened.layout.sep_line else ""
        parts.append(f"fields between {_MARKS.get(mark, repr(mark))}{sep}")
        parts.append(f"header in line {opened.layout.header_line}")
    if isinstance(opened.file, ExcelFile):
        others = f" of {len(opened.file.sheets)}" if len(opened.file.sheets) > 1 else ""
        parts.append(f"first sheet{others}, {opened.file.sheet!r}")
    yield f"{seen.call.path.name}: {', '.join(parts)}; {counted(seen.rows, 'row')}"
    if opened.encoding and opened.encoding.not_utf8:
        yield f"{counted(opened.encoding.not_utf8, 'line')} not in UTF-8"
    if seen.matches.system:
        yield f"It looks like an export of {seen.matches.system}"


def _columns(columns: list[Column]) -> Lines:
    rows = [("column", "kind", "example", "missing", "distinct")]
    for one in columns:
        words = f" ({', '.join(one.words)})" if one.words else ""
        missing = f"{one.missing:,}{words}" if one.missing else "-"
        rows.append((_cut(one.name), one.kind, _cut(one.example), missing, f"{one.distinct:,}"))
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    yield ""
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()


def _cut(text: str, most: int = EXAMPLE_WIDTH) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _meanings(seen: Inspection) -> Lines:
    yield ""
    for role, match in seen.matches.roles.items():
        if role in ("amount", "quantity", "unit_price", "status"):
            continue
        found = match.column.name if match.column else " or ".join(match.candidates)
        if found or role not in ("line_id", "cancelled"):
            unsure = " ?" if match.candidates else ""
            yield f"  {role:<15} {found or '(none)'}{unsure}"
    if seen.amount:
        yield f"  {'amount':<15} {seen.amount.source}"


def _listed(title: str, lines: list[str]) -> Lines:
    if lines:
        yield ""
        yield f"{title}:"
        yield from (f"  - {line}" for line in lines)


def _settings(seen: Inspection) -> Lines:
    lines = env(seen)
    yield ""
    if not lines and not seen.proposal.choices:
        if seen.ready:
            yield "No setting is needed: the file is as the pipeline expects it."
        return
    yield "Lines for .env:"
    yield ""
    yield from lines
    yield from seen.proposal.choices


def _trial(trial: Trial) -> Lines:
    totals = trial.totals
    yield ""
    yield (
        f"With these settings: {counted(trial.received, 'row')} received,"
        f" {trial.accepted:,} accepted, {trial.rejected:,} rejected, {trial.left_out:,} left out"
    )
    for one in trial.rejections:
        text = _cut(one.text, 200)
        yield f"  rejected {one.rows:>9,}  {one.reason}; the first is row {one.first}: {text}"
    for why, rows in trial.left_out_by.items():
        yield f"  left out {rows:>8,}  {why}"
    if totals.first is None:
        yield f"  {counted(totals.customers, 'customer')}"
        return
    cancelled = f"; {counted(totals.cancelled, 'row')} cancelled" if totals.cancelled else ""
    yield (
        f"  {counted(totals.customers, 'customer')}, {counted(totals.orders, 'order')},"
        f" {money(totals.money)} of money,"
        f" {totals.first} to {totals.last}{cancelled}"
    )


def _next(seen: Inspection) -> Lines:
    yield ""
    if not seen.ready:
        yield "Decide what is listed above, put it into .env, and inspect the file again."
        return
    there = seen.target.exists() and seen.target.samefile(seen.call.path)
    yield f"The file {'is already' if there else 'belongs'} at {seen.target}"
    yield "Then:"
    if seen.call.table == "transactions":
        yield f"  abintel run {seen.day}"
        yield f"  abintel show {seen.day}"
        return
    yield f"  abintel run {seen.day} --only deliveries"
    yield f"  abintel rejected {seen.day}"
