"""The marks; every module here that has a `MARK` is one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from novahabench.mark import BenchError, Mark


def find() -> dict[str, Mark]:
    """All marks by the names of their modules, in the order of their numbers."""
    found: dict[str, Mark] = {}
    for module in pkgutil.iter_modules(__path__):
        mark = getattr(importlib.import_module(f"{__name__}.{module.name}"), "MARK", None)
        if isinstance(mark, Mark):
            found[module.name] = mark
    return dict(sorted(found.items(), key=lambda item: (item[1].id, item[0])))


def choose(only: Iterable[str]) -> dict[str, Mark]:
    """Those with these numbers or names; all of them for none.

    Raises BenchError for one that does not exist.
    """
    marks = find()
    wanted = list(only)
    for key in wanted:
        if key not in marks and key not in {str(mark.id) for mark in marks.values()}:
            known = ", ".join(f"{mark.id} ({name})" for name, mark in marks.items())
            raise BenchError(f"there is no mark '{key}'; there are {known}")
    return {
        name: mark
        for name, mark in marks.items()
        if not wanted or name in wanted or str(mark.id) in wanted
    }
