# A virtual environment with everything is made on first use.

PYTHON = python3
VENV = .venv
# of the demo: a BIDS folder, else simulated recordings; what to read; where to write
BIDS =
REGION =
TASK =
OUT = demo_results

# tests of a file share what is costly to make
PARALLEL = -n 2 --dist loadfile

BIN = $(VENV)/bin
INSTALLED = $(VENV)/installed
OLDEST = $(VENV)-oldest
BUILD = from setuptools import build_meta; \
	build_meta.build_sdist('dist'); build_meta.build_wheel('dist')

export MPLBACKEND = Agg
# networks of tests and examples are too small for threads, and slow on busy cores
doc test test-oldest fuzz mutants coverage: export OMP_NUM_THREADS = 1

.PHONY: help demo test test-oldest fuzz lint doc bench dist mutants coverage

help:
	@echo "make demo    simulated recordings to a table and figures in $(OUT)"
	@echo "make demo BIDS=folder [REGION=column] [TASK=task] [OUT=folder]    real ones"
	@echo "make test    lint, then run tests and doctests"
	@echo "make test-oldest    the tests with the oldest supported versions"
	@echo "make fuzz    thousands of generated recordings, arrays and folders (some minutes)"
	@echo "make mutants put small errors into a copy: does a test notice each? (half an hour)"
	@echo "make coverage    run the tests, and tell which branches they leave out"
	@echo "make lint    check style and format"
	@echo "make doc     build the documentation in doc/_build/html"
	@echo "make dist    build what a release consists of, in dist"
	@echo "make bench   measure speed and memory, into doc/benchmarks.json (an hour)"

demo: $(INSTALLED)
	$(BIN)/python -m mne_funcmap demo --out "$(OUT)" $(if $(BIDS),--bids "$(BIDS)") \
		$(if $(REGION),--region-column "$(REGION)") $(if $(TASK),--task "$(TASK)")

test: lint
	$(BIN)/python -m pytest $(PARALLEL)

test-oldest: $(OLDEST)/installed
	$(OLDEST)/bin/python -m pytest $(PARALLEL)

fuzz: $(INSTALLED)
	$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=long

mutants: $(INSTALLED)
	$(BIN)/python tests/mutants.py

coverage: $(INSTALLED)
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

doc: $(INSTALLED)
	$(BIN)/python -m sphinx -W --keep-going doc doc/_build/html

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks --json doc/benchmarks.json

dist: $(INSTALLED)
	rm -rf dist
	mkdir dist
	$(BIN)/python -m pip install -q -c constraints.txt setuptools
	$(BIN)/python -c "$(BUILD)"

$(INSTALLED): setup.cfg constraints.txt
	$(PYTHON) -m venv "$(VENV)"
	$(BIN)/python -m pip install -c constraints.txt -e ".[doc,test]"
	touch "$@"

$(OLDEST)/installed: setup.cfg constraints-oldest.txt
	$(PYTHON) -m venv "$(OLDEST)"
	$(OLDEST)/bin/python -m pip install -c constraints-oldest.txt -e ".[test]"
	touch "$@"
