# For people: `make demo` and `make test`, as root on Debian. Everything they need they install.
PYTHON ?= /usr/bin/python3
VENV ?= .venv

.PHONY: demo test check lab-test clean

demo:  ## install what it needs, show a real failover, clean up
	lab/demo

test: check lab-test  ## everything: style, types, unit, property, contract, and the real thing

check: $(VENV)/ready  ## what needs no lab
	lab/lab install
	$(VENV)/bin/tox run

lab-test: $(VENV)/ready  ## the scenarios, on every Pacemaker generation
	$(VENV)/bin/tox run -e lab

$(VENV)/ready: Makefile
	tests/prepare $(PYTHON) $(VENV)
	touch $@

clean:
	lab/lab down
	rm -rf $(VENV) .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
