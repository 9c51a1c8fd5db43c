"""nova-compute by its unit; running it directly is tested with real processes in contract."""

from __future__ import annotations

import pytest

from novaha.agents.runtime import ActionError
from novaha.agents.service import DirectProcess, ServiceError, SystemdUnit
from novaha.pacemaker.runner import Result
from tests.unit.agents.fakes import Clock


class Systemd:
    """systemctl, with the states that the unit passes through at each question."""

    def __init__(self, *states: str, **properties: str) -> None:
        self.states = list(states)
        self.properties = {"LoadState": "loaded", "SubState": "running", **properties}
        self.calls: list[str] = []

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        assert argv[0] == "systemctl"
        if argv[1] == "show":
            name = argv[3].removeprefix("--property=")
            if name == "ActiveState":
                text = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            else:
                text = self.properties[name]
            return Result(tuple(argv), 0, f"{text}\n".encode(), "")
        self.calls.append(" ".join(argv[1:]))
        return Result(tuple(argv), 0, b"", "")


def unit(systemd: Systemd) -> SystemdUnit:
    clock = Clock()
    return SystemdUnit("nova-compute.service", systemd, clock.sleep, clock.monotonic)  # type: ignore[arg-type]


def test_start_waits_until_active() -> None:
    systemd = Systemd("inactive", "activating", "active")
    unit(systemd).start(20)
    assert systemd.calls == ["--no-block start nova-compute.service"]


def test_law_8_start_does_not_wait_for_a_unit_that_waits_for_nova() -> None:
    unit(Systemd("activating", SubState="start")).start(60)


@pytest.mark.parametrize(
    ("state", "sub"), [("failed", "failed"), ("activating", "auto-restart"), ("inactive", "dead")]
)
def test_start_that_fails(state: str, sub: str) -> None:
    with pytest.raises(ServiceError, match="journal"):
        unit(Systemd(state, SubState=sub, Result="exit-code")).start(20)


def test_stop_kills_what_does_not_end() -> None:
    systemd = Systemd(*["deactivating"] * 150, "inactive")
    unit(systemd).stop(20)
    assert systemd.calls == [
        "--no-block stop nova-compute.service",
        "kill --signal=SIGKILL nova-compute.service",
    ]


def test_stop_that_cannot_be_forced_is_an_error() -> None:
    with pytest.raises(ServiceError, match="SIGKILL"):
        unit(Systemd("deactivating")).stop(20)


@pytest.mark.parametrize(("state", "by_itself"), [("enabled", True), ("disabled", False)])
def test_whether_it_starts_at_boot(state: str, by_itself: bool) -> None:
    assert unit(Systemd("active", UnitFileState=state)).starts_by_itself() is by_itself


def test_a_user_that_does_not_exist(tmp_path) -> None:
    process = DirectProcess(["/bin/true"], tmp_path / "pid", tmp_path / "log", "no-such-user")
    with pytest.raises(ActionError, match="no-such-user"):
        process.start(5)
