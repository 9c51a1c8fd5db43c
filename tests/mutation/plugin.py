"""For pytest: imports one module from elsewhere, and runs the tests that are named in a file.

NOVAHA_MUTANT=module=path of its source; NOVAHA_MUTANT_TESTS=path of that file.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest


class _Elsewhere(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path)


_name, _, _path = os.environ["NOVAHA_MUTANT"].partition("=")
sys.meta_path.insert(0, _Elsewhere(_name, _path))
sys.dont_write_bytecode = True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = Path(os.environ["NOVAHA_MUTANT_TESTS"]).read_text().splitlines()
    wanted = {name: number for number, name in enumerate(order)}
    items[:] = sorted((i for i in items if i.nodeid in wanted), key=lambda i: wanted[i.nodeid])
