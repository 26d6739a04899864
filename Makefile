# Everything a newcomer needs: `make demo` and `make test` do their own set-up. Only Python (3.11 or newer) and make are assumed.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= out
# A test process computes with one thread: tests run beside each other, and a fixed number of threads keeps sums in one order.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest
JOBS   ?= 2
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check fmt bench corpus goldens clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.dev ## create .venv and install everything that development needs

demo: $(VENV)/.run ## compile and run examples/alley.mosaic: a picture and its report in out/alley
	$(BIN)/mosaic check examples/alley.mosaic
	$(BIN)/mosaic run examples/alley.mosaic --output $(OUT)/alley --report $(OUT)/alley/report
	@echo "picture: $(OUT)/alley/alley.png"
	@echo "report:  $(OUT)/alley/report/report.html"

test: $(VENV)/.dev ## the fast tests
	$(PYTEST) -n $(JOBS) -m "not slow"

test-slow: $(VENV)/.dev ## the slow tests: whole runs of the examples, packaging
	$(PYTEST) -n $(JOBS) -m slow

check: $(VENV)/.dev ## lint, format, types, layers, and the examples through mosaic itself
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p mosaic
	$(BIN)/lint-imports
	$(BIN)/mosaic fmt --check examples stdlib/fragments
	$(BIN)/mosaic check examples

fmt: $(VENV)/.dev ## put the code and the plans into their canonical form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mosaic fmt examples stdlib/fragments

goldens: $(VENV)/.dev ## write the expected outputs of tests/cases anew; read the difference before committing it
	$(PYTEST) tests/test_cases.py tests/test_examples.py -m "not slow" --update-goldens

bench: $(VENV)/.dev ## measure: start-up, compiling, denoising, the catalog
	$(BIN)/python benchmarks/bench_start.py
	$(BIN)/python benchmarks/bench_compile.py
	$(BIN)/python -m benchmarks.bench_check
	$(BIN)/python benchmarks/bench_denoise.py
	$(BIN)/python -m benchmarks.bench_export
	$(BIN)/python -m benchmarks.bench_import
	$(BIN)/python -m benchmarks.bench_catalog
	$(BIN)/python -m benchmarks.bench_cache
	$(BIN)/python -m benchmarks.bench_sharing
	$(BIN)/python benchmarks/bench_grammar.py
	$(BIN)/python -m benchmarks.bench_compose

corpus: $(VENV)/.dev ## check plans with known mistakes, and good ones that look alike: recall and false alarms
	$(BIN)/python -m benchmarks.corpus

clean: ## remove what was built (not .venv)
	rm -rf build dist out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "mosaic needs Python 3.11 or newer; choose one with: make PYTHON=/path/to/python3 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# An install is one stamp file, renewed when what is to be installed has changed.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mosaic and its engine into $(VENV) (the first time takes a few minutes)"
	$(INSTALL) ".[run]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mosaic and its development tools into $(VENV) (the first time takes a few minutes)"
	$(INSTALL) ".[dev]"
	@touch $@ $(VENV)/.run
