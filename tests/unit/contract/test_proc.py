"""How processes of ours are started."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from novaha.contract import proc


@pytest.mark.parametrize(("isolated", "option"), [(0, []), (1, ["-I"])])
def test_an_isolated_interpreter_starts_isolated_ones(
    monkeypatch: pytest.MonkeyPatch, isolated: int, option: list[str]
) -> None:
    monkeypatch.setattr(sys, "flags", SimpleNamespace(isolated=isolated))
    assert proc.of_module("novaha.x") == [sys.executable, *option, "-m", "novaha.x"]
