# `make demo` and `make test` do everything on a machine with Python 3.11 or later, make and a package index.
# Both install into .venv first (with uv where it is there or can be had, else with pip), and only when
# pyproject.toml has changed since: a second run needs no network.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lab sample notebooks clean

demo: .venv/.installed
	$(BIN)/imglab demo

test: .venv/.installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest --nbval --nbval-cell-timeout=120 tests notebooks -n 2 --dist loadfile

lab: .venv/.installed
	$(BIN)/imglab lab

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "imglab needs Python 3.11 or later: make PYTHON=/path/to/python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv || true
	$(BIN)/python -m uv pip install --quiet --python $(BIN)/python -e '.[test]' \
	  || $(BIN)/python -m pip install --quiet -e '.[test]'
	touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache data/journal data/store data/imglab.duckdb data/demo
