"""mutmut over one group, in a working copy of its own."""

import fnmatch
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from abintel_pipeline_tests.mutants.groups import Group

ROOT = Path(__file__).parents[2]
PACKAGE, TESTS = "abintel_pipeline", "abintel_pipeline_tests"
COPIES = ROOT / ".mutants"
MUTATED = "mutants"
"""mutmut's own name for the folder of the mutated code."""
REACHED = "mutmut-stats.json"
"""mutmut's file of which test reaches which function."""
QUICK = "not no_cover and not live and not spark and not slow"
"""Marks of tests that run; Hypothesis' tests have the mark no_cover, see conftest.py."""
UNUSED = ("cacheprovider", "unraisableexception", "threadexception")
"""Plugins of pytest that do without: they collect garbage, half the time of a mutant."""
Statuses = dict[str, str]
"""{mutant: killed, survived, no tests, timeout …}, as mutmut calls them."""


def working_copy(name: str, group: Group, *, anew: bool) -> Path:
    """The folder in which mutmut runs: links to the code, and the project's settings with mutmut's.

    mutmut has one selection of tests for a project, and takes it from the folder it runs in. Which
    tests reach what is found anew: mutmut doesn't see that a test it knows has changed.
    """
    folder = COPIES / name
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    # Made before Python starts, which else remembers that there is none.
    (folder / MUTATED).mkdir(parents=True, exist_ok=True)
    (folder / MUTATED / REACHED).unlink(missing_ok=True)
    for linked in (PACKAGE, TESTS):
        if not (folder / linked).exists():
            (folder / linked).symlink_to(ROOT / linked, target_is_directory=True)
    settings = {
        "source_paths": [PACKAGE],
        "only_mutate": [f"{PACKAGE}/{module}" for module in group.modules],
        "also_copy": [TESTS],
        "pytest_add_cli_args": [part for name in UNUSED for part in ("-p", f"no:{name}")],
        "pytest_add_cli_args_test_selection": [
            *("-m", QUICK),
            *(f"--deselect={TESTS}/{test}" for test in group.without),
            *(f"{TESTS}/{test}" for test in group.tests),
            *(f"{PACKAGE}/{module.removesuffix('/*.py')}" for module in group.modules),  # doctests
        ],
        # DuckDB's threads don't live on in a forked process: fork from one that has run no test.
        "process_isolation": "forkserver",
        "timeout_constant": 5.0,
        "timeout_multiplier": 4.0,
        "use_git_change_detection": False,
    }
    told = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    project = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(f"{project}\n[tool.mutmut]\n{told}")
    return folder


def run_mutants(folder: Path, names: Iterable[str], at_once: int) -> None:
    """Run the tests against mutants by name or pattern, or against all."""
    _mutmut(folder, "run", "--max-children", str(at_once), *names)


def statuses(folder: Path) -> Statuses:
    """The mutants that were run, in the order of their modules."""
    lines = _told(folder, "results", "--all", "true").splitlines()
    pairs = (line.strip().rsplit(": ", 1) for line in lines if ": " in line)
    return {name: status for name, status in pairs if status != "not checked"}


def difference(folder: Path, mutant: str) -> str:
    """A unified diff of the mutant's function."""
    return _told(folder, "show", mutant)


def module_of(mutant: str) -> str:
    """The module's path in the package.

    >>> module_of("abintel_pipeline.metrics.rfm.x_tier_of__mutmut_3")
    'metrics/rfm.py'
    """
    dotted = mutant.rpartition(".")[0].removeprefix(f"{PACKAGE}.")
    return f"{dotted.replace('.', '/')}.py"


def patterns(group: Group, wanted: list[str]) -> list[str] | None:
    """mutmut's patterns of the wanted modules in a group; None if there is none, [] for all of it.

    >>> group = Group(("metrics/rfm.py", "metrics/snapshot_range.py"), ())
    >>> patterns(group, ["metrics/rfm"]), patterns(group, ["metrics"]), patterns(group, ["store"])
    (['abintel_pipeline.metrics.rfm.*'], [], None)
    """
    package = ROOT / PACKAGE
    modules = sorted(path for glob in group.modules for path in package.glob(glob))
    names = [str(path.relative_to(package)) for path in modules]
    own = [name for name in names if any(fnmatch.fnmatch(name, f"{w}*") for w in wanted or [""])]
    if len(own) == len(names):
        return []
    dotted = [name.removesuffix(".py").replace("/", ".") for name in own]
    return [f"{PACKAGE}.{name}.*" for name in dotted] or None


def _told(folder: Path, *arguments: str) -> str:
    return _mutmut(folder, *arguments, capture_output=True, text=True).stdout


def _mutmut(folder: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("mutmut"), *arguments]
    # For processes that a test starts: the mutants, not the code as it is.
    environment = os.environ | {"PYTHONPATH": str(folder / MUTATED)}
    return subprocess.run(command, cwd=folder, check=True, env=environment, **options)
