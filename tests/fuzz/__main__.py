"""All kinds: `python -m tests.fuzz`, or `make fuzz`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    os.environ["NOVAHA_FUZZ"] = "all"
    place = str(Path(__file__).parent)
    sys.exit(pytest.main(["-q", "-n", "auto", "--dist", "worksteal", place, *sys.argv[1:]]))
