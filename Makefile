# One command each. Everything is set up by what needs it: nothing has to be done by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HANSA_DATA ?= .hansa
HANSA_PORT ?= 8080
ABREAST := --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: run dev engines test test-fast check fix bench lock docs clean

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Hansa needs Python 3.11 or newer; set PYTHON=…"; exit 1)
	@echo "Setting up $(VENV) (once; about a minute) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(VENV)/ready  ## Hansa with the example mesh on real data
	@$(BIN)/hansa up --data $(HANSA_DATA) --port $(HANSA_PORT) --examples examples

dev: $(VENV)/ready  ## the same, started again when the source changes
	@$(BIN)/python tools/reload.py src -- $(BIN)/hansa up --data $(HANSA_DATA) --port $(HANSA_PORT)

engines: $(VENV)/ready  ## Kafka, PostgreSQL and an S3-compatible store on loopback, until Ctrl-C
	@PYTHONPATH=tests/support $(BIN)/python -m engines

test: $(VENV)/ready  ## every test
	@$(BIN)/python -m pytest $(ABREAST)

test-fast: $(VENV)/ready  ## the tests that need no server and no browser; below a minute
	@$(BIN)/python -m pytest tests/unit tests/conformance tests/property -m "not slow and not engines" $(ABREAST)

check: $(VENV)/ready  ## format, lint, types, layers, generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/docs.py --check

fix: $(VENV)/ready  ## what a tool can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/python tools/docs.py

docs: $(VENV)/ready  ## the generated reference pages
	@$(BIN)/python tools/docs.py

bench: $(VENV)/ready  ## speed and memory; PARTS="records log" measures these only
	@$(BIN)/python -m benchmarks $(PARTS)

lock:  ## resolve the dependencies anew
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --group dev pyproject.toml -o requirements.lock

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench
