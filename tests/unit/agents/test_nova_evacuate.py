"""NovaEvacuate: what its process does decides, what Nova does is only shown."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from lxml import etree

from novaha.agents import nova_evacuate
from novaha.agents.nova_evacuate import AGENT, Context
from novaha.agents.runtime import ActionError
from novaha.contract import ocf
from novaha.contract.ocf import ExitCode, Request
from novaha.core.errors import ConfigError
from novaha.evacuator.client import HUNG_AFTER
from tests.unit.agents.fakes import FakeCluster, FakeEvacuator, running


def request(action: str, level: int = 0, by_hand: bool = False, **parameters: str) -> Request:
    environ = {f"OCF_RESKEY_{name}": value for name, value in parameters.items()}
    environ |= {"OCF_RESKEY_CRM_meta_timeout": "30000", "OCF_CHECK_LEVEL": str(level)}
    environ |= {"PCMK_service": "crm_resource"} if by_hand else {}
    return ocf.parse(AGENT, [action], environ)


def context(evacuator: FakeEvacuator, cluster: FakeCluster | None = None) -> Context:
    asked: list[object] = []
    streams = io.StringIO(), io.StringIO()
    return Context(*streams, evacuator, cluster or FakeCluster(), asked.append, asked.append)


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
    ("ok", "silent_for", "level", "code"),
    [
        (False, 3600.0, 0, ExitCode.SUCCESS),
        (False, 3600.0, 10, ExitCode.DEGRADED),
        (False, 5.0, 10, ExitCode.SUCCESS),  # it may be restarting
        (None, 0.0, 10, ExitCode.SUCCESS),
        (True, 0.0, 10, ExitCode.SUCCESS),
    ],
)
def test_a_nova_that_does_not_answer_for_long_is_degraded(ok, silent_for, level, code) -> None:
    evacuator = FakeEvacuator(up=True)
    evacuator.answers["health"]["nova"] = {
        "ok": ok,
        "problem": "connection refused",
        "silent_for": silent_for,
    }
    around = context(evacuator)
    assert nova_evacuate.monitor(request("monitor", level), around) is code
    assert ("connection refused" in around.stderr.getvalue()) is (code is ExitCode.DEGRADED)


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        ({"attention": ["compute-1 is not safe to evacuate"]}, "compute-1 is not safe to evacuate"),
        (
            {"problem": "no CIB", "failing_for": 61.0},
            " UTC (novaha doctor): no CIB",
        ),
        ({"problem": "no CIB", "failing_for": 5.0}, ""),
    ],
)
def test_an_evacuator_that_gets_nowhere_is_degraded(health, reason: str) -> None:
    evacuator = FakeEvacuator(up=True)
    evacuator.answers["health"].update(health)
    around = context(evacuator)
    code = nova_evacuate.monitor(request("monitor", 10), around)
    assert code is (ExitCode.DEGRADED if reason else ExitCode.SUCCESS)
    assert reason in around.stderr.getvalue()


def test_an_evacuator_of_before_an_upgrade_tells_less() -> None:
    evacuator = FakeEvacuator(up=True)
    evacuator.answers["health"] = {"turn_age": 0.5, "nova": {"ok": False, "problem": "refused"}}
    assert nova_evacuate.monitor(request("monitor", 10), context(evacuator)) is ExitCode.DEGRADED


def instances(count: int) -> list[dict[str, str]]:
    return [
        {"id": f"id-{n}", "name": f"vm-{n}", "progress": "waiting", "detail": "no valid host"}
        for n in range(count)
    ]


def test_force_check_shows_the_hosts_and_why_they_wait() -> None:
    evacuator = FakeEvacuator(up=True)
    host = {"node": "compute-1", "state": "running", "settled": 3, "total": 15, "detail": "slow"}
    evacuator.answers["status"] = {"hosts": [{**host, "instances": instances(12)}]}
    evacuator.answers["health"]["attention"] = ["make room"]
    around = context(evacuator)
    assert nova_evacuate.monitor(request("monitor", by_hand=True), around) is ExitCode.DEGRADED
    nova, shown, *rest = around.stdout.getvalue().splitlines()
    assert nova.split() == ["nova", "answers"]
    assert shown.split()[:2] == ["compute-1", "running"]
    assert shown.endswith("3 of 15 instances settled; slow")
    assert rest[0].split(maxsplit=2) == ["vm-0", "waiting", "no valid host"]
    assert rest[10].split() == ["2", "more", "novaha", "status"]
    assert "make room" in around.stderr.getvalue()


def test_force_check_in_xml() -> None:
    around = context(FakeEvacuator(up=True))
    asked = replace(request("monitor", by_hand=True), output_format="xml")
    nova_evacuate.monitor(asked, around)
    items = etree.fromstring(around.stdout.getvalue())
    assert [dict(item.attrib)["state"] for item in items] == ["answers", "none"]


def test_reload_replaces_the_process_and_keeps_one_that_the_parameters_would_end() -> None:
    evacuator = FakeEvacuator(up=True)
    around = context(evacuator)
    assert nova_evacuate.reload_agent(request("reload-agent", verbose="1"), around) == 0
    assert evacuator.calls == ["terminate", "launch 15"]
    assert evacuator.parameters == {"verbose": "1"}

    def wrong(parameters: object) -> None:
        raise ConfigError("no such file")

    evacuator.calls.clear()
    with pytest.raises(ConfigError):
        nova_evacuate.reload_agent(request("reload-agent"), replace(around, check_conf=wrong))
    assert evacuator.calls == []


def test_reload_of_what_does_not_run() -> None:
    with pytest.raises(ActionError) as failure:
        nova_evacuate.reload_agent(request("reload-agent"), context(FakeEvacuator()))
    assert failure.value.code is ExitCode.NOT_RUNNING


def test_force_check_falls_back_to_the_records() -> None:
    evacuator = FakeEvacuator(up=True)
    del evacuator.answers["status"]
    around = context(evacuator, FakeCluster(compute_1=running("compute-1")))
    nova_evacuate.monitor(request("monitor", by_hand=True), around)
    nova, host = around.stdout.getvalue().splitlines()
    assert nova.split() == ["nova", "answers"]
    assert host.split() == ["compute-1", "running", "fenced", "2026-01-01", "00:00:00", "UTC"]


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
