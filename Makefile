# Needs Python 3.11 or newer and make; the first target that wants packages makes .venv by itself.
# Another interpreter: make test PYTHON=/path/to/python3.12 (after make clean)

VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/ready
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.PHONY: help demo docs lock test lint type format bench pictures generate stack proof faults up down lgtm clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(READY) ## run a small support agent and look at what it did and cost
	@$(PY) -m demo

test: $(READY) ## run the whole test suite
	@$(PY) -m pytest -q -n auto

lint: $(READY) ## check style and formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

type: $(READY) ## check types, strictly
	@for platform in linux darwin win32; do $(PY) -m mypy --platform $$platform || exit 1; done

format: $(READY) ## format the code and mend what can be mended
	@$(PY) -m ruff check --fix-only -q .
	@$(PY) -m ruff format .

bench: $(READY) ## measure what one call costs beside other instrumentations (installs them outside the checkout)
	@$(PY) -m benchmarks.bench_calls

pictures: $(READY) ## draw docs/pictures: the concepts, the demo, the examples, the live view and the report, with `make stack` and npm the dashboards, with FRAMEWORKS=PYTHON of that group's environment the frameworks
	@$(PY) -m docs.pictures.draw_concepts
	@$(PY) -m docs.pictures.draw
	@$(PY) -m docs.pictures.draw_examples
	@$(PY) -m docs.pictures.draw_views
	@$(PY) -m docs.pictures.draw_grafana
	@if [ -n "$(FRAMEWORKS)" ]; then $(FRAMEWORKS) -m docs.pictures.draw_frameworks; fi

generate: $(READY) ## write docs/reference, Prometheus' rules, grafana/dashboards and the ConfigMaps anew from the code
	@$(PY) -m spanwatch.generate.reference > docs/reference/telemetry.md
	@$(PY) tools/reference.py
	@$(PY) -m spanwatch generate prometheus-rules > /dev/null
	@$(PY) tools/kubernetes.py
	@$(PY) -m spanwatch generate grafana > /dev/null

lock: $(READY) ## resolve anew what CI installs, with hashes, into .ci/locked
	@$(PY) -m pip install -q --disable-pip-version-check 'uv>=0.9,<1'
	@set -e; for name in build release docs dev frameworks; do \
	  groups="--group $$name"; project=; \
	  case $$name in docs) groups="$$groups --group manifests";; dev|frameworks) project=pyproject.toml;; esac; \
	  UV_CUSTOM_COMPILE_COMMAND='make lock' $(PY) -m uv pip compile -q --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-emit-index-url $$groups -o .ci/locked/$$name.txt $$project; \
	done

docs: $(READY) ## build the documentation site into build/site
	@$(PY) -m pip install -q --disable-pip-version-check --group docs
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet --site-dir build/site
	@echo 'build/site/index.html'

stack: $(READY) ## build or find collector, Jaeger, Prometheus, Alertmanager and Loki (outside the checkout; once, 15 minutes)
	@$(PY) tools/stack.py $(PROGRAMS)

proof: stack ## prove the stack with the real programs (7 minutes)
	@$(PY) -m pytest -q -p no:xdist tests/stack

faults: $(READY) ## run every fault beside the stock SDK and write docs/faults.md (ten minutes)
	@$(PY) -m tests.faults --write

up: $(READY) ## start the stack of compose.yaml (Docker), with secrets made at random under .secrets/
	@$(PY) tools/compose_secrets.py .secrets
	@docker compose up --detach --wait
	@echo 'OTLP at http://127.0.0.1:4318 with OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer $$(cat .secrets/otlp_token)"'
	@echo 'Grafana at http://127.0.0.1:3000, user admin, password in .secrets/grafana_admin_password'

down: ## end the stack of compose.yaml; its data stays
	@docker compose down

lgtm: ## start the one-container variant for development (Docker)
	@docker compose --file compose.dev.yaml up --detach

clean: ## remove the environment, caches and build products
	@rm -rf $(VENV) build dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(READY): pyproject.toml
	@set -e; \
	python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	  for candidate in python3 python3.13 python3.12 python3.11 python3.14; do \
	    if $$candidate -c '$(USABLE)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	  done; \
	fi; \
	if ! "$$python" -c '$(USABLE)' >/dev/null 2>&1; then \
	  echo "make: no usable Python: 3.11 or newer with the venv module is needed" >&2; \
	  echo "      (Debian and Ubuntu: apt install python3 python3-venv), or say which: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	if ! $(PY) -c '' >/dev/null 2>&1; then \
	  echo "making $(VENV) with $$("$$python" --version) ..."; \
	  "$$python" -m venv --clear $(VENV); \
	fi; \
	echo "installing packages into $(VENV) (once; about a minute) ..."; \
	$(PY) -m pip install -q --disable-pip-version-check 'pip>=25.1'; \
	$(PY) -m pip install -q --disable-pip-version-check --group dev -e .; \
	touch $@
