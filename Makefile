# `make demo` runs extract, train and predict on the sample videos, `make test` runs the tests.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# folder of the demo's cache, runs and results; a second demo reuses the cache
DEMO := demo

.PHONY: install demo test test-slow check check-newest bench docs wheel clean

install: $(VENV)/.installed

# torch first, with its dependencies (the CUDA libraries on a machine with a GPU), then the exact versions of
# the lock file without dependencies, because those that mmpose declares cannot be installed; then the weights of
# the default estimator, unless they are on this machine
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep -E '^torch==' requirements.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/skelact models pull blazepose
	@$(BIN)/skelact doctor --quiet > $(VENV)/doctor.txt || { cat $(VENV)/doctor.txt; exit 1; }
	@touch $@

demo: install
	@PATH="$(abspath $(BIN)):$$PATH" bash sample_videos/demo.sh $(DEMO)

test: install
	$(BIN)/python -m pytest -n 2

test-slow: install
	$(BIN)/python -m pytest -m slow

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the core with the newest releases of its dependencies, in an environment of its own
check-newest:
	PYTHON=$(PYTHON) bash tests/smoke.sh $(VENV)-newest

bench: install
	$(BIN)/python -m benchmarks

# the documentation, in build/docs
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/mkdocs.yml

wheel: install
	$(BIN)/python -m build --no-isolation --wheel

clean:
	rm -rf $(VENV)-newest build dist .mypy_cache .ruff_cache .pytest_cache $(DEMO)
