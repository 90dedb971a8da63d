# The front door: Meson and Ninja do the work underneath.
#
#   make demo      install what is missing, build, and run the main job on a local folder
#   make test      install what is missing, build, and run every test
#   make help      the rest

BUILD   ?= build
SAN     ?= build-asan
PREFIX  ?= /usr/local
DESTDIR ?=
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
PY      := .venv/bin/python
MESON   := meson

.DEFAULT_GOAL := build
.PHONY: demo build test test-c test-asan test-python install bench lint fuzz docs help clean setup setup-test

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:
	@tools/setup.sh build

setup-test:
	@tools/setup.sh test

$(BUILD)/build.ninja: | setup
	@$(MESON) setup $(BUILD) --prefix $(PREFIX) -Dtests=false -Dpython=$(CURDIR)/$(PY) >$(BUILD).log 2>&1 || { cat $(BUILD).log; rm -rf $(BUILD); exit 1; }; mv $(BUILD).log $(BUILD)/setup.log

build: setup $(BUILD)/build.ninja ## build library, command and Python package
	@ninja -C $(BUILD) -j $(JOBS)
	@$(MESON) install -C $(BUILD) --no-rebuild --quiet --tags python-runtime

demo: build ## the main job, visibly, on a local folder
	@tools/demo.sh $(BUILD)

test: setup-test build test-c test-asan test-python ## every test

test-c:
	@$(MESON) configure $(BUILD) -Dtests=true >/dev/null
	@ninja -C $(BUILD) -j $(JOBS) --quiet
	@$(MESON) test -C $(BUILD) --no-rebuild --print-errorlogs --num-processes $(JOBS) --timeout-multiplier 6

test-asan:
	@test -f $(SAN)/build.ninja || $(MESON) setup $(SAN) -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized >/dev/null
	@ninja -C $(SAN) -j $(JOBS) --quiet
	@$(MESON) test -C $(SAN) --no-rebuild --print-errorlogs --num-processes $(JOBS) --no-suite rules --no-suite servers --timeout-multiplier 15

test-python:
	@$(PY) -m pytest -q tests/python tests/cli

install: ## install headers, libraries, command, man pages, completion (PREFIX, DESTDIR)
	@test -f $(BUILD)/build.ninja || { echo "make install: run make build first" >&2; exit 2; }
	@$(MESON) configure $(BUILD) --prefix $(PREFIX) >/dev/null
	@ninja -C $(BUILD) -j $(JOBS) --quiet
	@DESTDIR="$(DESTDIR)" $(MESON) install -C $(BUILD) --no-rebuild --quiet --skip-subprojects --tags runtime,devel,man,completion,doc

bench: build ## measure speed and memory beside the peers; history in bench/results
	@tools/setup.sh bench
	@$(PY) bench/run.py --build $(BUILD)

lint: ## formatting, static checks, types, layers
	@tools/setup.sh lint
	@tools/lint.sh $(BUILD)

fuzz: ## a short run of every fuzzer (FUZZ_SECONDS each)
	@tools/setup.sh fuzz
	@tools/fuzz.sh

docs: build ## check links and examples of the documentation, render the man pages
	@$(PY) tools/check_docs.py
	@ninja -C $(BUILD) man

clean: ## remove what was built (not .venv)
	rm -rf $(BUILD) $(SAN) build-fuzz
