# The two commands that matter: `make demo` and `make test`.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TRIALS ?= 200

PLUGINS := $(wildcard plugins/*/pyproject.toml)

.PHONY: demo test test-plugins soak lint catalogue bench clean

demo: $(VENV)/.installed
	$(BIN)/tunelab run experiments/digits.py --trials $(TRIALS)

test: $(VENV)/.installed-test lint test-plugins
	$(BIN)/python -m pytest

test-plugins: $(VENV)/.installed-test
	set -e; for home in $(dir $(PLUGINS)); do (cd $$home && $(abspath $(BIN))/python -m pytest); done

soak: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m soak

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(if $(PLUGINS),$(BIN)/mypy $(wildcard plugins/*/src))

catalogue: $(VENV)/.installed
	$(BIN)/python -m catalogue

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt $(PLUGINS) | $(BIN)/python
	$(PIP) --editable ".[test]" $(addprefix --editable ,$(dir $(PLUGINS)))
	touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable ".[bench]"
	touch $@ $(VENV)/.installed
