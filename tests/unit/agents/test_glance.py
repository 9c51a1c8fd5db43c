"""The monitor where all is well: what it takes for that, and that everything else is looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from novaha.agents.glance import all_is_well
from novaha.evacuator.address import SOCKET, TURNS, YES
from novaha.evacuator.server import Server


@pytest.fixture
def serve(tmp_path: Path):
    def start(**answers: Any) -> str:
        Server(tmp_path / SOCKET, {k: lambda v=v: v for k, v in answers.items()}).start()
        return str(tmp_path)

    return start


def test_the_answer_is_what_the_server_sends() -> None:
    assert json.loads(YES) == {TURNS: True}


def test_a_loop_that_turns(serve) -> None:
    run_dir = serve(turns={"turns": True})
    assert all_is_well(["monitor"], {}, run_dir)
    assert all_is_well(["monitor", "more"], {"OCF_CHECK_LEVEL": "0"}, run_dir)


@pytest.mark.parametrize("answers", [{"turns": {"turns": False}}, {"turns": "nonsense"}, {}])
def test_any_other_answer_is_looked_at_more_closely(serve, answers: dict[str, Any]) -> None:
    """Among them that of an evacuator of an older version, which does not know the question."""
    assert not all_is_well(["monitor"], {}, serve(**answers))


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        ([], {}),
        (["stop"], {}),
        (["start"], {}),
        (["meta-data"], {}),
        (["validate-all"], {}),
        (["monitor"], {"OCF_CHECK_LEVEL": "10"}),
        (["monitor"], {"PCMK_service": "crm_resource"}),
    ],
)
def test_any_other_question_is_the_agents(serve, argv: list[str], environ: dict[str, str]) -> None:
    assert not all_is_well(argv, environ, serve(turns={"turns": True}))


def test_nobody_there(tmp_path: Path) -> None:
    assert not all_is_well(["monitor"], {}, str(tmp_path))
    (tmp_path / SOCKET).touch()
    assert not all_is_well(["monitor"], {}, str(tmp_path))
