"""How the evacuator's process begins."""

from __future__ import annotations

import io
import json
import os

import pytest

from novaha.core.errors import NovahaError
from novaha.evacuator import process


def test_it_asks_pacemakers_tools_about_all_nodes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Its resource's start has the node in its environment, and attrd_updater would heed that."""
    seen = []

    def conf(parameters: object) -> None:
        seen.append("OCF_RESKEY_CRM_meta_on_node" in os.environ)
        raise NovahaError("no further")

    settings = {"parameters": {}, "run_dir": str(tmp_path), "log_dir": str(tmp_path)}
    monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", "controller-1")
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(settings)))
    monkeypatch.setattr(process.pidfile, "hold", lambda run_dir: io.BytesIO())
    monkeypatch.setattr(process, "local_node", lambda: "controller-1")
    monkeypatch.setattr(process.wiring, "conf", conf)
    assert process.main() == 1
    assert seen == [False]
