"""A name in a command that is offered for copying is one word of it, whatever is in it."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from novaha.agents.units import SystemdUnit
from novaha.cli import operator
from novaha.conf.load import load
from novaha.core import planner
from novaha.core.errors import ConfigError
from novaha.core.faults import Kind
from novaha.core.record import first_record
from novaha.core.situation import Policy
from novaha.core.view import HostView
from novaha.evacuator import attention
from novaha.pacemaker.runner import Result
from tests.views import view_of

NAMES = ["compute-1", "compute 1", "c;reboot", "$(reboot)", "a`b`", "x&y", "a*"]


def view(name: str, **changes: object) -> HostView:
    record = first_record(name, "f", datetime(2026, 1, 1, tzinfo=UTC))
    return view_of(record, **changes)


def offered(said: str, command: str, end: str = "$") -> list[str]:
    """The words of the command in what was said."""
    found = re.search(rf"{re.escape(command)} .*?(?={end})", said)
    assert found is not None, said
    return shlex.split(found[0])


@pytest.mark.parametrize("name", NAMES)
def test_what_the_evacuator_tells(name: str) -> None:
    doubted = view(name)
    doubted = replace(doubted, record=replace(doubted.record, marks=frozenset({"doubted"})))
    (said,) = attention.attention([doubted], "")
    assert offered(said, "novaha release") == ["novaha", "release", name]
    said = attention._sentence(name, Kind.NO_ROOM, 1)
    assert offered(said, "novaha release", r"\)$") == ["novaha", "release", name]


@pytest.mark.parametrize("name", NAMES)
def test_what_status_tells(name: str) -> None:
    (report,) = planner.plan([view(name, fenced_on_request=True)], Policy(), 0.0).reports
    command = offered(report.detail, "stonith_admin", "`$")
    assert command == ["stonith_admin", "--history", name, "-V"]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_command_tells(name: str) -> None:
    said = str(operator.NotConfirmedError(name))
    assert offered(said, "novaha evidence", "`, make") == ["novaha", "evidence", name]
    assert offered(said, "pcs stonith confirm", "`; or") == ["pcs", "stonith", "confirm", name]
    assert offered(said, "pcs stonith fence", "`$") == ["pcs", "stonith", "fence", name]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_everybody_may_read(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.touch(0o644)
    with pytest.raises(ConfigError) as error:
        load({"config": str(file)})
    assert offered(str(error.value), "chmod") == ["chmod", "640", str(file)]
    assert offered(str(error.value), "chown", "; chmod") == ["chown", "root:haclient", str(file)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("state", "command"), [("masked", "systemctl unmask"), ("error", "systemctl status")]
)
def test_a_unit_that_cannot_be_used(name: str, state: str, command: str) -> None:
    def run(argv, **options: object) -> Result:
        return Result(
            (),
            0,
            f"LoadState={state}\nActiveState=inactive\nUnitFileState=\nSubState=\nResult=\n".encode(),
            "",
        )

    said = SystemdUnit(name, run).missing()  # type: ignore[arg-type]
    assert offered(said, command) == [*command.split(), name]
