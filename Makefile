# SPDX-License-Identifier: GPL-3.0-or-later
# Each target sets up what it needs in .venv; nothing outside this folder is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint soak benchmark agent generate format clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.run ## Back up, destroy and restore a demo application on this machine
	tools/demo

test: $(VENV)/.dev ## Run every check and test
	$(BIN)/python tools/checks.py

lint: $(VENV)/.dev ## Run the quick checks only: style, types, generated files
	$(BIN)/python tools/checks.py lint

soak: $(VENV)/.dev ## Run the long form of the fault tests
	$(BIN)/python -m pytest -n 2 --dist worksteal --timeout 3600 -m soak tests

benchmark: $(VENV)/.run ## Measure against tar, zstd, restic, borg, dump programs
	$(BIN)/python tests/benchmarks/run.py
	! docker info >/dev/null 2>&1 || { tests/containers/build.sh host && $(BIN)/python tests/benchmarks/fleet.py; }

agent: ## Build build/fleet-backup.pyz, the command for hosts
	$(PYTHON) tools/build_agent.py

generate: $(VENV)/.dev ## Write again what is generated from the engine's option declarations
	$(BIN)/python tools/generate.py

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove everything that was built
	rm -rf build $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo '$(PYTHON) must be Python 3.11 or newer with ensurepip; on Debian: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	touch $(VENV)/.run $@
