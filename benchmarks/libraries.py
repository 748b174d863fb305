"""Private environments for the libraries that don't fit the project's own, from PyPI."""

import subprocess
import sys
from pathlib import Path

CONTENDERS = {
    "lifetimes": "lifetimes",
    "pymc-marketing rfm_summary": "pymc-marketing",
    "pymc-marketing rfm_segments": "pymc-marketing",
}
"""Each contender and the library that it is from."""


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
        print(f"  installing {library} into an environment of its own")
        _run([sys.executable, "-m", "venv", "--clear", str(place)])
        _run([str(python), "-m", "pip", "install", "--quiet", library, "pyarrow"])
        done.touch()
    return python


def installed(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The Python of each library that could be installed, and why the others couldn't."""
    found, missing = {}, {}
    for library in dict.fromkeys(CONTENDERS.values()):
        try:
            found[library] = python_of(folder, library)
        except NotInstalled as error:
            missing[library] = str(error)
    return found, missing


def versions(python: Path, library: str) -> dict[str, str]:
    """Versions of the library and of what it computes with."""
    names = [library, "pandas", "numpy"]
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    return dict(zip(names, _run([str(python), "-c", code, *names]).split(), strict=True))


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NotInstalled(words[-1] if words else "the installer said nothing") from error
    return done.stdout
