# Everything here sets itself up: the first call makes .venv and installs the pinned dependencies.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DATA   ?=
TASK   ?=

.PHONY: help demo up down test prove check lint types contracts docs format clean
.DEFAULT_GOAL := help

help: ## Show what can be done
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("fair-models needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check -c constraints.txt -e '.[train,flows,fast,pgstac,aws,kubernetes,web,docs,dev]'
	@touch $@

demo: $(READY) ## The whole life of a model (TASK=detection, classification or ranking; DATA=folder of chips and labels)
	$(BIN)/fair-models demo $(if $(TASK),--task '$(TASK)') $(if $(DATA),--data '$(DATA)')

up: $(READY) ## Start the local Prefect server, workers and deployments
	$(BIN)/fair-models up

down: $(READY) ## Stop them
	$(BIN)/fair-models down

TESTS = $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(READY) ## Run the tests, but for the slow proofs
	$(TESTS) -m 'not proof'

prove: $(READY) ## Run the slow proofs: kills, full disks, races, random histories, lives in production, every base model
	$(TESTS) -m proof

check: $(READY) lint types contracts test ## Everything that CI checks before the proofs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

docs: $(READY) ## Build the documentation site in build/site
	$(BIN)/mkdocs build --strict

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove .venv and caches (state under .fair stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
