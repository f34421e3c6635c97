# The two commands that matter: `make demo` and `make test`.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TRIALS ?= 200

# A process of tests for each core; a file's tests stay together, with the servers that they start. In the order of
# their names the last files are short; by their number of tests the last are those of few that take long, and a core
# waits for another.
SPREAD := -n auto --dist loadfile --no-loadscope-reorder

# PyTorch has no part in these, which take long: they are not run a second time in an environment without it.
ALIKE := tests/tracking tests/benchmarks tests/executors/test_ray.py \
  $(addprefix tests/cli/test_,disk_full.py sync.py) \
  $(addprefix tests/study/test_,engines.py joined.py many_trials.py resume.py shared_storage.py)

PLUGINS := $(wildcard plugins/*/pyproject.toml)
EDITABLE = $(addprefix --editable ,$(dir $(1)))

# A second environment, without PyTorch and the plugins that need it.
BARE := $(VENV)-without-torch
BARE_PLUGINS := $(if $(PLUGINS),$(shell grep --files-without-match torch $(PLUGINS)))

.PHONY: demo test test-without-torch test-plugins soak lint catalogue bench clean

demo: $(VENV)/.installed
	$(BIN)/tunelab run experiments/digits.py --trials $(TRIALS)

test: $(VENV)/.installed-test lint test-plugins
	$(BIN)/python -m pytest $(SPREAD)

test-without-torch: $(BARE)/.installed-test
	$(BARE)/bin/python -m pytest --without-torch $(SPREAD) $(addprefix --ignore=,$(ALIKE))

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
	rm -rf $(VENV) $(BARE)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt $(PLUGINS) | $(BIN)/python
	$(PIP) --editable ".[test,test-torch,test-ray]" $(call EDITABLE,$(PLUGINS))
	touch $@ $(VENV)/.installed

$(BARE)/bin/python:
	$(PYTHON) -m venv $(BARE)

$(BARE)/.installed-test: pyproject.toml constraints.txt $(BARE_PLUGINS) | $(BARE)/bin/python
	$(subst $(BIN),$(BARE)/bin,$(PIP)) --editable ".[test]" $(call EDITABLE,$(BARE_PLUGINS))
	touch $@

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable ".[bench]"
	touch $@ $(VENV)/.installed
