"""This node: sound as a controller and as a compute node, and each thing broken by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from novaha import __version__
from novaha.agents.evacuator_user import Choice
from novaha.cli.doctor import node as checks
from novaha.cli.doctor.finding import Check, Verdict
from novaha.cli.doctor.installed import AgentState, Installed, inspect
from novaha.cli.doctor.node import NODE, ConfFile, Node, NovaConf, Python
from novaha.cli.doctor.secrecy import CoreDumps, SecretFile
from novaha.cli.packages import LIBRARY, Packages
from novaha.contract.ocf import ExitCode
from novaha.evacuator.identity import Identity
from tests.unit.cli.doctor.sites import only

OWN = Identity("novaha", 901, 901, (901, 903))
PYTHON = "/opt/novaha/bin/python3"
CONF = ConfFile("/etc/novaha/novaha.conf", "root", "haclient", 0o640)
NOVA_CONF = NovaConf("/etc/nova/nova.conf", "compute-1.example.org", True)
BASE = Node(
    agents={Path("/usr/sbin/fence_compute"): Installed(AgentState.CURRENT, PYTHON)},
    pythons={PYTHON: Python(__version__)},
    conf_path=CONF.path,
    load=1.0,
    cores=2,
)
CONTROLLER = replace(
    BASE,
    name="controller-1",
    controller=True,
    alerts={"/x/novaha_alert": ""},
    conf=CONF,
    secret_files=(SecretFile(CONF.path), SecretFile("/etc/openstack/clouds.yaml", mode=0o640)),
    core_dumps=CoreDumps("core", 0),
    choice=Choice(OWN),
)
COMPUTE = replace(BASE, name="compute-1", compute=True, nova_conf=NOVA_CONF)

ON_CONTROLLERS = {"alert-file", "load", "novaha.conf-options", "secret-files", "core-dumps"}
ON_COMPUTES = {"boot", "nova-host", "resume-guests"}


@pytest.mark.parametrize("check", NODE, ids=lambda c: c.name)
def test_a_sound_node_has_no_trouble(check: Check[Node]) -> None:
    """What says nothing of a node of this kind says that it was not checked."""
    for node, others in ((CONTROLLER, ON_COMPUTES), (COMPUTE, ON_CONTROLLERS)):
        found = list(check.look(node))
        if check.name in others:
            assert [t.verdict for t in found] == [Verdict.NOT_CHECKED]
        else:
            assert found == []


@pytest.mark.parametrize("check", NODE, ids=lambda c: c.name)
def test_nothing_is_wrong_with_a_node_of_which_nobody_knows_what_it_is(check: Check[Node]) -> None:
    assert {t.verdict for t in check.look(BASE)} <= {Verdict.NOT_CHECKED}


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (AgentState.MISSING, Verdict.ERROR),
        (AgentState.FOREIGN, Verdict.ERROR),
        (AgentState.OUTDATED, Verdict.WARNING),
    ],
)
def test_agents(state: AgentState, verdict: Verdict) -> None:
    node = replace(CONTROLLER, agents={Path("/usr/sbin/fence_compute"): Installed(state)})
    found = only(checks.agents(node), verdict)
    assert (found.subject, found.remedy) == ("fence_compute", "novaha install-agents")
    assert "/usr/sbin/fence_compute" in found.detail


def test_a_novaha_without_its_agents() -> None:
    only(checks.agents(replace(CONTROLLER, agents=None)), Verdict.NOT_CHECKED)


@pytest.mark.parametrize(
    ("manager", "agents", "both"),
    [
        (
            "apt",
            "apt-get install --reinstall novaha-agents",
            "apt-get install --reinstall python3-novaha novaha-agents",
        ),
        (
            "dnf",
            "dnf install novaha-agents",
            "dnf install novaha-agents\ndnf reinstall python3-novaha",
        ),
    ],
)
def test_what_came_in_packages_is_mended_by_packages(manager: str, agents: str, both: str) -> None:
    node = replace(CONTROLLER, packages=Packages(manager, frozenset({LIBRARY})))
    for state in (AgentState.MISSING, AgentState.FOREIGN, AgentState.OUTDATED):
        wrong = replace(node, agents={Path("/usr/sbin/fence_compute"): Installed(state)})
        (found,) = checks.agents(wrong)
        assert found.remedy == agents
    (found,) = checks.pythons(replace(node, pythons={}))
    assert found.remedy == agents
    for python in (Python(problem="No module named 'novaha'"), Python("0.0.1")):
        (found,) = checks.pythons(replace(node, pythons={PYTHON: python}))
        assert found.remedy == both
    (found,) = checks.alert_file(replace(node, alerts={"/x/novaha_alert": "it has mode 0700"}))
    assert found.remedy == f"{both}\nsudo -u hacluster /x/novaha_alert"
    (found,) = checks.agents(replace(node, agents=None))
    assert found.remedy in (
        "apt-get install --reinstall python3-novaha",
        "dnf reinstall python3-novaha",
    )


SOURCE = b"#!/usr/bin/env python3\n# novaha: an agent\nmain()\n"


@pytest.mark.parametrize(
    ("content", "mode", "state"),
    [
        (None, 0, AgentState.MISSING),
        (b"#!/bin/sh\n# theirs\n", 0o755, AgentState.FOREIGN),
        (b"\x7fELF", 0o755, AgentState.FOREIGN),
        (b"#!/a/python -I\n# novaha: an agent\nolder()\n", 0o755, AgentState.OUTDATED),
        (b"#!/a/python -I\n# novaha: an agent\nmain()\n", 0o700, AgentState.OUTDATED),
        (b"#!/a/python -I\n# novaha: an agent\nmain()\n", 0o755, AgentState.CURRENT),
    ],
)
def test_what_stands_where_an_agent_should(
    tmp_path: Path, content: bytes | None, mode: int, state: AgentState
) -> None:
    target = tmp_path / "agent"
    if content is not None:
        target.write_bytes(content)
        target.chmod(mode)
    found = inspect(target, SOURCE)
    assert found.state is state
    ours = state in (AgentState.OUTDATED, AgentState.CURRENT)
    assert found.python == ("/a/python" if ours else "")


def test_what_cannot_be_read_is_no_agent(tmp_path: Path) -> None:
    assert inspect(tmp_path, SOURCE).state is AgentState.MISSING


def test_the_agents_python() -> None:
    lost = replace(CONTROLLER, pythons={PYTHON: Python(problem="No module named 'novaha'")})
    found = only(checks.pythons(lost))
    assert (found.subject, found.remedy) == (PYTHON, "novaha install-agents")
    assert "No module named" in found.detail
    older = replace(CONTROLLER, pythons={PYTHON: Python("0.0.1")})
    assert "0.0.1" in only(checks.pythons(older), Verdict.WARNING).detail


def test_an_alert_that_pacemaker_may_not_execute() -> None:
    node = replace(CONTROLLER, alerts={"/x/novaha_alert": "/root has mode 0700"})
    found = only(checks.alert_file(node), Verdict.WARNING)
    assert found.subject == "/x/novaha_alert"
    assert "/root has mode 0700" in found.detail


def test_novaha_conf_is_missing() -> None:
    node = replace(CONTROLLER, conf=None)
    assert only(checks.conf_file(node)).subject == CONF.path
    assert list(checks.conf_file(replace(node, needs_conf=False))) == []


@pytest.mark.parametrize(
    ("owner", "mode", "verdict"),
    [
        ("root", 0o644, Verdict.ERROR),
        ("root", 0o642, Verdict.ERROR),
        ("root", 0o660, Verdict.WARNING),
        ("nova", 0o600, Verdict.WARNING),
    ],
)
def test_law_9_who_reads_and_writes_novaha_conf(owner: str, mode: int, verdict: Verdict) -> None:
    """Also where the file is not needed."""
    conf = replace(CONF, owner=owner, mode=mode)
    found = only(checks.conf_file(replace(COMPUTE, conf=conf)), verdict)
    assert found.remedy == f"chown root:haclient {CONF.path}; chmod 640 {CONF.path}"


CLOUDS = SecretFile("/etc/open stack/clouds.yaml", "root", "haclient", 0o640)


@pytest.mark.parametrize(
    ("changes", "verdict", "said", "remedy"),
    [
        ({"mode": 0o644}, Verdict.ERROR, "every user", "chmod 640 '/etc/open stack/clouds.yaml'"),
        ({"mode": 0o641}, Verdict.ERROR, "every user", "chown root:haclient"),
        ({"mode": 0o660}, Verdict.WARNING, "haclient may change", "chmod 640"),
        ({"owner": "nova"}, Verdict.WARNING, "nova may change", "chown root:haclient"),
        ({"open_above": "/srv/all of it"}, Verdict.ERROR, "written by all", "'/srv/all of it'"),
        ({"problem": "it cannot be looked at"}, Verdict.NOT_CHECKED, "looked at", ""),
    ],
)
def test_law_9_who_gets_at_the_files_that_novaha_conf_leads_to(
    changes: dict[str, object], verdict: Verdict, said: str, remedy: str
) -> None:
    file = replace(CLOUDS, **changes)  # type: ignore[arg-type]
    found = only(checks.secret_files(replace(CONTROLLER, secret_files=(file,))), verdict)
    assert found.subject == file.path
    assert said in found.detail
    assert remedy in found.remedy


def test_novaha_conf_in_a_directory_that_anybody_may_write() -> None:
    """Its own mode is told by the check of its name, once."""
    file = SecretFile(CONF.path, mode=0o777, open_above="/etc/novaha")
    found = only(checks.secret_files(replace(CONTROLLER, secret_files=(file,))))
    assert found.remedy == "chmod o-w /etc/novaha"


@pytest.mark.parametrize(
    ("limit", "size"), [(None, "of any size"), (1, "of 1 bytes"), (10**9, "of 1000000000 bytes")]
)
def test_law_9_a_core_has_the_password_in_it(limit: int | None, size: str) -> None:
    node = replace(CONTROLLER, core_dumps=CoreDumps("|/usr/lib/systemd/systemd-coredump", limit))
    found = only(checks.core_dumps(node), Verdict.WARNING)
    assert size in found.detail
    assert "systemd-coredump" in found.detail
    assert found.remedy == "pcs resource restart nova-evacuate"
    unknown = replace(CONTROLLER, core_dumps=CoreDumps("", limit))
    assert "wherever" in only(checks.core_dumps(unknown), Verdict.WARNING).detail


def test_a_novaha_conf_that_cannot_be_used() -> None:
    node = replace(CONTROLLER, conf=replace(CONF, problem="poll_interval: 'often' is no number"))
    assert "often" in only(checks.conf_file(node)).detail
    only(checks.conf_options(node), Verdict.NOT_CHECKED)


def test_options_that_mean_nothing() -> None:
    node = replace(CONTROLLER, conf=replace(CONF, unknown=("[nova] host_name",)))
    assert "[nova] host_name" in only(checks.conf_options(node), Verdict.WARNING).detail


def test_law_4_nova_compute_that_starts_at_boot() -> None:
    found = only(checks.boot(replace(COMPUTE, boot_units=("nova-compute.service",))))
    assert found.remedy == "systemctl disable nova-compute.service"
    only(checks.boot(replace(COMPUTE, boot_units=None)), Verdict.NOT_CHECKED)
    silent = replace(COMPUTE, boot_problem="systemctl exited with 1")
    assert only(checks.boot(silent), Verdict.NOT_CHECKED).detail == "systemctl exited with 1"


def nova(**changes: object) -> Node:
    return replace(COMPUTE, nova_conf=replace(NOVA_CONF, **changes))  # type: ignore[arg-type]


def test_another_name_in_nova() -> None:
    found = only(checks.host_name(nova(host="hv17")), Verdict.WARNING)
    assert "[nova] host_names = compute-1:hv17" in found.remedy
    known = replace(nova(host="hv17"), host_names={"compute-1": "hv17"})
    assert list(checks.host_name(known)) == []


def test_a_nova_conf_that_cannot_be_read() -> None:
    node = nova(problem="it does not exist")
    only(checks.host_name(node), Verdict.NOT_CHECKED)
    only(checks.resume(node), Verdict.NOT_CHECKED)


def test_guests_that_stay_off_when_their_host_reboots_by_itself() -> None:
    found = only(checks.resume(nova(resumes=False)), Verdict.WARNING)
    assert "resume_guests_state_on_host_boot = true" in found.remedy


def test_a_load_at_which_pacemaker_throttles_itself() -> None:
    busy = replace(CONTROLLER, load=2.0, cores=2)
    assert only(checks.load(busy), Verdict.WARNING).remedy == (
        "pcs property set load-threshold=300%"
    )
    assert list(checks.load(replace(busy, properties={"load-threshold": "150%"}))) == []
    found = only(checks.load(replace(busy, load=12.0)), Verdict.WARNING)
    assert found.remedy.endswith("=700%")


BLOCKED = Choice(None, "", "user novaha cannot read X (chmod a X)", commands=("chmod a X",))
MISSING = Choice(None, "ann", "there is no user 'ann' on this node", ExitCode.ERR_INSTALLED)
UPDATE = "pcs resource update evac user="
RESTART = "pcs resource restart evac"


@pytest.mark.parametrize(
    ("uid", "choice", "detail", "remedy"),
    [
        (0, Choice(OWN), "runs as root, and the user novaha is there", RESTART),
        (0, Choice(acls=True), "runs as root: with enable-acl=true", f"{UPDATE}hacluster"),
        (None, Choice(acls=True), "would run as root here", f"{UPDATE}hacluster"),
        (0, BLOCKED, "runs as root: user novaha cannot read X", f"chmod a X\n{RESTART}"),
        (None, BLOCKED, "would run as root here: user novaha cannot", "chmod a X"),
        (0, Choice(wanted="root"), "its parameter user is root", UPDATE),
        (None, Choice(wanted="root"), "its parameter user is root", UPDATE),
    ],
)
def test_why_the_evacuator_is_root_and_what_changes_that(
    uid: int | None, choice: Choice, detail: str, remedy: str
) -> None:
    """A restart is suggested only where it helps."""
    node = replace(CONTROLLER, evacuator_uid=uid, choice=choice, evacuator="evac")
    found = only(checks.evacuator_user(node), Verdict.WARNING)
    assert detail in found.detail
    assert found.remedy == remedy


@pytest.mark.parametrize(
    ("choice", "remedy"),
    [(MISSING, UPDATE), (replace(BLOCKED, wanted="novaha"), "chmod a X")],
)
@pytest.mark.parametrize("uid", [None, 901])
def test_where_the_evacuator_could_not_start(uid: int | None, choice: Choice, remedy: str) -> None:
    node = replace(CONTROLLER, evacuator_uid=uid, choice=choice, evacuator="evac")
    found = only(checks.evacuator_user(node), Verdict.ERROR)
    assert f"cannot start on this node: {choice.problem}" in found.detail
    assert found.remedy == remedy


@pytest.mark.parametrize(
    ("uid", "choice", "exists"),
    [
        *((901, choice, True) for choice in (Choice(OWN), Choice(acls=True), BLOCKED)),
        (901, Choice(OWN, "hacluster"), False),
        (None, Choice(OWN), True),
        (None, Choice(OWN, "hacluster"), False),
    ],
)
def test_the_evacuator_runs_as_its_own_user(uid: int | None, choice: Choice, exists: bool) -> None:
    node = replace(CONTROLLER, evacuator_uid=uid, choice=choice, own_user=exists)
    assert list(checks.evacuator_user(node)) == []


@pytest.mark.parametrize("uid", [None, 0])
def test_where_there_is_no_such_user_doctor_says_how_it_is_made(uid: int | None) -> None:
    node = replace(CONTROLLER, evacuator_uid=uid, choice=Choice(), own_user=False)
    found = only(checks.evacuator_user(node), Verdict.WARNING)
    assert "runs as root" in found.detail
    assert "install" in found.remedy


def test_who_is_not_root_cannot_tell_whom_it_would_run_as() -> None:
    found = only(checks.evacuator_user(replace(CONTROLLER, choice=None)), Verdict.NOT_CHECKED)
    assert "only root" in found.detail
