PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

setup: $(INSTALLED)  ## make .venv and install everything into it

demo: setup  ## paint examples/city.mp4 with examples/cafe_terrace.jpg
	$(BIN)/brushflow run configs/demo.toml

test: setup  ## run all tests, two at a time
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup  ## measure speed and memory, against the published method too
	$(BIN)/python -m scripts.bench

clean:  ## remove what runs and tests leave behind, not .venv
	rm -rf out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
