"""Kinds of values that several groups of settings have."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

_SIZE = re.compile(r"(\d{1,9}(?:\.\d+)?)\s*([KMGT])(i?)B")


def _memory_size(size: str) -> str:
    if not _SIZE.fullmatch(size):
        raise ValueError(f"{size!r} is no size: write a number and a unit, such as 4GB or 512MiB")
    return size


def bytes_of(size: str) -> float:
    """A memory size as a number of bytes."""
    number, unit, binary = _SIZE.fullmatch(size).groups()  # type: ignore[union-attr]
    return float(number) * (1024.0 if binary else 1000.0) ** ("KMGT".index(unit) + 1)


Folder = Annotated[Path, AfterValidator(Path.expanduser)]
MemorySize = Annotated[str, AfterValidator(_memory_size)]
