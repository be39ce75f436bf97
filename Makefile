# Two commands set up everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
BENCH := .venv-bench/bin
PIP := --quiet --quiet --disable-pip-version-check
MOSAICML := mosaicml-streaming==0.13.0
export PREFECT_HOME ?= $(CURDIR)/.prefect
export LLAVA_JP_STORE ?= $(CURDIR)/store
export BENCH_EXTRA := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"])

.PHONY: help demo test test-rest test-all test-gpu campaign lint deployments constraints clean \
	bench-data bench-checks bench-encode bench-cache bench-train bench-eval

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/installed: pyproject.toml constraints.txt
	@PYTHON=$(PYTHON) .ci/install.sh .venv --editable '.[dev]'
	@touch $@

demo: .venv/installed  ## both demo experiments, compared: the miniature of the article's claim
	@LLAVA_JP_NUM_PROCESSES=$${LLAVA_JP_NUM_PROCESSES:-2} $(BIN)/llava-jp run demo-v1.0 demo-v1.1
	@echo
	@echo "try next:"
	@echo "  MLflow      $(BIN)/mlflow ui --backend-store-uri sqlite:///$(LLAVA_JP_STORE)/mlflow.db"
	@echo "  Prefect     PREFECT_HOME=$(PREFECT_HOME) $(BIN)/prefect server start"
	@echo "  DuckDB      $(BIN)/llava-jp query wrong_answers --param right=demo-v1.1 --param wrong=demo-v1.0"

test: .venv/installed  ## linters, types and the whole default test suite
	@$(BIN)/python -m pytest

test-rest: .venv/installed  ## what has no place in `make test`: kills in every step, Ctrl-C, judges, photographs, planted defects, Ray
	@$(BIN)/python -m pytest -m 'long and not gpu and not network'

test-all: test test-rest  ## every test that needs no GPU

test-gpu: .venv/installed  ## the tests that need a GPU
	@$(BIN)/python -m pytest -m gpu --numprocesses 0

campaign: .venv/installed  ## kills, bad disks, failing servers, damaged files, hostile inputs: half an hour, or OPTIONS="--minutes N"; the table: build/campaign.md
	@$(BIN)/python -m tests.campaign $(OPTIONS)

bench-data: .venv/installed  ## ingestion and all checks on 1.2 million conversations, against datasets.map (half an hour)
	@$(BIN)/python -m tests.benchmarks.bench_data

bench-checks: .venv/installed  ## what the translation checks say about real texts (LLAVA_JP_SHARED, or OPTIONS=folder)
	@$(BIN)/python -m tests.benchmarks.bench_checks $(OPTIONS)

bench-encode: .venv/installed  ## images to features: images/s against the device's ceiling and the plain path
	@$(BIN)/python -m tests.benchmarks.bench_encode

bench-train: .venv/installed  ## both stages against the original recipe: samples/s, MFU, memory (a GPU; tiny shapes without)
	@$(BIN)/python -m tests.benchmarks.bench_train $(OPTIONS)

bench-eval: .venv/installed  ## questions/s of an evaluation, in batches against one at a time (a GPU; a small model without)
	@$(BIN)/python -m tests.benchmarks.bench_eval $(OPTIONS)

bench-cache: .venv-bench/installed  ## the feature cache against pread and other storages (ten minutes, 6 GB of disk)
	@$(BENCH)/python -m tests.benchmarks.bench_cache $(OPTIONS)

# Without its dependencies: it asks for older numpy, transformers and xxhash than we use, for torchvision and for the
# clients of five clouds. What it imports for local files is in the bench extra. A package that cannot be installed makes
# its contender missing, which the benchmark reports; the next `make bench-cache` tries again.
.venv-bench/installed: pyproject.toml constraints.txt
	@PYTHON=$(PYTHON) .ci/install.sh .venv-bench --editable .
	@failed=; for package in $$($(BENCH)/python -c "$$BENCH_EXTRA") "--no-deps $(MOSAICML)"; do \
		$(BENCH)/python -m pip install $(PIP) --constraint constraints.txt $$package \
		|| { echo "$$package: not installed"; failed=yes; }; \
	done; test -n "$$failed" || touch $@

lint: .venv/installed  ## format and check: style, types, imports, dependencies
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .

deployments: .venv/installed  ## write the experiments of pipeline/experiments into prefect.yaml
	@$(BIN)/python -m flows.runtime.deployments

# For every system, Python and accelerator at once: what a machine does not ask for, it does not get. Pins stay as they are
# where they can; `make constraints OPTIONS=--upgrade` looks for newer versions.
constraints: .venv/installed  ## pin what pyproject.toml asks for, and all that this asks for
	@env -u UV_INDEX -u UV_FIND_LINKS $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras \
		--no-annotate --no-header $(OPTIONS) --output-file constraints.txt pyproject.toml

clean:  ## forget the environment and all results
	rm -rf .venv .venv-bench store .prefect
