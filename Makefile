# Every target sets up what it needs: .venv from requirements.lock, once per lock.
# A machine needs python3 (3.11 or later, with venv) and make; uv is used where it is there.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo docs test test-all speed-small speed lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo      replay a real trace, run a small sweep, draw its figures"
	@echo "make docs      build the documentation to build/docs"
	@echo "make test      format, lint, types, tests (some eight minutes)"
	@echo "make test-all  the same with the slow tests"
	@echo "make speed-small  see in 20 s that the engine is no slower than before (part of make test)"
	@echo "make speed     measure the engines beside a naive script and the running kernel (many minutes)"
	@echo "make lock      resolve requirements.lock anew from pyproject.toml"
	@echo "make clean     remove .venv and caches"

# ---------------------------------------------------------------- demo
demo: .venv/installed
	$(BIN)/cowmodel sweep real-traces
	$(BIN)/cowmodel figure real-traces
	$(BIN)/cowmodel sweep break-even
	$(BIN)/cowmodel figure break-even
	$(BIN)/cowmodel run configs/redis-bgsave.toml

# ---------------------------------------------------------------- docs
# Pages are written from the program, which Sphinx does not watch: so from the beginning each time.
docs: .venv/installed
	rm -rf docs/gallery build/docs
	$(BIN)/sphinx-build -W --keep-going -q -E -d build/doctrees docs build/docs
	@echo "written to build/docs/index.html"

# --------------------------------------------------------------- tests
test: SELECTION := -m "not slow"
test test-all: .venv/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest -n 2 $(SELECTION)
	$(BIN)/python -m cowmodel.speed --small

# --------------------------------------------------------------- speed
speed-small: .venv/installed
	$(BIN)/python -m cowmodel.speed --small

speed: .venv/installed
	$(BIN)/python -m cowmodel.speed --full
	$(BIN)/cowmodel figure engine_speed

# -------------------------------------------------------------- set-up
# .venv/locked: what the lock names is installed. .venv/installed: cowmodel itself too.
.venv/locked: requirements.lock
	@$(check_python)
	rm -rf .venv
	@if command -v uv >/dev/null; then \
	    uv venv --python "$(PYTHON)" .venv && \
	    uv pip install --python $(BIN)/python --require-hashes -r requirements.lock; \
	else \
	    "$(PYTHON)" -m venv .venv && \
	    $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock; \
	fi
	@touch $@

.venv/installed: .venv/locked pyproject.toml
	@if [ -x $(BIN)/pip ]; then pip="$(BIN)/python -m pip"; else pip="uv pip"; fi; \
	VIRTUAL_ENV=.venv $$pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Says what is missing and how to get it; a bare traceback of venv helps nobody.
define check_python
command -v "$(PYTHON)" >/dev/null || { \
    echo "make: no $(PYTHON) on the PATH; install Python 3.11 or later" \
         "(Debian: apt install python3 python3-venv) or say make PYTHON=/path/to/python3" >&2; exit 2; }; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
    echo "make: expected Python 3.11 or later, got $$("$(PYTHON)" --version 2>&1);" \
         "say make PYTHON=/path/to/python3.11" >&2; exit 2; }; \
command -v uv >/dev/null || "$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
    echo "make: $(PYTHON) comes without venv or ensurepip;" \
         "install them (Debian: apt install python3-venv)" >&2; exit 2; }
endef

# Comments and options are left out: the lock names releases and hashes, not where they came from.
lock:
	@$(check_python)
	rm -rf build/lock && "$(PYTHON)" -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	build/lock/bin/pip-compile --quiet --upgrade --all-extras --generate-hashes --allow-unsafe \
	    --strip-extras --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	    --no-emit-trusted-host --no-emit-options --output-file requirements.lock pyproject.toml
	rm -rf build/lock

clean:
	rm -rf .venv build dist docs/gallery .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./.git -prune -o -name __pycache__ -type d -exec rm -rf {} +
