# For contributors. `make setup` once, `make check` before a commit; `make test` is what CI runs.

VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# More than two cores: a third of the time the suite waits, for disks, locks and programs it ended.
JOBS ?= 3
BENCH_ARGS ?= --quick
N ?= 300
CODE := helpers hooks tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup lock check format-check format lint types test docs hosts bench demo fault-test \
	house kill-test machine-test recipes test-all toolchains

help:
	@echo 'setup   make $(VENV) and install autoresearch with its tools into it'
	@echo 'lock    pin the newest versions of what setup installs (needs uv)'
	@echo 'check   format, lint, types, test: all that a commit must pass'
	@echo 'test    the whole suite, and full branch coverage of the pure core'
	@echo 'test-all   that and its long forms, every fault, 10,000 kills, all recipes: some hours'
	@echo 'house   how large the code is and what it costs, beside the limits'
	@echo 'docs    write the tables of docs/contract.md and docs/schema.md from the source'
	@echo 'hosts   install the agent hosts that tests/hosts drives (npm, 300 MB, once)'
	@echo 'lint, types, format   one tool each; format rewrites files'
	@echo 'bench   the quick benchmarks (BENCH_ARGS=--full for the long ones)'
	@echo 'recipes run every recipe of the skill for real, and write the table of results'
	@echo 'toolchains   sessions in Python, Node, Go and Rust under the sandbox, and their table'
	@echo 'fault-test   a kill and a failing disk at every call of every command (half an hour)'
	@echo 'kill-test    N random kills (N=10000), added to benchmarks/results/kills.md'
	@echo 'machine-test   N made-up stories of commands, edits and deaths (N=1000)'
	@echo 'demo    a real loop on a small project, in about a minute'

setup: $(STAMP)

# uv where it is present; pip where it is not, or where only pip knows the package index.
$(STAMP): pyproject.toml requirements.lock
	@set -eu; \
	if command -v uv >/dev/null 2>&1 \
	    && { [ -x $(PYTHON) ] || uv venv --quiet --python '>=3.10' $(VENV); } \
	    && uv pip install --quiet --python $(PYTHON) -c requirements.lock -e '.[dev,report]'; then \
	    touch $@; exit 0; \
	fi; \
	if ! [ -x $(PYTHON) ] || ! $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	    base=''; \
	    for name in python3 python3.13 python3.12 python3.11 python3.10; do \
	        if $$name -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
	            base=$$name; break; \
	        fi; \
	    done; \
	    [ -n "$$base" ] || { echo 'error: Python 3.10 or newer is needed' >&2; exit 1; }; \
	    echo "making $(VENV) with $$base and installing, about a minute the first time" >&2; \
	    $$base -m venv --clear $(VENV); \
	fi; \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev,report]'; \
	touch $@

# One file for every supported Python; needs uv. Commit it with the change of pyproject.toml.
lock:
	uv pip compile --quiet --universal --all-extras --python-version 3.10 --no-python-downloads \
	    --upgrade --no-emit-index-url --no-annotate --no-header -o requirements.lock pyproject.toml

check: format-check lint types test

format-check: $(STAMP)
	$(PYTHON) -m ruff format --check $(CODE)

format: $(STAMP)
	$(PYTHON) -m ruff format $(CODE)
	$(PYTHON) -m ruff check --fix $(CODE)

lint: $(STAMP)
	$(PYTHON) -m ruff check $(CODE)

types: $(STAMP)
	$(PYTHON) -m mypy

# One run for both: the suite, and the core's coverage, of which only what tests/core run counts
# (contexts in pyproject.toml). The last line is pytest's summary. Order and examples are the same
# each time, since it decides what lands: SEED=random, and AUTORESEARCH_SEARCH=1, try others.
SEED = 1
test: $(STAMP)
	@$(PYTHON) -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder \
	    --randomly-seed=$(SEED) \
	    --cov --cov-context=test --cov-report=term

# Everything: the long forms of all tests, other examples and another order each time, a fault at
# every call, 10,000 kills, all recipes and toolchains. Some hours.
test-all: $(STAMP) hosts
	AUTORESEARCH_LONG=1 AUTORESEARCH_SEARCH=1 AUTORESEARCH_KILLS=200 $(MAKE) test SEED=random
	$(MAKE) machine-test recipes toolchains fault-test
	$(MAKE) kill-test N=10000

# Real agent hosts, pinned in tests/hosts/package-lock.json, into the user's cache. Without them
# their tests are skipped here, and fail in CI.
hosts: $(STAMP)
	@PYTHONPATH=tests $(PYTHON) -m support.hosts

# The tables of docs/contract.md and docs/schema.md, from what they declare.
docs: $(STAMP)
	PYTHONPATH=tests $(PYTHON) -m support.contract_tables
	PYTHONPATH=tests $(PYTHON) -m support.schema_tables

bench: $(STAMP)
	@set -eu; for script in $$(grep -l __main__ benchmarks/*.py); do \
	    echo "== $$script"; $(PYTHON) $$script $(BENCH_ARGS); \
	done

# How large the house is and what it costs, beside the limits; `make test` first for the suite's time.
house: $(STAMP)
	@$(PYTHON) benchmarks/house.py

recipes: $(STAMP)
	$(PYTHON) benchmarks/bench_recipes.py --full

toolchains: $(STAMP)
	$(PYTHON) benchmarks/bench_toolchains.py --full

# Every call of every command that touches anything, killed and failed: half an hour. Writes
# benchmarks/results/faults.md.
fault-test: $(STAMP)
	@set -eu; noted=$$(mktemp); export AUTORESEARCH_EVERY_FAULT=$$noted; status=0; \
	$(PYTHON) -m pytest tests/faults/test_every_call.py tests/faults/test_git_calls.py \
	    tests/faults/test_gc.py -q --timeout 0 -n $(JOBS) --dist load || status=$$?; \
	PYTHONPATH=tests $(PYTHON) -m faults.every; rm $$noted; exit $$status

# Random kills; adds a row to benchmarks/results/kills.md. A failure prints its seed.
kill-test: $(STAMP)
	PYTHONPATH=tests $(PYTHON) -m faults.kills --number $(N) --append

# Made-up stories, each of 25 steps; a failure prints what replays it. About ten seconds a story.
machine-test: $(STAMP)
	AUTORESEARCH_SEARCH=1 AUTORESEARCH_STORIES=$(N) $(PYTHON) -m pytest tests/faults/test_machine.py -q --timeout 0

demo:
	@bin/autoresearch demo
