# Every target builds the environment it needs in .venv; PYTHON=... chooses the interpreter (3.11 or newer).

SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# What is installed beside the package: dev for the tests, learn for the layers in torch.
EXTRAS ?= dev

.PHONY: demo test lint clean

demo: .venv/ready
	$(BIN)/handloom demo -o out/demo

test: .venv/ready
	$(BIN)/python -m pytest -n 2

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found; install one or set PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf .venv out .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find src tests benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +
