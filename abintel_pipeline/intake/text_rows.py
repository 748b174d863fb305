"""Rows that Python reads (JSON lines, request documents, SQL): written as text, then screened.

A text file has the contract's columns as text and, for what is rejected later, where each row came
from: `row`, `raw`, in request documents the `owner` of the customer's own columns and the `place`
of the others, and `problems` {column: reason} that were found while reading.
"""

from contextlib import closing

import pyarrow as pa

from abintel_pipeline.engine.sql import file_literal
from abintel_pipeline.intake.json.values import Number, as_json, id_text, value_text
from abintel_pipeline.intake.request_tables import SourceColumns
from abintel_pipeline.intake.staging import REJECTED_LINES, ParquetRows, Part, Reading

_PLACE = ("ordinal", "row", "raw", "owner", "place", "problems")


def text_schema(columns: SourceColumns) -> pa.Schema:
    """Arrow schema of rows as they came."""
    whole, text = pa.int64(), pa.string()
    kinds = (whole, whole, text, text, text, pa.map_(text, text))
    names = (*_PLACE, *columns.texts)
    return pa.schema(list(zip(names, (*kinds, *[text] * len(columns.texts)), strict=True)))


class TextRows:
    """Collects the rows of one source, good and bad, into files in the staging folder.

    To be closed, also after an error while reading.
    """

    def __init__(self, reading: Reading, name: str) -> None:
        self._reading, self._name = reading, name
        self._rows = ParquetRows(reading.new_path(".parquet"), text_schema(reading.columns))
        self._rejected = ParquetRows(reading.new_path(".parquet"), REJECTED_LINES)

    def close(self) -> None:
        with closing(self._rows), closing(self._rejected):
            pass

    @property
    def neutral(self) -> dict[str, str]:
        """What a request document's rows bring for texts that no such document has."""
        return self._reading.columns.neutral

    @property
    def received(self) -> int:
        return self._rows.rows + self._rejected.rows

    def add(
        self,
        row: int,
        raw: str,
        values: dict[str, object],
        *,
        owner: str | None = None,
        place: str | None = None,
        problems: dict[str, str] | None = None,
    ) -> None:
        """One row: values by text, as `parse` gives them; a value not there is missing."""
        named, texts = dict(problems or {}), []
        for column in self._reading.columns.texts:
            value = values.get(column)
            if column in self._reading.table.texts:
                text, reason = id_text(value)
                named |= {column: reason} if reason else {}
            else:
                text = value_text(value)
                if isinstance(value, Number) and text is not None:
                    text = self._reading.columns.number_text(text)
            texts.append(text)
        noted = list(named.items()) or None
        self._rows.add(self._rows.rows, row, raw, owner, place, noted, *texts)

    def reject(self, row: int, reason: str, raw: object) -> None:
        """One row that can't be read as a row at all."""
        self._rejected.add(row, [reason], as_json(raw))

    def part(self) -> Part:
        """All that was collected, screened."""
        self._rows.close()
        self._rejected.close()
        rows = f"read_parquet({file_literal(self._rows.path)})"
        return Part(
            self._name,
            self._reading.stage(f"SELECT * FROM {rows}"),
            lambda wanted: f"SELECT * FROM {rows} WHERE ordinal IN ({wanted})",
            self._rejected.path,
            self._rejected.rows,
            f'SELECT ordinal, unnest(map_keys(problems)) AS "column",'
            f" unnest(map_values(problems)) AS reason FROM {rows} WHERE problems IS NOT NULL",
        ).check(self._rows.rows)
