# make report   a report of a synthetic cut        make test      everything that must hold
# make report PLAN=analysis/plan-caba-v7.yml SOURCE=DIR OUT=build/caba-v7     a report of your data

PYTHON ?= python3
PLAN   ?= analysis/plan.yml
SOURCE ?=
OUT    ?= build/report
CUTOFF ?=
PREVIOUS ?=
SEED   ?= 128

# Another Python than python3 has an environment of its own: make test PYTHON=python3.12.
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
BIN  := $(VENV)/bin
DONE := $(VENV)/.installed

.PHONY: report dsmb test check coverage long mutation validation clean docs

$(DONE): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages (once; about two minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(DONE)

report: $(DONE)
	@$(BIN)/sap run --plan $(PLAN) --out $(OUT) $(if $(CUTOFF),--cut-off $(CUTOFF)) $(if $(SOURCE),--source $(SOURCE),--seed $(SEED))

# The open and the closed report of the DSMB, by default at the plan's first interim cut-off, or its only
# one; PREVIOUS is the folder of the run of the previous report.
dsmb: OUT = build/dsmb
dsmb: $(DONE)
	@$(BIN)/sap run --kind dsmb --plan $(PLAN) --out $(OUT) $(if $(CUTOFF),--cut-off $(CUTOFF)) $(if $(PREVIOUS),--previous $(PREVIOUS)) $(if $(SOURCE),--source $(SOURCE),--seed $(SEED))

# Types, lint and layers first: they are quick and say most.
check: $(DONE)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Three tiers: quick needs nothing but Python; slow is what takes long, R, a browser, another clock,
# ssh-keygen or ../shared; long (make long) is run by hand. A test whose need is absent is skipped and the reason printed.
TESTS ?= quick
NEEDS := slow or r or browser or shared or clock or ssh
WHICH_quick := -m "not ($(NEEDS) or long)"
WHICH_slow  := -m "($(NEEDS)) and not long"
WHICH_slow_without_shared := -m "($(NEEDS)) and not (long or shared)"
WHICH_long  := -m "long or fuzz" --hypothesis-profile=long
WHICH_all   := -m "not long"

# PYTEST adds options for pytest: .ci/run gives --no-skips, with which a skipped test fails.
test: check
	$(BIN)/pytest -n 2 --dist worksteal $(WHICH_$(TESTS)) $(PYTEST)

# The quick tests, and the branches of four rooms that they run: at least 97 % each.
COVERED := methods derivations results contracts
coverage: check
	@mkdir -p build
	$(BIN)/pytest -n 2 --dist worksteal $(WHICH_quick) $(COVERED:%=--cov=sap.%) --cov-branch \
		--cov-report=json:build/coverage.json $(PYTEST)
	$(BIN)/python tests/coverage_limits.py build/coverage.json

# By hand, for hours: many cases and seeds, every Python of the machine, and mutation.
long: check
	$(BIN)/pytest -n 2 --dist worksteal $(WHICH_long) $(PYTEST)
	set -e; for python in $$(.ci/pythons); do $(MAKE) test PYTHON=$$python; done
	$(MAKE) mutation

# A sample of small changes of the code, each against the quick tests of its stem: tests/mutation.py.
ROOM ?= all
FILE ?=
N    ?= 150
mutation: $(DONE)
	$(BIN)/python tests/mutation.py --room $(ROOM) --only "$(FILE)" --size $(N) --seed $(SEED)

# Every test, then the report on what is installed, required, tested and reproduced. The report is
# written when tests fail too, is told how they ended, and fails then; an old result is never read.
validation: $(DONE)
	@mkdir -p build/validation
	@rm -f build/validation/junit.xml
	@ended=0; $(BIN)/pytest -n 2 --dist worksteal $(WHICH_all) --junit-xml build/validation/junit.xml || ended=$$?; \
	$(BIN)/python -m sap.audit.validation build/validation/junit.xml build/validation $$ended

# The reference pages, from the catalogue, the plan's model and the commands.
docs: $(DONE)
	$(BIN)/python -m sap.cli.reference docs/reference

clean:
	rm -rf build frozen
