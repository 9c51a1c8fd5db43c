"""The evacuator's user: made once, in Pacemaker's group, and removed only if novaha made it."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from novaha.cli import user
from novaha.core.errors import ClusterToolError
from novaha.pacemaker.runner import Result


@dataclass
class Machine:
    """Its users and groups, as far as they matter."""

    members: list[str] | None = field(default_factory=list)
    comment: str | None = None
    gid: int = 901
    fails: bool = False
    calls: list[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], **_: object) -> Result:
        self.calls.append(argv[0])
        if self.fails:
            raise ClusterToolError(argv, 1, "cannot lock /etc/passwd")
        return Result(tuple(argv), 0, b"", "")

    def getgrnam(self, name: str) -> grp.struct_group:
        if name != "haclient" or self.members is None:
            raise KeyError(name)
        return grp.struct_group((name, "x", 903, self.members))

    def getpwnam(self, name: str) -> pwd.struct_passwd:
        if name != "novaha" or self.comment is None:
            raise KeyError(name)
        return pwd.struct_passwd((name, "x", 901, self.gid, self.comment, "/", "/bin/false"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(grp, "getgrnam", found.getgrnam)
    monkeypatch.setattr(pwd, "getpwnam", found.getpwnam)
    return found


def test_it_is_made_where_there_is_none(machine: Machine) -> None:
    assert list(user.make(machine)) == ["user novaha: made, for the evacuator"]  # type: ignore[arg-type]
    assert machine.calls == ["useradd"]


@pytest.mark.parametrize(("members", "gid"), [(["novaha"], 901), ([], 903)])
def test_one_that_is_right_stays(machine: Machine, members: list[str], gid: int) -> None:
    machine.comment, machine.members, machine.gid = "somebody's", members, gid
    assert list(user.make(machine)) == ["user novaha: as it should be"]  # type: ignore[arg-type]
    assert machine.calls == []


def test_one_outside_of_the_group_comes_into_it(machine: Machine) -> None:
    machine.comment = "somebody's"
    assert list(user.make(machine)) == ["user novaha: is in group haclient now"]  # type: ignore[arg-type]
    assert machine.calls == ["usermod"]


def test_nothing_fails_that_is_not_needed(machine: Machine) -> None:
    machine.fails = True
    (said,) = user.make(machine)  # type: ignore[arg-type]
    assert "not made, the evacuator runs as root" in said
    machine.members = None
    (said,) = user.make(machine)  # type: ignore[arg-type]
    assert "install Pacemaker first" in said
    machine.comment = user.COMMENT
    (said,) = user.remove(machine)  # type: ignore[arg-type]
    assert "not removed" in said


@pytest.mark.parametrize(
    ("comment", "calls"), [(None, []), ("somebody's", []), (user.COMMENT, ["userdel"])]
)
def test_only_what_novaha_made_is_removed(
    machine: Machine, comment: str | None, calls: list[str]
) -> None:
    machine.comment = comment
    list(user.remove(machine))  # type: ignore[arg-type]
    assert machine.calls == calls
