# For people: `make demo` and `make test`, as root on Debian. Everything they need they install.
PYTHON ?= /usr/bin/python3
VENV ?= .venv

.PHONY: demo test check fuzz lab-test packages-test lab-test-slow chaos chaos-test soak mutation behaviour changelog clean

demo:  ## install what it needs, show a real failover, clean up
	lab/demo

test: $(VENV)/ready  ## everything: style, types, unit, property, contract, and the real thing
	tests/everything

check: $(VENV)/ready  ## what needs no lab
	lab/lab install
	$(VENV)/bin/tox run-parallel --parallel 2 -e lint,types,docs
	$(VENV)/bin/tox run -e py3,debian12

lab-test: $(VENV)/ready  ## the scenarios, on every Pacemaker generation
	$(VENV)/bin/tox run -e lab

$(VENV)/ready: Makefile
	tests/prepare $(PYTHON) $(VENV)
	touch $@

packages-test: $(VENV)/ready  ## Debian packages and RPMs: built, installed, upgraded, removed
	$(VENV)/bin/tox run -e packages

chaos:  ## an hour of faults on the real thing, judged by the laws: make chaos SEED=1
	lab/chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),60)

lab-test-slow: $(VENV)/ready  ## the scenarios that take minutes each
	NOVAHA_LAB_MARK=slow $(VENV)/bin/tox run -e lab

chaos-test: $(VENV)/ready  ## three minutes of it, as a test
	NOVAHA_LAB_MARK=chaos $(VENV)/bin/tox run -e lab

soak: $(VENV)/ready  ## half an hour of random histories on the model
	$(VENV)/bin/tox exec -e py3 -- python -m tests.property --minutes $(or $(MINUTES),30)

mutation: $(VENV)/ready  ## small changes of core and evacuator that a test has to notice: hours
	$(VENV)/bin/tox run -e mutation -- $(MODULES)

fuzz: $(VENV)/ready  ## every kind of input that novaha has to withstand (make test: a sample)
	$(VENV)/bin/tox exec -e py3 -- python -m tests.fuzz

behaviour: $(VENV)/ready  ## what the model of Nova claims, asked of the real one
	$(VENV)/bin/tox run -e lab -- tests/behaviour

changelog: $(VENV)/ready  ## CHANGELOG.md of the release notes and git's tags
	$(VENV)/bin/tox exec -e docs -- python docs/_ext/changelog.py

clean:
	lab/lab down
	rm -rf $(VENV) .tox .mypy_cache .ruff_cache .pytest_cache .bench .hypothesis build *.egg-info
