# `make demo` and `make test` do everything on a machine with Python 3.11 or later, make and a package index.
# Both install into .venv first (with uv where it is there or can be had, else with pip), and only when
# pyproject.toml has changed since: a second run needs no network.

PYTHON ?= python3
REAL_DATA ?= ../shared/data
BIN := .venv/bin
READY := .venv/.installed

.PHONY: demo test lab format notebooks sample bench wheel-check clean

demo: $(READY)
	$(BIN)/imglab demo

test: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-cell-timeout=120 tests notebooks

lab: $(READY)
	$(BIN)/imglab lab

format: $(READY)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

# Executes the notebooks again and keeps their outputs.
notebooks: $(READY)
	$(BIN)/python -m jupyter nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

# Makes data/sample/ anew from the documents in REAL_DATA.
sample: $(READY)
	$(BIN)/python data/make_sample.py $(REAL_DATA)

bench: $(READY)
	$(BIN)/python benchmarks/snapshot.py
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/faults.py
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/import_history.py $(REAL_DATA)

# The built wheel in an empty environment answers a question about the sample that it carries.
wheel-check: $(READY)
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv build/wheel/environment
	$(BIN)/python -m uv pip install --quiet --python build/wheel/environment/bin/python build/wheel/*.whl \
	  || build/wheel/environment/bin/python -m pip install --quiet build/wheel/*.whl
	cd build/wheel && environment/bin/imglab --data data demo --quiet
	cd build/wheel && environment/bin/imglab --data data/demo ask size_over_time \
	  --repository python --tag latest --platform linux/amd64 --format csv | grep -q 414967043
	rm -rf build/wheel

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("imglab needs Python 3.11 or later: make PYTHON=/path/to/python3.12" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv || true
	$(BIN)/python -m uv pip install --quiet --python $(BIN)/python -e '.[test]' \
	  || $(BIN)/python -m pip install --quiet -e '.[test]'
	touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build data/journal data/store data/imglab.duckdb data/demo
