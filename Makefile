# Every target installs what it needs; `make` alone lists them.
# .venv keeps its interpreter until PYTHON names another.
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
BIN := .venv/bin
# Some environments forbid Python to keep compiled modules. Each of the run's 200 processes would compile them again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-bench run demo-data migrate test test-fast lint docs lock bench chaos soak security-report sign check-image

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## start everything on http://127.0.0.1:8000 (PORT=8001 for another port)
	@$(BIN)/python -m scripts.run

demo-data: setup ## give a running `make run` 200 sites of the demo server, with a history (some ten minutes)
	@$(BIN)/python -m scripts.demo_data

migrate: setup ## bring the tables of DATABASE_URL up to date, or make them (`make run` does so too)
	@$(BIN)/python -m sites.migrate

test: setup-dev ## run the tests (ARGS="-k name" for some of them)
	$(PYTEST) -n 5 --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: setup-dev ## run the tests that need no browser and wait for nothing, for the work in between
	$(PYTEST) -n 2 --dist loadfile -m "not slow" tests/unit tests/integration $(ARGS)

lint: setup-dev ## ruff, mypy, import-linter, hadolint, and the deployment files' syntax
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m scripts.lint_imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m scripts.parse_files
	$(BIN)/python -m scripts.option_tables --check

docs: setup-dev ## write the tables of options and formats in docs/ from options/
	$(BIN)/python -m scripts.option_tables

setup: ## install all that is missing: .venv, the pinned requirements, Chromium, Redis, fonts (PYTHON=python3.12)
	@$(PYTHON) -m scripts.setup

setup-dev:
	@$(PYTHON) -m scripts.setup --dev

setup-bench:
	@$(PYTHON) -m scripts.setup --dev --bench

lock: setup-dev ## compile requirements*.in into requirements*.txt (UPGRADE=--upgrade for newest versions)
	$(COMPILE) $(UPGRADE) requirements-setup.in -o requirements-setup.txt
	$(COMPILE) $(UPGRADE) requirements.in -o requirements.txt
	$(COMPILE) $(UPGRADE) requirements-tracing.in -c requirements.txt -o requirements-tracing.txt
	$(COMPILE) $(UPGRADE) requirements-dev.in -c requirements-setup.txt -c requirements.txt -c requirements-tracing.txt -o requirements-dev.txt
	$(COMPILE) $(UPGRADE) requirements-bench.in -c requirements-dev.txt -o requirements-bench.txt
	$(COMPILE) $(UPGRADE) requirements-parts.in -c requirements-dev.txt -o requirements-parts.txt
	$(COMPILE) $(UPGRADE) requirements-browser.in -c requirements-dev.txt -o requirements-browser.txt

bench: setup-bench ## compare the service with its peers (more than twenty minutes) and write bench/results.md (ARGS=hits for one part)
	$(BIN)/python -m bench $(ARGS)

chaos: setup-dev ## kill one part after another under load, for two minutes, and print what clients got (ARGS=--short)
	$(BIN)/python -m bench.chaos $(ARGS)

soak: setup-dev ## run everything under honest traffic and a crash a minute, and write bench/soak.md (MINUTES=20)
	$(BIN)/python -m bench.soak $(or $(MINUTES),20) $(ARGS)

security-report: setup-dev ## try the attacks of docs/security-figures.md and print the results (nine minutes)
	$(BIN)/python -m bench.security

sign: setup ## print a signed URL (URL=https://example.com/ W=640 H=360)
	@$(BIN)/thumbnails sign "$(URL)" $(if $(W),-o w=$(W)) $(if $(H),-o h=$(H))

check-image: setup-dev ## run the Dockerfile's steps without Docker (needs root, takes some minutes)
	unshare --mount --pid --fork --kill-child $(BIN)/python -m scripts.check_image
