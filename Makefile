# Every target sets up what it needs; the second time nothing is installed.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
PAGE := src/finery/web/dist/index.html
PAGE_SOURCES := $(shell find web -path web/node_modules -prune -o -type f ! -name schema.d.ts ! -name openapi.json -print)

# Two workers suit a laptop; tests marked with the same xdist_group stay on one worker.
WORKERS ?= 2
TESTS ?= tests
PYTEST_ARGS ?=
CASES ?= 3000
SEED ?= 1
SHARD ?= 1/1
MINUTES ?=
SOAK_ARGS ?=

# Programs are started over and over by the tests; compiled anew each time, a start takes half as long again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-thorough check web-types web-texts format reference bench test-load test-soak test-fuzz audit constraints clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) $(PAGE) ## Make the virtual environment and the page (TORCH_INDEX_URL=… takes torch from another index)

$(READY): pyproject.toml constraints.txt tools/setup.sh
	@VENV=$(VENV) tools/setup.sh

$(PAGE): $(READY) $(PAGE_SOURCES)
	@VENV=$(VENV) tools/web.sh && touch $@

demo: $(READY) $(PAGE) ## Train a tiny model on the CPU, then ask it what it learned
	@$(VENV)/bin/finery demo

test: $(READY) $(PAGE) ## Run the tests (TESTS=tests/kit PYTEST_ARGS="-k name" narrow them)
	@services="$$(tools/services.sh start && tools/services.sh browser)" && eval "$$services" && \
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup --durations 15 -m "not thorough and not load" $(PYTEST_ARGS) $(TESTS)

test-thorough: $(READY) $(PAGE) ## Run the tests that take minutes: served as trained, the server killed everywhere
	@services="$$(tools/services.sh start && tools/services.sh browser)" && eval "$$services" && \
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup -m "thorough and not third_database" $(PYTEST_ARGS) $(TESTS)

check: $(READY) ## Lint, format, types, and which folder may import which
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache --no-logo
	VENV=$(VENV) tools/web.sh check

web-types: $(READY) ## Make the page's types of the API's answers anew (make check does, too)
	@VENV=$(VENV) tools/web.sh types

web-texts: $(READY) ## Write the page's texts into the catalogues of its languages
	@VENV=$(VENV) tools/web.sh texts

format: $(READY) ## Let ruff rewrite what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

reference: $(READY) ## Write docs/recipes.md from the recipes' configurations
	@$(PYTHON) tools/recipe_reference.py

bench: $(READY) ## Print the tables of docs/benchmarks.md, measured here
	@$(PYTHON) -m bench

test-load: $(READY) ## Bursts, slow clients, full disks, lost databases, on a real server (minutes; not in CI)
	@services="$$(tools/services.sh start)" && eval "$$services" && \
	FINERY_TEST_TIMES=1 $(PYTHON) -m pytest --durations 15 -m load $(PYTEST_ARGS) tests/load

test-soak: $(READY) ## Every architecture and tokenizer; then kill server, shims, trainers, engines for hours, counted (SHARD=1/4 MINUTES=30 SOAK_ARGS="--kind server")
	@services="$$(tools/services.sh start)" && eval "$$services" && \
	$(PYTHON) -m pytest -q -n $(WORKERS) -m third_database tests
	@$(PYTHON) -m tests.zoo --shard $(SHARD) $(if $(MINUTES),--minutes $(MINUTES))
	@services="$$(tools/services.sh start)" && eval "$$services" && eval "$$(tools/services.sh faketime)" && \
	$(PYTHON) -m tests.soak --shard $(SHARD) $(if $(MINUTES),--minutes $(MINUTES)) $(SOAK_ARGS)

test-fuzz: $(READY) ## 3,000 odd requests to the whole API as administrator, and as viewer (SEED=2, CASES=500)
	@$(PYTHON) -m tests.fuzz --as admin --cases $(CASES) --seed $(SEED)
	@$(PYTHON) -m tests.fuzz --as viewer --cases $(CASES) --seed $(SEED)

audit: $(READY) ## Look for known holes in what is installed (needs a network)
	$(VENV)/bin/pip-audit --skip-editable

constraints: $(READY) ## Write constraints.txt from what is installed
	@VENV=$(VENV) tools/constraints.sh

clean: ## Remove caches, build output and the test databases; the environment stays
	@tools/services.sh stop
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .tmp
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
