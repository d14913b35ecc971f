# Every command that the README names. `make` alone lists them.
#
# What a plain machine needs: make and Python 3.11 or newer with its venv module. Everything else (uv, Node, the AWS CDK
# command line, the local AWS) is installed below this folder by `setup`, which every other target runs first.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup environments run demo test test-fast test-edge faults incident bench bench-files bench-sync gate check synth bootstrap deploy destroy lock clean

STAGE ?= staging
SEED ?= 1
ifdef LOCAL
EVENTS ?= 150
ENTITIES ?= 25
else
EVENTS ?= 5000
ENTITIES ?= 500
endif
ROWS ?= 1000000
KIND ?= csv
SUITE ?= delivery
FAULTS_delivery = tests.faults.run --events $(EVENTS) --entities $(ENTITIES) $(if $(LOCAL),--local)
QUARTERS ?= 96
FAULTS_sync = tests.faults.sync --quarters $(QUARTERS)
PYTHON ?= $(shell for each in python3 python3.11 python3.12 python3.13; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)

# uv trusts what the machine trusts (a company's own certificate, say), and never fetches a Python of its own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := 1
endif
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

UV := .tools/bin/uv
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"
CDK := $(IN_VENV) node_modules/.bin/cdk
# Tests and demo can reach no real account, whatever credentials this shell holds.
NO_ACCOUNT := env -u AWS_PROFILE -u AWS_SESSION_TOKEN -u AWS_ENDPOINT_URL -u AWS_REGION \
	AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true \
	AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
BOTH_CORES := -n 2 --dist loadgroup --no-loadscope-reorder
FAST := $(addprefix tests/,adapters architecture connectors handlers hub project)
comma := ,
CODE := $(wildcard functions infra cli tests benchmarks)

# $(call step,what happens,command): one line when it starts, one with its duration when it ends; on failure its log.
define step
	@mkdir -p .local; log=.local/setup-$(notdir $(@D)).log; began=$$(date +%s); printf '  … %s\n' '$(1)'; \
	if { $(2); } >"$$log" 2>&1; then printf '  ✓ %s (%s s)\n' '$(1)' "$$(( $$(date +%s) - began ))"; \
	else printf '  ✗ failed: %s; the end of %s:\n' '$(1)' "$$log"; tail -n 20 "$$log"; exit 1; fi
	@touch $@
endef

help: ## list these commands
	@awk 'BEGIN { FS = ":.*## "; print "make …" } /^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install everything below this folder (any other command does it by itself)
	@$(MAKE) --no-print-directory -j3 environments

run: setup ## start the local AWS with the hub in it, print its addresses, stay up until Ctrl-C
	@$(NO_ACCOUNT) $(IN_VENV) .venv/bin/python -m infra.local up

demo: setup ## send the demo's deliveries, show what became of each, compare ERPNext's documents
	@$(NO_ACCOUNT) $(IN_VENV) .venv/bin/python -m infra.local demo

test: setup ## run every suite, the local AWS included
	@$(NO_ACCOUNT) $(IN_VENV) .venv/bin/python -m pytest $(BOTH_CORES) $(PYTEST_FLAGS)

test-fast: setup ## run the suites that need neither network nor AWS (seconds)
	@$(NO_ACCOUNT) $(IN_VENV) .venv/bin/python -m pytest -m "not slow" $(FAST) $(PYTEST_FLAGS)

test-edge: setup ## try every connector's edge: its examples, its provider's rules and libraries, forgeries, nonsense
	@$(NO_ACCOUNT) $(IN_VENV) .venv/bin/python -m pytest -m "not slow" tests/edge $(PYTEST_FLAGS)

faults: setup ## SEED=n: a day under every fault at once, judged (minutes); LOCAL=1: on the local AWS; SUITE=sync: of reading
	@$(NO_ACCOUNT) $(IN_VENV) .venv/bin/python -m $(FAULTS_$(SUITE)) --seed $(SEED)

incident: setup ## five incidents on the local AWS: detected, alarmed, repaired by the runbooks' commands, audited (minutes)
	@$(NO_ACCOUNT) $(IN_VENV) .venv/bin/python -m tests.incident.run

bench: setup ## measure everything: a table, and bench-results/ with JSON and plots (minutes; SHORT=1: one or two)
	@$(NO_ACCOUNT) $(IN_VENV) PYTHONPATH=functions .venv/bin/python -m benchmarks $(if $(SHORT),--short)

bench-files: setup ## measure memory and time of a table of ROWS rows (default: 1000000; KIND=csv or xlsx)
	@$(IN_VENV) PYTHONPATH=functions .venv/bin/python -m benchmarks.files --rows $(ROWS) --kind $(KIND)

bench-sync: setup ## measure rows/s, share of a plain loop and memory of every source (BENCH="--rows 100000 --json FILE")
	@$(NO_ACCOUNT) $(IN_VENV) PYTHONPATH=functions .venv/bin/python -m benchmarks.sync $(BENCH)

gate: setup ## hold cold starts, bundles and calls per event against their bounds, whatever the machine's load
	@$(NO_ACCOUNT) $(IN_VENV) PYTHONPATH=functions .venv/bin/python -m benchmarks.gate

check: setup ## lint, format and type checks
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy $(CODE)

synth: setup ## write the CloudFormation templates of STAGE (default: staging) to cdk.out; needs no credentials
	@$(CDK) synth --quiet -c stage=$(STAGE) $(CDK_FLAGS)
	@echo "Stage $(STAGE) is written to cdk.out: hub-$(STAGE).template.json and" \
		"$$(ls cdk.out | grep -c '^hub$(STAGE).*\.nested\.template\.json$$') nested templates that it names."

bootstrap: setup ## prepare an AWS account and region for the CDK, once
	@$(IN_VENV) .venv/bin/python -m infra.account $(STAGE) --before-bootstrap
	@$(CDK) bootstrap -c stage=$(STAGE) $(CDK_FLAGS)

deploy: setup ## deploy STAGE (default: staging) to the AWS account of your credentials
	@$(IN_VENV) .venv/bin/python -m infra.account $(STAGE)
	@$(CDK) deploy --all -c stage=$(STAGE) $(CDK_FLAGS)

destroy: setup ## remove STAGE (default: staging) from the AWS account of your credentials
	@$(IN_VENV) .venv/bin/python -m infra.account $(STAGE)
	@$(CDK) destroy --all -c stage=$(STAGE) $(CDK_FLAGS)

lock: .tools/.ready ## compile requirements/*.in to pinned, hashed *.txt (newest versions: make lock UPGRADE=--upgrade)
	@for name in uv lambda webhook webhook-keys local-aws dev; do \
		case $$name in dev|webhook*) same='--constraints requirements/lambda.txt';; *) same='';; esac; \
		echo "  … requirements/$$name.txt"; \
		$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
			--no-annotate $(UPGRADE) $$same requirements/$$name.in --output-file requirements/$$name.txt || exit 1; \
	done
	@$(MAKE) --no-print-directory .venv/.ready
	@$(IN_VENV) npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --silent

clean: ## remove what was built and the local AWS's state (the installed environments stay)
	@rm -rf build cdk.out .local test-results .pytest_cache .mypy_cache .ruff_cache .hypothesis

environments: .venv/.ready .venv-aws/.ready node_modules/.ready
	@:

.tools/.ready: requirements/uv.txt
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or newer is needed and was not found: install it (Debian 12," \
		"Ubuntu 24.04 or newer: apt-get install python3 python3-venv), then run make again."; exit 1; fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) lacks its venv module: install it" \
		"(Debian or Ubuntu: apt-get install python3-venv), then run make again."; exit 1; }
	$(call step,.tools: uv$(comma) which installs the rest,$(PYTHON) -m venv --clear .tools && \
		.tools/bin/pip install --quiet --require-hashes -r requirements/uv.txt)

.venv/.ready: .tools/.ready requirements/dev.txt pyproject.toml
	$(call step,.venv: packages of the hub$(comma) its CDK app$(comma) its command and its tests,\
		$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv && \
		$(UV) pip sync --python .venv/bin/python --require-hashes requirements/dev.txt && \
		$(UV) pip install --python .venv/bin/python --no-deps --no-build-isolation --offline --editable .)

.venv-aws/.ready: .tools/.ready requirements/local-aws.txt
	$(call step,.venv-aws: the local AWS,$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-aws && \
		$(UV) pip sync --python .venv-aws/bin/python --require-hashes requirements/local-aws.txt)

node_modules/.ready: .venv/.ready package.json package-lock.json
	$(call step,node_modules: the AWS CDK command line,$(IN_VENV) npm ci --no-audit --no-fund --ignore-scripts)
