# Two commands: `make run` and `make test`. Everything they need they install into .venv, from
# the package registries that pip and npm are set up for, and they say so when they cannot.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= demo-archive
HOST ?= 127.0.0.1
PORT ?= 8000
DIMSE_PORT ?= 11112

.PHONY: help run viewer bench bench-full test check unit tools lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.installed viewer ## serve a demonstration archive on http://127.0.0.1:8000/
	@$(BIN)/dicomweb-server demo --data $(DATA)
	@$(BIN)/dicomweb-server serve --data $(DATA) --host $(HOST) --port $(PORT) --dimse-port $(DIMSE_PORT)

viewer: $(VENV)/.installed ## build the viewer's pages when their sources have changed
	@$(BIN)/python viewer/build.py

test: $(VENV)/.installed-test viewer tools check unit ## install what tests need, then run them all

check: $(VENV)/.installed-test ## lint, format and types
	@echo "· lint, format, types"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# A file of tests stays in one process, which starts its servers once.
unit: $(VENV)/.installed-test ## the tests alone, a process for each processor, at most four; PYTEST="tests/web -x" for some
	@echo "· tests"
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
	  --no-loadscope-reorder $(PYTEST); result=$$?; tests/artefacts; exit $$result

bench: $(VENV)/.installed viewer ## the short round of the benchmarks; BENCH="frames search" for some questions
	@$(BIN)/python -m benchmarks $(BENCH)

bench-full: $(VENV)/.installed viewer ## the long round
	@$(BIN)/python -m benchmarks --full $(BENCH)

tools: ## programs the tests drive that pip does not have (dcmtk, Chromium, curl)
	@tests/install-tools

lock: $(VENV)/.created ## renew requirements.lock from pyproject.toml, for every Python from 3.11
	@$(BIN)/pip install --quiet 'uv>=0.5'
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
	  --upgrade --no-header --output-file requirements.lock pyproject.toml

clean: ## remove the environment and what was built; the demonstration archive stays
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "· creating $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml requirements.lock
	@echo "· installing dependencies and dicomweb-server into $(VENV) (a minute or two the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock \
	  || { echo "pip could not install requirements.lock: is a package registry within reach?"; exit 1; }
	@DICOMWEB_SERVER_SKIP_VIEWER=1 $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@touch $@
