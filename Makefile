# make demo   sets up everything and makes a whole call on this machine
# make test   sets up everything and runs every check and test
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# All of flake8-async, but for ASYNC127 (it would have us change the HTTP library), and 910 and
# 911 (a checkpoint on every path: our loops wait on channels, but need not on the way out).
ASYNC_RULES := --enable=ASYNC,ASYNC900,ASYNC912,ASYNC913 --disable=ASYNC127,ASYNC910,ASYNC911 \
  --startable-in-context-manager=run,run_exchange,run_lab,serve
STAMP := $(VENV)/.installed

.PHONY: help setup demo test check cov bench deb test-deb lock format clean

help:
	@grep -E '^# make' Makefile | sed 's/^# //'

setup: $(STAMP)

$(STAMP): packaging/setup.sh requirements.lock pyproject.toml
	@bash packaging/setup.sh $(VENV)
	@touch $(STAMP)

# make check  format, lint, types, architecture
check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	git ls-files -co --exclude-standard '*.py' | xargs -P 2 -n 50 $(BIN)/flake8-async $(ASYNC_RULES)
	$(BIN)/mypy
	$(BIN)/pytest tests/test_architecture.py

test: check
	$(BIN)/pytest

demo: setup
	$(BIN)/voiced demo

# make cov    the tests with branch coverage
cov: setup
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

# make bench  measures what docs/performance.md states
bench: setup
	$(BIN)/python -m bench

# make deb    builds dist/voiced_VERSION_all.deb, for Debian and Ubuntu
deb:
	@bash packaging/deb/build.sh

# make test-deb  builds it, and tries it in booted systems; as root
test-deb:
	@bash packaging/deb/test.sh

# make lock   pins the newest dependencies that fit pyproject.toml
lock: setup
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --extra lab \
	  --group dev --no-header -o requirements.lock pyproject.toml

# make format rewrites the code in the project's format
format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info
