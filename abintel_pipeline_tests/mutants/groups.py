"""Which modules are mutated, and the quick tests that are to tell.

A mutant that survives costs all tests that reach it. So these are tests of single functions on a
few rows; Hypothesis' are left out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Modules of the package that the same tests are about."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    """What pytest is called with, in the tests' folder."""
    without: tuple[str, ...] = ()
    """Of these, files and tests that are left out: what makes whole days takes seconds."""


GROUPS = {
    "rounding": Group(
        modules=("metrics/rounding.py",),
        tests=("metrics/test_whole_numbers.py",),
    ),
    "scores": Group(
        modules=("metrics/cohorts.py", "metrics/loyalty.py", "metrics/rfm.py"),
        tests=(
            "metrics/test_documents.py",
            "metrics/test_rounding.py",
            "metrics/test_scenario.py",
            "metrics/test_scores.py",
        ),
    ),
    "features": Group(
        modules=("metrics/features.py", "metrics/in_force.py"),
        tests=(
            "metrics/test_documents.py",
            "metrics/test_scenario.py",
            "metrics/test_stretches.py",
        ),
    ),
    "ranges": Group(
        modules=("metrics/intervals.py", "metrics/snapshot_range.py", "metrics/range_features.py"),
        tests=("metrics/test_stretches.py",),
    ),
    "blocking": Group(
        modules=("quality/blocking/*.py",),
        tests=(
            "quality/blocking/test_constraints.py",
            "quality/blocking/test_proofs.py",
            "quality/blocking/test_two_days.py",
        ),
    ),
    "store": Group(
        modules=("store/*.py",),
        tests=("store",),
        without=(
            "store/test_deleted.py",
            "store/test_proofs.py",
            "store/test_raw_versions.py",
            "store/test_runs_at_once.py",
            "store/test_store.py",
        ),
    ),
}
