# Everything a developer types. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# Any Python from 3.11 to 3.13; the first one found on PATH.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
LINT := .venv-lint
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
MODELS := $(shell find dbt_project -path dbt_project/target -prune -o -type f -print)
MANIFEST := dbt_project/target/manifest.json

# make run: a log file to send, the brand it belongs to and the site that wrote it.
INPUT ?=
BRAND ?= bild
SITE ?= https://www.example.org
# make databases-backup and databases-restore: a folder.
TO ?=
FROM ?=

.PHONY: help setup run stop test test-quick test-unit test-integration test-all bench capacity screenshots lint format \
	ci-test ci-lint ci-format-check ci-chart ci-tag ci-images ci-deploy ci-remove \
	ci-data-quality ml-training validate-workflows images-test test-kubernetes compose-env \
	databases-backup databases-restore health-check docs lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.run $(MANIFEST) ## Install what `make run` needs into .venv

run: setup ## Start the platform, send INPUT (or simulated traffic), print a summary, leave it running
	@$(BIN)/media-analytics run $(if $(INPUT),--input "$(INPUT)" --brand "$(BRAND)" --site "$(SITE)")

stop: setup ## Stop the platform; data stays in .media-analytics
	@$(BIN)/media-analytics down

databases-backup: ## Dump the databases of PostgreSQL (Compose's, or WHERE=kubernetes) to the new folder TO
	@docker/postgresql/databases.sh backup "$(TO)"

databases-restore: ## Put a dump back from the folder FROM; what is there stays aside
	@docker/postgresql/databases.sh restore "$(FROM)"

health-check: setup ## State of every service
	@$(BIN)/media-analytics status

test: setup-test ## The test command of README and CI: lint, types, unit, integration, one end-to-end run
	@$(BIN)/python -m media_analytics_tests.stages lint types unit integration e2e

test-quick: setup-test ## At most 5 minutes: lint, types, units, conventions, one real service
	@$(BIN)/python -m media_analytics_tests.stages lint types unit quick

test-unit: setup-test ## Fast tests that need nothing
	@$(BIN)/python -m media_analytics_tests.stages unit

test-integration: setup-test ## Tests on the real embedded services
	@$(BIN)/python -m media_analytics_tests.stages integration

test-all: setup-test $(VENV)/.conformance ## Everything, long faults and conformance suites included
	@$(BIN)/python -m media_analytics_tests.stages lint types unit integration e2e slow

bench: setup-test ## Times and rows a second (ONLY="path latency" for some); writes .media-analytics/bench/latest.json
	@$(BIN)/python -m media_analytics_tests.benchmarks $(ONLY)

capacity: setup-test ## docs/capacity.md from the record of a spike (WITH="--measured FILE" and others; the page says which)
	@$(BIN)/python -m media_analytics_tests.benchmarks.capacity $(WITH)

screenshots: setup-test ## Pictures of the dashboard's pages for the docs, from a real browser; a few minutes
	@$(BIN)/python -m media_analytics_tests.screenshots

lint: setup-test ## Lint and types
	@$(BIN)/python -m media_analytics_tests.stages lint types

format: $(LINT)/.done ## Format the code
	@$(LINT)/bin/ruff format . && $(LINT)/bin/ruff check --fix-only --quiet .

ci-test: test ## What CI runs
ci-lint: lint ## Lint and types, as CI runs them
ci-format-check: $(LINT)/.done ## Fail when a file is not formatted
	@$(LINT)/bin/ruff format --check .

ci-chart: setup-test ## The Helm chart: rendered by Helm, checked against three versions of Kubernetes
	@$(BIN)/python -m pytest -q media_analytics_tests/unit/deployment

ci-tag: ## Tag of the images of this commit, as a workflow's output; TAG: that of a release that uat has had
	@docker/tag.sh

ci-images: ## Build the four images and push them to REGISTRY with TAG; needs docker
	@docker/push.sh

images-test: setup-test ## Build the images without Docker, start what they are for, print sizes; root, a Debian, network
	@$(BIN)/python -m media_analytics_tests.images

test-kubernetes: setup-test ## The chart on a real API server: install, upgrade, rollback, refusals, a backfill; Go, network
	@$(BIN)/python -m media_analytics_tests.kubernetes

compose-env: ## Random credentials for docker/compose.yaml, once
	@docker/make_env.sh

ci-deploy: ## Install or upgrade ENVIRONMENT with images of TAG
	@helm/release.sh install

ci-remove: ## Remove the installation of a pull request from NAMESPACE
	@helm/release.sh remove

ci-data-quality: ## Ask an installation whether every event of a day is in every store; writes a report
	@helm/release.sh data-quality

ml-training: ## Train the models of an installation
	@echo "no model is trained yet: this target waits for the first one"

validate-workflows: $(LINT)/.done ## Workflows: schema, pinned actions, known weaknesses
	@$(LINT)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(LINT)/bin/zizmor --offline --quiet .github/workflows

docs: setup ## Generate the reference of tables and topics, and what the Helm chart takes from the model
	@$(BIN)/media-analytics contracts docs
	@$(BIN)/media-analytics deployment chart

lock: $(VENV)/.uv ## Resolve the dependencies again into requirements/*.txt
	@for set in "run --group local --group dashboard" "images --group dashboard --group kubernetes" "test --group local --group dashboard --group test" \
		"conformance --group local --group dashboard --group test --group conformance"; do \
		set -- $$set; name=$$1; shift; \
		$(BIN)/uv pip compile -q pyproject.toml $$@ --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header -o requirements/$$name.txt >/dev/null || exit 1; done
	@$(BIN)/uv pip compile -q --group lint --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -o requirements/lint.txt >/dev/null

clean: ## Stop the platform and delete its data, the environments and caches of this folder
	@if [ -x $(BIN)/media-analytics ]; then $(BIN)/media-analytics down; fi
	@rm -rf .media-analytics $(VENV) $(LINT) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

.PHONY: setup-test
setup-test: $(VENV)/.test $(LINT)/.done $(MANIFEST)

$(VENV)/.uv:
	@[ -n "$(PYTHON)" ] || { echo "error: no Python 3.11, 3.12 or 3.13 found; install one or pass PYTHON=/path/to/python"; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements/run.txt pyproject.toml
	@echo "Installing the platform (a few minutes the first time)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/test.txt
	@touch $@

# Importing the definitions reads this file and starts nothing.
$(MANIFEST): $(VENV)/.run $(MODELS)
	@$(BIN)/dbt --quiet --log-path dbt_project/target parse --project-dir dbt_project --profiles-dir dbt_project
	@touch $@

$(VENV)/.conformance: $(VENV)/.test requirements/conformance.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/conformance.txt
	@touch $@

$(LINT)/.done: $(VENV)/.uv requirements/lint.txt
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LINT)
	@$(BIN)/uv pip install --quiet --python $(LINT)/bin/python --require-hashes -r requirements/lint.txt
	@touch $@
