"""NovaEvacuate: what its process does decides, what Nova does is only shown."""

from __future__ import annotations

import io

import pytest

from novaha.agents import nova_evacuate
from novaha.agents.nova_evacuate import AGENT, Context
from novaha.agents.runtime import ActionError
from novaha.contract import ocf
from novaha.contract.ocf import ExitCode, Request
from novaha.evacuator.client import HUNG_AFTER
from tests.unit.agents.fakes import FakeCluster, FakeEvacuator, running


def request(action: str, level: int = 0, by_hand: bool = False, **parameters: str) -> Request:
    environ = {f"OCF_RESKEY_{name}": value for name, value in parameters.items()}
    environ |= {"OCF_RESKEY_CRM_meta_timeout": "30000", "OCF_CHECK_LEVEL": str(level)}
    environ |= {"PCMK_service": "crm_resource"} if by_hand else {}
    return ocf.parse(AGENT, [action], environ)


def context(evacuator: FakeEvacuator, cluster: FakeCluster | None = None) -> Context:
    asked: list[object] = []
    return Context(io.StringIO(), io.StringIO(), evacuator, cluster or FakeCluster(), asked.append)


def test_start_passes_on_what_was_given_and_no_default() -> None:
    evacuator = FakeEvacuator()
    given = request("start", auth_url="http://k", password="p")
    assert nova_evacuate.start(given, context(evacuator)) is ExitCode.SUCCESS
    assert evacuator.parameters == {"auth_url": "http://k", "password": "p"}
    assert evacuator.calls == ["launch 15"]


def test_start_of_what_runs_does_nothing() -> None:
    evacuator = FakeEvacuator(up=True)
    assert nova_evacuate.start(request("start"), context(evacuator)) is ExitCode.SUCCESS
    assert evacuator.calls == []


def test_start_replaces_one_that_does_not_answer() -> None:
    evacuator = FakeEvacuator(up=True, silent=True)
    assert nova_evacuate.start(request("start"), context(evacuator)) is ExitCode.SUCCESS
    assert evacuator.calls == ["terminate", "launch 15"]


def test_start_that_fails_says_why() -> None:
    evacuator = FakeEvacuator()
    evacuator.launch_error = "[keystone] names no way to sign in"
    with pytest.raises(ActionError, match="no way to sign in") as failure:
        nova_evacuate.start(request("start"), context(evacuator))
    assert failure.value.code is ExitCode.ERR_GENERIC


def test_stop_asks_and_validates_nothing() -> None:
    evacuator = FakeEvacuator(up=True, silent=True)
    wrong = request("stop", insecure="perhaps")
    assert nova_evacuate.stop(wrong, context(evacuator)) is ExitCode.SUCCESS
    assert evacuator.calls == ["terminate"]


def test_monitor() -> None:
    assert nova_evacuate.monitor(request("monitor"), context(FakeEvacuator())) == 7
    assert nova_evacuate.monitor(request("monitor"), context(FakeEvacuator(up=True))) == 0


def test_monitor_of_one_that_does_not_answer_or_turn() -> None:
    silent = FakeEvacuator(up=True, silent=True)
    with pytest.raises(ActionError, match="does not answer"):
        nova_evacuate.monitor(request("monitor"), context(silent))
    hung = FakeEvacuator(up=True)
    hung.answers["health"]["turn_age"] = HUNG_AFTER + 1
    with pytest.raises(ActionError, match="hangs"):
        nova_evacuate.monitor(request("monitor"), context(hung))


@pytest.mark.parametrize(
    ("ok", "level", "code"),
    [
        (False, 0, ExitCode.SUCCESS),
        (False, 10, ExitCode.DEGRADED),
        (None, 10, ExitCode.SUCCESS),
        (True, 10, ExitCode.SUCCESS),
    ],
)
def test_a_nova_that_does_not_answer_is_no_failure(ok, level: int, code: ExitCode) -> None:
    evacuator = FakeEvacuator(up=True)
    evacuator.answers["health"]["nova"] = {"ok": ok, "problem": "connection refused"}
    around = context(evacuator)
    assert nova_evacuate.monitor(request("monitor", level), around) is code
    assert ("connection refused" in around.stderr.getvalue()) is (code is ExitCode.DEGRADED)


def test_force_check_shows_the_hosts() -> None:
    evacuator = FakeEvacuator(up=True)
    evacuator.answers["status"] = {
        "hosts": [{"node": "compute-1", "state": "running", "settled": 3, "total": 12}]
    }
    around = context(evacuator)
    nova_evacuate.monitor(request("monitor", by_hand=True), around)
    shown = around.stdout.getvalue()
    assert shown.rstrip().endswith("3 of 12 instances settled")
    assert shown.split()[:2] == ["compute-1", "running"]


def test_force_check_falls_back_to_the_records() -> None:
    evacuator = FakeEvacuator(up=True)
    del evacuator.answers["status"]
    around = context(evacuator, FakeCluster(compute_1=running("compute-1")))
    nova_evacuate.monitor(request("monitor", by_hand=True), around)
    assert around.stdout.getvalue().split() == ["compute-1", "running"]


def test_pacemakers_own_monitor_prints_nothing() -> None:
    around = context(FakeEvacuator(up=True))
    nova_evacuate.monitor(request("monitor"), around)
    assert around.stdout.getvalue() == ""


def test_validation_signs_in_at_level_10_only() -> None:
    asked: list[object] = []
    around = Context(io.StringIO(), io.StringIO(), FakeEvacuator(), FakeCluster(), asked.append)
    nova_evacuate.validate_all(request("validate-all", username="u"), around)
    assert asked == []
    nova_evacuate.validate_all(request("validate-all", 10, username="u"), around)
    assert asked == [{"username": "u"}]
