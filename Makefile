# Two commands: `make demo` for the whole road on the sample videos, `make test` for the tests.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# shown in the demo; the same cache and runs as by hand, so that a second demo is quick
DEMO := demo

.PHONY: install demo test test-slow check bench wheel clean

install: $(VENV)/.installed

# torch first and with its dependencies (on a machine with a GPU they are the CUDA libraries), then exactly
# the lock: mmpose's own list of dependencies cannot be installed, hence --no-deps
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep -E '^torch==' requirements.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
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

bench: install
	$(BIN)/python -m benchmarks

wheel: install
	$(BIN)/python -m build --no-isolation --wheel

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache $(DEMO)
