# What a developer types. Each target first sets up .venv when it is missing or pyproject.toml has changed since.
#
#   make run ARGS="-p 8081"      PYTHON=python3.12 make test      make test ARGS="tests/specs -k filter"

.DEFAULT_GOAL := help
.PHONY: help run test check docs screenshots bench conformance explore matrix soak clean

# Where this is set, every start of Python compiles the whole program anew; the tests start it hundreds of times.
unexport PYTHONDONTWRITEBYTECODE

PY := .venv/bin/python
JOBS ?= logical

help:
	@echo 'make run          set up what is missing and start the console    (ARGS="-p 8081 -m reverse:http://127.0.0.1:3000")'
	@echo 'make test         the tests, a few minutes                        (ARGS="tests/e2e -k curl")'
	@echo 'make check        ruff, mypy --strict, import contracts, docs'
	@echo 'make docs         the pages of docs/ that are written from the code'
	@echo 'make screenshots  pictures of the console into docs/screens/         (ARGS="list 80x24")'
	@echo 'make bench        our own micro benchmarks'
	@echo 'make conformance  third-party suites, minutes'
	@echo 'make explore      properties with many random examples, and what else has larger parameters, minutes'
	@echo 'make matrix       every version of HTTP on either side, every way in with every way out, minutes'
	@echo 'make soak         load, hostile peers and long runs, minutes    (SOAK_SECONDS=1800 ARGS="-k mixed -s")'

.venv/.run-installed: pyproject.toml tools/setup-venv
	@tools/setup-venv run

.venv/.dev-installed: pyproject.toml tools/setup-venv
	@tools/setup-venv dev

run: .venv/.run-installed
	@exec $(PY) -m interceptor $(ARGS)

test: .venv/.dev-installed
	@$(PY) -m pytest -q -n $(JOBS) --dist worksteal $(ARGS)

check: .venv/.dev-installed
	@$(PY) -m ruff check interceptor tests
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo
	@$(PY) -m pytest -q tests/test_house.py tests/test_mitmproxy_page.py

bench: .venv/.dev-installed
	@$(PY) -m tests.bench $(ARGS)

conformance: .venv/.dev-installed
	@$(PY) -m pytest -q -m conformance $(ARGS)

explore: .venv/.dev-installed
	@HYPOTHESIS_PROFILE=thorough $(PY) -m pytest -q -n $(JOBS) --dist worksteal -m 'hypothesis or whole' $(ARGS)

matrix: .venv/.dev-installed
	@$(PY) -m pytest -q -m matrix $(ARGS)

soak: .venv/.dev-installed
	@$(PY) -m pytest -q -m soak -o faulthandler_timeout=0 $(ARGS)

clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

screenshots: .venv/.dev-installed
	@$(PY) -m tests.screens $(ARGS)

docs: .venv/.dev-installed
	@$(PY) -m tests.support.written_docs
