"""What was written is made safe from a loss of power."""

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Let a file's content, or a folder's names, be on the disk before anything else happens."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
