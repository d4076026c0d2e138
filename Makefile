# Two commands for a newcomer: `make drill` and `make test`. Everything is installed into .venv, nothing globally.
PYTHON ?= python3

# Tests wait as well as compute, so there are three workers for two cores. Each needs about 500 MB.
WORKERS ?= $(shell expr 3 '*' "$$(getconf _NPROCESSORS_ONLN)" / 2)
PYTEST = $(BIN)/pytest -n $(WORKERS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# With this set, every worker and every command that a test starts would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: drill drill-all up up-empty soak burst test test-all tests tests-all simulate bench check lint types format schema reference approve pages site bundle pins sbom audit clean

drill: $(READY)
	@mkdir -p .build
	@$(BIN)/python -m local drill --report .build/drill.html

# Every scenario of failover, those too that `make test` leaves out: about ten minutes.
drill-all: $(READY)
	@mkdir -p .build
	@$(BIN)/python -m local drill --all --report .build/drill-all.html

up: $(READY)
	@$(BIN)/python -m local up

# Failures at random, and every file accounted for: make soak MINUTES=60 [SEED=7]
soak: $(READY)
	@$(BIN)/python -m local soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

# One customer's burst, and what limits: make burst [FILES=5000]
burst: $(READY)
	@$(BIN)/python -m local burst --files $(or $(FILES),500)

# An emulated AWS with nothing in it but the zone, for `pulumi up`.
up-empty: $(READY)
	@$(BIN)/python -m local up --empty

# Types are checked while the tests run: mypy takes half a minute when it has no cache.
test: lint
	@$(MAKE) --no-print-directory -j 2 types tests

# All tests, the exhaustive ones too: every scenario, 20,000 schedules, a second seed for every planted bug.
test-all: lint
	@$(MAKE) --no-print-directory -j 2 types tests-all

tests: $(READY)
	@$(PYTEST)

tests-all: $(READY)
	@$(PYTEST) -m ""

# More schedules than `make test` runs: make simulate N=100000 [SEED=5000]
simulate: $(READY)
	@$(BIN)/python -m tests.simulation $(or $(N),20000) --seed $(or $(SEED),0)

# What the program and the tools cost, with the ratios that the budgets are about. Run it on a quiet machine.
bench: $(READY)
	@$(BIN)/python -m tests.bench.bench_program
	@$(BIN)/python -m tests.bench.bench_gaps
	@$(BIN)/python -m tests.bench.bench_history
	@$(BIN)/python -m tests.bench.bench_rehome
	@$(BIN)/python -m tests.bench.bench_takeover
	@$(BIN)/python -m tests.bench.bench_requests
	@$(BIN)/python -m tests.bench.bench_start
	@$(BIN)/python -m tests.bench.bench_delivery
	@$(BIN)/python -m tests.bench.bench_sender

check: lint types

lint: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/python -m customers.schema --check
	@{ $(REFERENCE); } | cmp -s docs/cli.md - || { echo "docs/cli.md is not current; run: make reference"; exit 1; }
	@$(BIN)/python -m tests.pages --check
	@if command -v actionlint >/dev/null; then actionlint; \
	else echo "actionlint is not installed, so .github/workflows is not linted: docs/pipelines.md"; fi

types: $(READY)
	@$(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

schema: $(READY)
	@$(BIN)/python -m customers.schema

# The reference of all command lines, as typer writes it.
REFERENCE = set -e; echo '<!-- `make reference` writes this page. -->'; \
	for each in ops local; do $(BIN)/python -m typer $$each.__main__ utils docs --name mft-$$each; done; \
	PYTHONPATH=client $(BIN)/python -m typer mft_client.__main__ utils docs --name mft

reference: $(READY)
	@mkdir -p .build
	@{ $(REFERENCE); } > .build/cli.md && mv .build/cli.md docs/cli.md

# What the stacks consist of, tests/program/approved/*.yaml, as it is now. Review the difference.
approve: $(READY)
	@$(BIN)/python -m tests.program.approved_graphs

# The parts of docs/ that are computed: from the recorded stacks, the registry's model, and the types of messages.
pages: $(READY)
	@$(BIN)/python -m tests.pages

# docs/ as a site. A link that leads nowhere ends it, which it would not with --quiet.
site: $(VENV)/.installed-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo .build/site/index.html

# The dependencies of the Lambda functions, for the runtime that the stacks are set to.
bundle: $(READY)
	@$(BIN)/python -m components.bundle $$(sed -n 's/^ *mft:lambdaRuntime: *//p' Pulumi.gov-west.yaml)

# runtime/requirements.txt, with the versions of constraints.txt and their hashes.
PINS = $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate --no-emit-options
pins: $(VENV)/.installed-audit
	@mkdir -p .build
	@{ sed -n '/^#/p' runtime/requirements.txt; $(PINS) --constraint constraints.txt --output-file - runtime/requirements.in; } >.build/pins
	@mv .build/pins runtime/requirements.txt

# What the functions carry and what the tools consist of, in CycloneDX's JSON. The same versions give the same files.
sbom: $(VENV)/.installed-audit
	@mkdir -p .build
	@$(BIN)/cyclonedx-py requirements --output-reproducible --output-file .build/sbom-bundle.json runtime/requirements.txt
	@$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --output-file .build/sbom-tools.json $(BIN)/python
	@echo .build/sbom-bundle.json .build/sbom-tools.json

# Known vulnerabilities of both, where the service that knows them can be reached.
audit: $(VENV)/.installed-audit
	@.ci/audit

$(VENV)/.installed-%: $(READY)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$*]'
	@touch $@

$(READY): pyproject.toml client/pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; install Python 3.11 or newer, or run: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old; Python 3.11 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu run: apt install python3-venv"; exit 1; }
	@echo "installing into $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local,test]' --editable './client[web]'
	@touch $@

clean:
	rm -rf $(VENV) .build
