# Everything below sets itself up first: a virtual environment in .venv with the locked dependencies.
# A machine needs only Python 3.11 to 3.13, make and git.
SHELL := /bin/sh
SUPPORTED := import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c '$(SUPPORTED)' 2>/dev/null && { echo "$$p"; break; }; done)
LOCK ?= requirements.lock
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup train test test-faults test-minimum lint types notebooks benchmarks golden golden-write lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make .venv with the locked dependencies and litseg itself

$(READY): $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "litseg needs Python 3.11, 3.12 or 3.13; found none. Install one or run make PYTHON=/path/to/python3.12 ..."; exit 2; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip install --quiet --no-config --python $(BIN)/python -r $(LOCK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $(READY)

train: $(READY) ## train, test and picture a U-Net with Dice loss on the embedded data (ARGS="loss=ce seed=1" adds overrides)
	$(BIN)/python train.py experiment=unet_dice logger=csv $(ARGS)

test: $(READY) ## the test suite, a process for each core, four at most (ARGS="-k dice" adds pytest options)
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile $(ARGS)

test-faults: $(READY) ## the tests that are slow by nature: real kills, signals, launchers
	$(BIN)/python -m pytest -m faults $(ARGS)

test-minimum: ## the test suite on the oldest versions that pyproject.toml allows, in .venv-minimum
	$(MAKE) test VENV=.venv-minimum LOCK=requirements-minimum.lock

lint: $(READY) ## ruff (rules and format)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

notebooks: $(READY) ## execute every notebook from top to bottom
	$(BIN)/python -m pytest -m notebooks tests/test_notebooks.py $(ARGS)

benchmarks: $(READY) ## what litseg adds to a training, against bare PyTorch (ARGS="--camvid /path/to/camvid")
	$(BIN)/python -m tests.benchmarks.training $(ARGS)

BASE ?= HEAD^
golden: $(READY) ## ten training losses of every experiment, bit for bit those of the parent commit (BASE=commit)
	$(BIN)/python -m tests.golden.compare $(BASE)

golden-write: $(READY) ## store the losses that make test expects anew (ARGS="unet_ce" for one experiment)
	$(BIN)/python -m tests.golden.curves tests/golden/losses.json $(ARGS)

COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade
lock: $(READY) ## write both requirements files anew from pyproject.toml
	$(COMPILE) --all-extras pyproject.toml -o requirements.lock
	$(COMPILE) --no-config --resolution lowest-direct --extra dev --extra sweep --extra wandb pyproject.toml -o requirements-minimum.lock

clean: ## remove the virtual environment and the caches (runs in outputs/ stay)
	rm -rf .venv .venv-minimum .pytest_cache .mypy_cache .ruff_cache
