# make            says what there is
# make train      trains the smallest model on made-up recordings
# make check      the fast checks, under a minute
# make test       every check and every test
#
# PYTHON=python3.12 chooses the Python that the environment is made with, VENV=folder where it goes.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

bin := $(VENV)/bin
stamp := $(VENV)/.installed
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
unexport PYTHONDONTWRITEBYTECODE
# two tests at a time
two := -n 2 --dist worksteal
# without the check of shapes
unchecked := -o addopts='--strict-markers --strict-config -ra'

.DEFAULT_GOAL := help
.PHONY: help install train check test bench bench-short bench-full bench-gpu chaos fuzz reference docs clean

help: ## say what there is
	@echo 'make TARGET [PYTHON=python3.12] [VENV=folder]'
	@sed -n 's/^\([a-z-]*\):.*## /\1@/p' $(MAKEFILE_LIST) | while IFS=@ read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

install: $(stamp) ## make the environment .venv, with everything needed to train, test and develop

# An installed torch is kept, whatever its version: a ROCm or CPU build is put there by hand (see README).
$(stamp): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gesturelab needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
	  echo "Name another one: make install PYTHON=python3.12"; exit 1; }
	@test -x $(bin)/python || { echo 'making $(VENV)'; $(PYTHON) -m venv $(VENV); } || { \
	  rm -rf $(VENV); echo 'No environment could be made. On Debian and Ubuntu: apt install python3-venv'; exit 1; }
	@$(bin)/python -m pip list --format=freeze --disable-pip-version-check | grep '^torch==' > $(VENV)/constraints.txt \
	  && grep -v '^torch==' constraints.txt >> $(VENV)/constraints.txt \
	  || cp constraints.txt $(VENV)/constraints.txt
	$(bin)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt -e '.[dev]'
	@touch $@

train: install ## train and test the smallest model on made-up recordings; ARGS='model=small seed=1' changes it
	$(bin)/gesturelab train $(ARGS)

check: install ## lint, check formatting, types and imports, run the pure unit tests: under a minute on two cores
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/lint-imports
	@# one core checks types while the other runs the tests, without coverage and without checks of shapes
	@log=$$(mktemp); $(bin)/pyright --pythonpath $(bin)/python >$$log 2>&1 & types=$$!; \
	code=0; $(bin)/pytest -q $(unchecked) -m 'unit and not slow' tests/unit $(ARGS) || code=1; \
	wait $$types || code=1; echo 'types:'; cat $$log; rm -f $$log; exit $$code

test: install ## lint, check formatting, types and imports, run the tests, show coverage of src (at least 85 %)
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/lint-imports
	@# the check of types, and the tests on a real Slurm, which mostly wait, run beside the others;
	@# shapes are checked, and lines counted, in the unit tests: in the others that takes long, and shows nothing more
	@logs=$$(mktemp -d); $(bin)/pyright --pythonpath $(bin)/python >$$logs/types 2>&1 & types=$$!; \
	$(bin)/pytest $(unchecked) -p no:cacheprovider tests/slurm >$$logs/slurm 2>&1 & slurm=$$!; \
	code=0; $(bin)/pytest $(two) --ignore=tests/integration --ignore=tests/slurm --ignore=examples --cov --cov-report=term:skip-covered --cov-fail-under=85 $(ARGS) || code=1; \
	$(bin)/pytest $(two) $(unchecked) tests/integration examples $(ARGS) || code=1; \
	wait $$types || code=1; echo 'types:'; cat $$logs/types; \
	wait $$slurm || code=1; echo 'tests on a real Slurm:'; cat $$logs/slurm; rm -rf $$logs; exit $$code

bench: install ## measure what is fast against what; ARGS='--root data/irds' on real recordings, 20 minutes
	$(bin)/python benchmarks/bench.py $(ARGS)

bench-short: install ## the ratios that hold on any machine, on made-up recordings, under three minutes
	$(bin)/python benchmarks/bench.py --short --bounds $(ARGS)

bench-full: install ## other batches too, and longer
	$(bin)/python benchmarks/bench.py --full $(ARGS)

bench-gpu: install ## measure one GPU in eight minutes, into gpu.md and gpu.json; ARGS='--minutes 4 --out mine.md'
	$(bin)/python benchmarks/gpu.py $(ARGS)

chaos: install ## kill trainings and sweeps at random moments, and compare results with undisturbed ones: eight minutes on a quiet machine
	$(bin)/python benchmarks/chaos.py $(ARGS)

fuzz: install ## damage files of every kind at random, three minutes; ARGS='--seconds 600 --only raw info'
	$(bin)/python benchmarks/fuzz.py $(ARGS)

reference: install ## write the configuration reference, docs/reference/configuration.md
	$(bin)/python docs/write_reference.py docs/reference/configuration.md

docs: install ## build the manual into site/, without a network; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict --quiet

clean: ## remove the environment and what tools left; never outputs, multirun or data
	rm -rf $(VENV) dist build site .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* coverage.xml
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
