# make demo | make test | make coverage | make campaign | make test-live | make test-spark | make test-slow | make mutants | make ui | make bench
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 3000
# One more than there are cores: some tests wait for servers.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: demo check test coverage campaign test-live test-spark test-slow mutants ui bench screenshots clean

demo: $(VENV)/installed
	@$(BIN)/abintel demo

ui: $(VENV)/installed
	@$(BIN)/abintel ui --port $(PORT)

# What a commit is checked by too: .pre-commit-config.yaml.
check: $(VENV)/installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache

# make test ARGS='-k champion' for a part. The coverage is apart: to trace every line takes 60 % more time.
test: check
	@PYTEST_XDIST_AUTO_NUM_WORKERS=$(WORKERS) $(BIN)/python -m pytest -n auto --dist worksteal --durations=20 $(ARGS)

# The same, and that it runs at least 95 % of the package.
coverage:
	@$(MAKE) --no-print-directory test ARGS='--cov --cov-report=term'

# The demo, and what starts webservers, daemons and services and watches them from outside.
test-live: $(VENV)/installed
	@$(BIN)/python -m pytest -m live -n auto --dist loadfile

# 20,000 seeds of nights of faults and 1,000 kills of real runs, over all cores, for hours; writes
# the figures of docs/reliability.md. make campaign ARGS='--seeds 500 --kills 20' for a part.
campaign: $(VENV)/installed
	@$(BIN)/python -m abintel_pipeline_tests.nights --campaign --write $(ARGS)

# What docs/consuming.md says of Spark. Needs Java 17 or newer.
test-spark: $(VENV)/installed
	@command -v java >/dev/null || { echo "Java 17 or newer is needed: install your system's default-jre" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,spark]' || \
	  { echo "Spark could not be installed: is there a network to a package registry?" >&2; exit 1; }
	@$(BIN)/python -m pytest -m spark abintel_pipeline_tests/test_docs.py

# What takes minutes: a year backfilled from the UI, on a machine for itself; ten times as many
# examples of what must always hold.
test-slow: $(VENV)/installed
	@$(BIN)/python -m pytest -m slow -s
	@$(BIN)/python -m pytest -n auto --hypothesis-profile=thorough abintel_pipeline_tests/metrics abintel_pipeline_tests/snapshots/test_ranges.py abintel_pipeline_tests/intake/test_properties.py abintel_pipeline_tests/intake/test_screening.py

# Would a test fail if metrics, quality/blocking or store were wrong? Changes one place at a time.
# make mutants ARGS=metrics/rfm for one module; ARGS=--help tells the rest.
mutants: $(VENV)/installed-mutants
	@$(BIN)/python -m abintel_pipeline_tests.mutants $(ARGS)

$(VENV)/installed-mutants: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutants]' || \
	  { echo "mutmut could not be installed: is there a network to a package registry?" >&2; exit 1; }
	@touch $@

# The pictures of the documents; needs Chromium.
screenshots: $(VENV)/installed-screenshots
	@$(BIN)/python docs/images/take_screenshots.py

$(VENV)/installed-screenshots: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[screenshots]' || \
	  { echo "The screenshots' packages could not be installed: is there a network to a package registry?" >&2; exit 1; }
	@touch $@

# make bench ARGS='--only snapshot' for a part; ARGS=--help tells the rest.
bench: $(VENV)/installed-bench
	@$(BIN)/python -m benchmarks $(ARGS)

$(VENV)/installed-bench: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]' || \
	  { echo "The benchmarks' packages could not be installed: is there a network to a package registry?" >&2; exit 1; }
	@touch $@

# One environment for everything: the demo's data and the tests' tools are small.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python -m venv failed: install your system's venv package (python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' || \
	  { echo "The packages could not be installed: is there a network to a package registry?" >&2; exit 1; }
	@touch $@

clean:
	rm -rf $(VENV)
