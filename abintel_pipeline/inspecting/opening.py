"""Opens a file: its format, its letters, its layout, and its rows as texts."""

from dataclasses import dataclass
from pathlib import Path

from abintel_pipeline.inspecting.csv_layout import CsvLayout, csv_layout
from abintel_pipeline.inspecting.encodings import Encoding, Progress, encoding_of
from abintel_pipeline.inspecting.errors import CannotInspect
from abintel_pipeline.inspecting.formats import Format, format_of
from abintel_pipeline.inspecting.text_files import (
    CsvFile,
    ExcelFile,
    JsonLinesFile,
    ParquetFile,
    TextFile,
)
from abintel_pipeline.settings import Settings


@dataclass(frozen=True)
class Opened:
    """A file that can be read as a table; `encoding` and `layout` where the format has them."""

    path: Path
    format: Format
    file: TextFile
    encoding: Encoding | None = None
    layout: CsvLayout | None = None

    @property
    def uneven(self) -> int:
        """Rows with another number of fields than the header, among those read so far."""
        return getattr(self.file, "uneven", 0)


def open_file(path: Path, settings: Settings, progress: Progress) -> Opened:
    """Raises CannotInspect when the file is no table."""
    kind = format_of(path)
    if kind == "parquet":
        return Opened(path, kind, ParquetFile(path))
    if kind == "xlsx":
        return Opened(path, kind, ExcelFile.opened(path))
    try:
        encoding = encoding_of(path, progress)
    except (EOFError, OSError) as error:
        raise CannotInspect(f"{path.name} can't be read to its end: {error}") from None
    name = settings.encoding if "encoding" in settings.model_fields_set else encoding.name
    if kind == "jsonl":
        return Opened(path, kind, JsonLinesFile(path, name), encoding)
    layout = csv_layout(path, name, settings.csv_delimiter)
    return Opened(path, kind, CsvFile(path, name, layout), encoding, layout)
