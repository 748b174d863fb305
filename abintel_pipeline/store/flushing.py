"""What was written is made safe from a loss of power."""

import os
from pathlib import Path


def flush(*paths: Path) -> None:
    """Let files' contents, or folders' names, be on the disk before anything else happens."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
