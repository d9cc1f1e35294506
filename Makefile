# Tocsin. `make help` lists what can be made.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(PATH):$(firstword $(wildcard $(HOME)/.pyenv/versions/3.13*/bin))
# Many interpreters are started, which would each compile all that they import.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
UV := $(or $(shell command -v uv),python3 -m uv)
DIST := dist
DASHBOARD := build/dashboard/index.html
LINTED := $(VENV)/.ready .venv-infra/.ready .venv-localstack/.ready dashboard/node_modules/.ready
PARTS := .venv-ministack/.ready .venv-cdk/.ready .venv-go/.ready .venv-eventsource/.ready $(DASHBOARD)
ENVIRONMENTS := $(LINTED) $(PARTS)
GO = env -i PATH=$(PATH) HOME=$(CURDIR)/.venv-go .venv-go/bin/go
NODE = PATH=$(CURDIR)/.venv-nodejs/bin:$$PATH
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.13 --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links

# Three workers, since tests wait for what they started; those that share a product are in one.
PYTEST = $(BIN)/pytest -n 3 --dist loadgroup
SYNTH = .venv-infra/bin/pytest --confcutdir tests/infra/synth tests/infra/synth

.PHONY: help up test synth dashboard-test test-fast test-times test-loaded check bench \
	screenshots preflight dist lock clean uv

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

up: $(VENV)/.ready .venv-ministack/.ready $(DASHBOARD) ## install everything and run the whole product on this machine
	@exec $(BIN)/tocsin up

# What uses one core each is done two at once; pytest has workers of its own.
test: ## everything: format, lint, types, import rules, every test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=line check synth dashboard-test $(PARTS)
	$(PYTEST) --ignore tests/infra/synth

synth: $(ENVIRONMENTS)
	$(SYNTH)

dashboard-test: $(DASHBOARD)
	cd dashboard && $(NODE) npm test --silent

test-fast: $(VENV)/.ready .venv-ministack/.ready ## the tests that start next to nothing: unit, contract
	$(PYTEST) tests/unit tests/contract

test-times: $(ENVIRONMENTS) ## every test, and where its time goes: wall and CPU
	PYTHONPATH=$(CURDIR)/tests $(PYTEST) -p support.times --ignore tests/infra/synth
	PYTHONPATH=$(CURDIR)/tests $(SYNTH) -p support.times

test-loaded: $(ENVIRONMENTS) ## the tests beside eight busy processes: none fails by a slow machine
	PYTHONPATH=$(CURDIR)/tests $(BIN)/python -m support.busy 8 $(PYTEST) --ignore tests/infra/synth

check: $(LINTED) ## format, lint, types and import rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy --exclude '^tests/(infra/(synth|throwaway)|localstack|e2e/samples)/'
	$(BIN)/mypy --cache-dir .mypy_cache/infra --follow-imports silent \
		--python-executable .venv-infra/bin/python \
		infra tests/infra/synth tests/infra/throwaway
	$(BIN)/mypy --cache-dir .mypy_cache/localstack \
		--python-executable .venv-localstack/bin/python tests/localstack
	PYTHONPATH=layers:. $(BIN)/lint-imports --no-cache
	cd dashboard && $(NODE) npm run --silent check

preflight: $(VENV)/.ready ## ask your AWS account what a deployment would fail on (makes nothing); CHOICES="preset=try …"
	@$(BIN)/python -m infra.preflight $(CHOICES)

bench: $(VENV)/.ready .venv-ministack/.ready $(DASHBOARD) ## print what is measured, as ratios within this run (NAMES=dashboard: that alone)
	$(BIN)/python -m bench $(NAMES)

screenshots: $(VENV)/.ready .venv-ministack/.ready $(DASHBOARD) ## take the documentation's pictures of the dashboard
	PYTHONPATH=$(CURDIR)/tests $(BIN)/python -m support.screenshots docs/images

# Out of a source archive, so that nothing comes along that an earlier build has left behind.
dist: $(VENV)/.ready ## build the wheel into dist/: command line and client for machines without this folder
	@rm -rf $(DIST) && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(UV) build --quiet \
		--no-build-isolation --python $(BIN)/python --out-dir $(DIST) . && rm $(DIST)/*.tar.gz
	@ls $(DIST)/*.whl

lock: $(VENV)/.ready ## resolve the locks under requirements/ anew
	$(COMPILE) requirements/functions.in -o requirements/functions.txt
	$(COMPILE) requirements/functions.in requirements/api.in -o requirements/api.txt
	$(COMPILE) requirements/functions.in requirements/deliver.in requirements/parquet.in -o requirements/deliver.txt
	$(COMPILE) requirements/functions.in requirements/stream.in -o requirements/stream.txt
	$(COMPILE) pyproject.toml --extra local --extra proxy --extra langchain --extra openai-agents \
		requirements/dev.in -o requirements/dev.txt
	$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	$(BIN)/python requirements/prices.py
	$(COMPILE) requirements/ministack.in -o requirements/ministack.txt
	$(COMPILE) requirements/infra.in -o requirements/infra.txt
	$(COMPILE) requirements/uv.in -c requirements/infra.txt -o requirements/uv.txt
	$(COMPILE) requirements/go.in -o requirements/go.txt
	$(COMPILE) requirements/node.in -o requirements/node.txt
	cd tests/localstack && $(COMPILE) --no-python-downloads pyproject.toml --group dev \
		-o ../../requirements/localstack.txt

clean: ## remove what was built; .tocsin (your events) stays
	rm -rf .venv .venv-* build dist dashboard/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# First, and once: environments may be made two at a time.
uv:
	@$(UV) --version >/dev/null 2>&1 || python3 -m pip install --quiet --require-hashes -r requirements/uv.txt

# An environment is ready when it holds exactly what its lock names.
define environment
	@$(UV) venv --quiet --clear --python 3.13 $(dir $@)
	@$(UV) pip sync --quiet --require-hashes --python $(dir $@)bin/python $<
endef

$(VENV)/.ready: requirements/dev.txt pyproject.toml | uv
	$(environment)
	@$(UV) pip install --quiet --no-deps --no-build-isolation \
		--python $(BIN)/python --editable .
	@touch $@

.venv-ministack/.ready: requirements/ministack.txt | uv
	$(environment)
	@touch $@

# Go compiles its standard library itself, once.
.venv-go/.ready: requirements/go.txt | uv
	$(environment)
	@$(GO) env -w CGO_ENABLED=0 GOPROXY=off GOTOOLCHAIN=local
	@$(GO) build bufio encoding/json log net/http
	@touch $@

.venv-infra/.ready: requirements/infra.txt | uv
	$(environment)
	@touch $@

.venv-localstack/.ready: requirements/localstack.txt tests/localstack/pyproject.toml | uv
	$(environment)
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(dir $@)bin/python \
		--editable tests/localstack
	@touch $@

# The CDK's command line, one file from npm, by its checksum.
.venv-cdk/.ready: requirements/aws-cdk.sha512 .venv-infra/.ready
	@mkdir -p $(dir $@) && cd $(dir $@) \
		&& PATH=$(CURDIR)/.venv-infra/bin:$$PATH npm pack --silent aws-cdk@2.1148.1 >/dev/null \
		&& sha512sum --quiet --check $(CURDIR)/$< && tar -xzf aws-cdk-2.1148.1.tgz
	@touch $@

# Node, from PyPI.
.venv-nodejs/.ready: requirements/node.txt | uv
	$(environment)
	@touch $@

dashboard/node_modules/.ready: dashboard/package-lock.json .venv-nodejs/.ready
	@cd dashboard && $(NODE) npm ci --silent
	@touch $@

$(DASHBOARD): dashboard/node_modules/.ready dashboard/build.mjs $(shell find dashboard/src -type f)
	@$(NODE) node dashboard/build.mjs

# A client for Node, two packages from npm, by their checksums.
.venv-eventsource/.ready: requirements/eventsource.sha512 .venv-nodejs/.ready
	@rm -rf $(dir $@) && mkdir -p $(dir $@)node_modules && cd $(dir $@) \
		&& $(NODE) npm pack --silent eventsource@5.1.5 eventsource-parser@4.1.3 >/dev/null \
		&& sha512sum --quiet --check $(CURDIR)/$< && for package in eventsource eventsource-parser; do \
			mkdir node_modules/$$package \
			&& tar -xzf $$package-[0-9]*.tgz -C node_modules/$$package --strip-components 1 || exit; \
		done
	@touch $@
