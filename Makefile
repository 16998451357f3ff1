# `make` prints the targets. Python 3.11 or newer and make are all that a fresh machine needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

MEMBERS := proto libs/sip libs/event-packages libs/runtime services/sip-edge services/presence-core \
           services/notifier services/xcap-sync cli
SOURCES := proto libs services cli tests bench conftest.py
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
COMPILED := build/compiled
COMPILED_TESTS := libs services/sip-edge services/notifier services/presence-core \
                  tests/integration/test_publish.py tests/integration/test_subscribe.py tests/integration/test_dialog.py
MANIFESTS := constraints.txt $(addsuffix /pyproject.toml,$(MEMBERS))

# The first of these that is new enough and can make a virtual environment.
FOUND = $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
    $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    && echo $$python && break; done)
PYTHON ?= $(FOUND)

.PHONY: help
help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/.run ## start everything in the foreground (ARGS="--policy rules …" for `lamplighter up`)
	exec $(BIN)/lamplighter up $(ARGS)

.PHONY: run-compiled
run-compiled: $(COMPILED)/.done ## the same with the hot modules compiled, which takes a C compiler
	PYTHONPATH=$(CURDIR)/$(COMPILED) exec $(BIN)/lamplighter up $(ARGS)

.PHONY: install
install: $(VENV)/.dev ## make .venv with the services and the developers' tools

.PHONY: check
check: format lint types imports manifests test ## all that must hold before a push

.PHONY: format
format: $(VENV)/.dev ## fail where `make fmt` would change something
	$(BIN)/ruff format --check $(wildcard $(SOURCES))

.PHONY: lint
lint: $(VENV)/.dev ## find mistakes and bad style
	$(BIN)/ruff check $(wildcard $(SOURCES))

.PHONY: types
types: $(VENV)/.dev ## check the types, member by member: their tests have files of the same names
	@for place in $(MEMBERS) $(wildcard tests bench); do echo "mypy $$place"; $(BIN)/mypy $$place; done

.PHONY: imports
imports: $(VENV)/.dev ## check who may import whom
	$(BIN)/lint-imports --no-logo

.PHONY: manifests
manifests: $(VENV)/.dev ## check what runs on Kubernetes: every overlay, against the schemas and the services
	scripts/k8s/validate

.PHONY: test
test: $(VENV)/.dev ## run all tests (ARGS="-k name …" for pytest)
	$(BIN)/pytest $(ARGS)

.PHONY: test-compiled
test-compiled: $(COMPILED)/.done ## test what is compiled (ARGS="-k name …" for pytest)
	@PYTHONPATH=$(COMPILED) $(BIN)/python -c 'import sys, sip.parsing; sys.exit(not sip.parsing.__file__.endswith(".so"))'
	PYTHONPATH=$(CURDIR)/$(COMPILED) $(BIN)/pytest $(COMPILED_TESTS) $(ARGS)

.PHONY: test-compose
test-compose: $(VENV)/.dev ## test on docker compose, on an engine of its own if none runs (ARGS="-k name …" for pytest)
	scripts/ci/test-compose $(ARGS)

.PHONY: soak
soak: $(VENV)/.dev ## simulate many systems that fail (SEEDS=1000 FIRST=0 MINUTES=0; ARGS="--seed N" for one again)
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0) \
	    --minutes $(or $(MINUTES),0) $(ARGS)

.PHONY: bench
bench: $(VENV)/.bench $(COMPILED)/.done ## measure beside Kamailio, which it installs (ROUNDS=3 SECONDS=6; ARGS="--servers open,cache …")
	$(BIN)/python -m bench.compare --rounds $(or $(ROUNDS),3) --seconds $(or $(SECONDS),6) $(ARGS)

.PHONY: fmt
fmt: $(VENV)/.dev ## format the sources and mend what can be mended without a doubt
	$(BIN)/ruff format $(wildcard $(SOURCES))
	$(BIN)/ruff check --fix $(wildcard $(SOURCES))

.PHONY: proto
proto: $(VENV)/.run ## write proto/asyncapi.yaml from the messages
	$(BIN)/python -m lamplighter_proto.asyncapi > proto/asyncapi.yaml.new
	mv proto/asyncapi.yaml.new proto/asyncapi.yaml

.PHONY: clean
clean: ## remove .venv and caches; what `make run` keeps is not touched
	rm -rf $(VENV) $(COMPILED) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(wildcard $(SOURCES)) -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@test -n '$(PYTHON)' || { echo 'no Python 3.11 or newer with venv: set PYTHON=' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python $(MANIFESTS)
	@echo 'installing the services into $(VENV)'
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation $(addprefix --editable ,$(MEMBERS))
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@echo 'installing the developers'\'' tools into $(VENV)'
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

# What mypyc makes lies beside a copy of the sources, so that nothing old is ever taken for the sources themselves.
$(COMPILED)/.done: $(VENV)/.dev scripts/compile $(shell find proto/src libs/*/src services/*/src -name '*.py')
	@echo 'compiling the hot modules into $(COMPILED), which takes some minutes'
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	@cp -r proto/src/. $(addsuffix /src/.,$(wildcard libs/* services/*)) $(COMPILED)
	@find $(COMPILED) -name __pycache__ -prune -exec rm -rf {} +
	@$(BIN)/python scripts/compile $(COMPILED)
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements-bench.txt
	@echo 'installing what draws the figures into $(VENV)'
	@$(PIP) --requirement requirements-bench.txt
	@touch $@
