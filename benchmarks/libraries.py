"""Private environments for the libraries that don't fit the project's own, from PyPI."""

import subprocess
import sys
from pathlib import Path

PACKAGES = {"lifetimes": "lifetimes", "pymc": "pymc-marketing"}
LIBRARIES = {
    "lifetimes": "lifetimes",
    "pymc-marketing rfm_summary": "pymc",
    "pymc-marketing rfm_segments": "pymc",
}
"""Contender and environment."""


class NotInstalled(Exception):
    """A library's environment couldn't be made. Its text tells why."""


def python_of(folder: Path, library: str) -> Path:
    """The Python of the library's environment in `folder`, made if it isn't there yet.

    Raises NotInstalled with the installer's last words.
    """
    place = folder / library
    python = place / "bin" / "python"
    done = place / "installed"
    if not done.is_file():
        print(f"  installing {PACKAGES[library]} into an environment of its own")
        _run([sys.executable, "-m", "venv", "--clear", str(place)])
        _run([str(python), "-m", "pip", "install", "--quiet", PACKAGES[library], "pyarrow"])
        done.touch()
    return python


def versions(folder: Path, library: str) -> dict[str, str]:
    """Versions of the library and of what it computes with."""
    names = [PACKAGES[library], "pandas", "numpy"]
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    found = _run([str(python_of(folder, library)), "-c", code, *names]).split()
    return dict(zip(names, found, strict=True))


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NotInstalled(words[-1] if words else "the installer said nothing") from error
    return done.stdout
