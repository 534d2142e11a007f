# Everything here works from a fresh clone with make and Python 3.11 or newer; each target sets up what it needs.

PYTHON ?= python3
PORT ?= 9092
REGISTRY_PORT ?= 8085
IMAGE ?= tidemill:dev
FAULT_SEEDS ?= 20
PYTEST_ARGS ?=
CONTAINER_ENGINE ?= $(shell command -v podman || command -v docker)

UV_VERSION := 0.13.9
HELM_VERSION := v3.22.0
CACHE := $(if $(DOWNLOAD_CACHE),$(DOWNLOAD_CACHE),.cache)
UV := .cache/uv/bin/uv
SYNCED := .venv/.synced
HELM := $(or $(shell command -v helm 2>/dev/null),$(abspath $(CACHE))/bin/helm)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test faults lint check format kafka kafka-jars registry bench bench-buffer image test-image test-helm clean

help: ## List what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' Makefile | while read -r target text; do \
		printf '  %-12s %s\n' "$$target" "$$text"; done

setup: $(SYNCED) ## Make .venv with the locked dependencies (the other targets do so by themselves)

demo: $(SYNCED) ## Watch simulated card payments being scored; needs no broker, ends in a minute
	@.venv/bin/tidemill demo

test: $(SYNCED) kafka-jars ## Run every test, the ones on a real Apache Kafka included
	@.venv/bin/pytest $(PYTEST_ARGS)

faults: $(SYNCED) kafka-jars ## Kill workers at random moments with FAULT_SEEDS (20) seeds; 'make test' has one (minutes)
	@FAULT_SEEDS=$(FAULT_SEEDS) .venv/bin/pytest -k "random_moments" tests/integration/test_faults_buffer.py $(PYTEST_ARGS)

lint: $(SYNCED) ## Check style, types and import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

check: lint test ## lint, then test

format: $(SYNCED) ## Put the code into the one style
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

kafka: $(SYNCED) kafka-jars ## Run one Apache Kafka broker on PORT (9092) until Ctrl-C
	@.venv/bin/python -m tests.support.kafka_foreground --port $(PORT)

kafka-jars: $(SYNCED)
	@.venv/bin/python -m tests.support.kafka_jars

registry: $(SYNCED) ## Run a small schema registry on REGISTRY_PORT (8085) until Ctrl-C
	@.venv/bin/python -m tests.support.registry --port $(REGISTRY_PORT)

bench: $(SYNCED) kafka-jars ## Compare the worker with the bare client on a real broker (minutes)
	@.venv/bin/python -m benchmarks.throughput

bench-buffer: $(SYNCED) kafka-jars ## Compare the buffering worker with the bare client (minutes)
	@.venv/bin/python -m benchmarks.buffering

image: ## Build the container image IMAGE (tidemill:dev) with podman or docker
	@test -n "$(CONTAINER_ENGINE)" || { \
		echo "error: neither podman nor docker is on PATH. Install one: 'apt-get install podman'." >&2; exit 3; }
	@$(CONTAINER_ENGINE) build $(IMAGE_ARGS) -t $(IMAGE) .

test-image: image $(SYNCED) ## Build the image and run it locked down: another user, read-only root
	@IMAGE=$(IMAGE) CONTAINER_ENGINE=$(CONTAINER_ENGINE) .venv/bin/pytest -m image tests/e2e/test_image.py $(PYTEST_ARGS)

test-helm: $(SYNCED) $(HELM) ## Render the chart with helm (built with Go where it is missing) and check the result
	@HELM=$(HELM) .venv/bin/pytest -m helm tests/helm $(PYTEST_ARGS)

clean: ## Remove the virtual environment and the tools' caches (downloads are kept)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(SYNCED): $(UV) pyproject.toml uv.lock
	@$(UV) sync --locked --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is older than 3.11. Name a newer one: make PYTHON=python3.12 ..." >&2; exit 3; }
	@$(PYTHON) -m venv .cache/uv || { rm -rf .cache/uv; \
		echo "error: $(PYTHON) cannot make virtual environments. Install that part: 'apt-get install python3-venv'." >&2; exit 3; }
	@.cache/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# helm is a Go program; its module proxy has it where no package manager does. Minutes, once.
$(abspath $(CACHE))/bin/helm:
	@command -v go >/dev/null || { \
		echo "error: neither helm nor go is on PATH. Install one: https://helm.sh/docs/intro/install" >&2; exit 3; }
	@echo "Building helm $(HELM_VERSION) with Go (once, some minutes) ..." >&2
	@GOBIN=$(abspath $(CACHE))/bin go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
