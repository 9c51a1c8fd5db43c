"""Reading: what each tool, file and directory becomes."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from novaha import __version__
from novaha.cli import credentials
from novaha.cli.doctor import reading, records
from novaha.cli.doctor.installed import AgentState
from novaha.cli.install import Directories, install, sources
from novaha.cli.packages import Packages
from novaha.core.errors import ClusterToolError
from novaha.evacuator import client
from novaha.nova.examine import Cloud
from novaha.pacemaker.runner import Result
from tests.unit.cli.doctor.sites import SOUND


class Tools:
    """Pacemaker's tools and systemctl, on a CIB in memory."""

    def __init__(self, cib: str = SOUND, name: str = "controller-1") -> None:
        self.cib = etree.fromstring(cib) if cib else None
        self.name = name
        self.enabled: set[str] = set()
        self.python = __version__
        self.packaged = False
        self.dc = "true"

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        match list(argv):
            case ["cibadmin", "--query", "--xpath", path]:
                if self.cib is None:
                    raise ClusterToolError(argv, 102, "not connected")
                found = self.cib.xpath(path)
                text = b"".join(etree.tostring(e, with_tail=False) for e in found)
                return Result((), 0 if found else 105, b"<xpath-query>%s</xpath-query>" % text, "")
            case ["crm_node", "--name"]:
                if not self.name:
                    raise ClusterToolError(argv, 102, "not connected")
                return Result((), 0, f"{self.name}\n".encode(), "")
            case ["systemctl", "show", _, unit]:
                state = "enabled" if unit in self.enabled else "disabled"
                return Result((), 0, f"UnitFileState={state}\n".encode(), "")
            case [_, "-I", "-c", _]:
                if not self.python:
                    raise ClusterToolError(argv, 1, "Traceback\nModuleNotFoundError: novaha")
                return Result((), 0, f"{self.python}\n".encode(), "")
            case ["dpkg-query", "--search", library, *_]:
                owner = f"python3-novaha: {library}\n" if self.packaged else ""
                return Result((), 1, owner.encode(), "")
            case ["rpm", *_]:
                raise ClusterToolError(argv, 127, "cannot be run")
            case ["crm_mon", *_]:
                text = f'<x><summary><current_dc present="{self.dc}"/></summary></x>'
                return Result((), 0, text.encode(), "")
            case ["stonith_admin", "--history", "*", *_]:
                event = '<fence_event target="compute-1" action="off" status="failed"/>'
                return Result((), 0, f"<x>{event}</x>".encode(), "")
            case ["attrd_updater", *_]:
                return Result((), 0, b'name="evacuate" host="compute-1" value="yes"\n', "")
        raise AssertionError(f"nobody expects {argv}")


def parameter(name: str, value: str, cib: str = SOUND) -> str:
    """A parameter on NovaEvacuate instead of the one that it has."""
    old = '<nvpair id="ei1" name="verbose" value="true"/>'
    return cib.replace(old, f'<nvpair id="ei1" name="{name}" value="{value}"/>')


def site(tools: Tools) -> reading.Site:
    return reading.site(tools)  # type: ignore[arg-type]


def test_what_this_node_is() -> None:
    found = site(Tools())
    assert (found.name, found.controller, found.compute) == ("controller-1", True, False)
    found = site(Tools(name="compute-2"))
    assert (found.controller, found.compute) == (False, True)


def test_a_controller_that_does_not_tell_its_name(monkeypatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "controller-1.example.org")
    assert site(Tools(name="")).name == "controller-1"
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    assert site(Tools(name="")).name == ""


def test_a_cluster_that_cannot_be_read() -> None:
    found = site(Tools(cib=""))
    assert found.cluster is None
    assert "not connected" in found.problem
    assert (found.controller, found.compute, found.kind) == (False, False, "")


def test_what_is_left_of_a_removed_remote_node_is_no_compute_node() -> None:
    gone = SOUND.replace('<primitive id="compute-2" class="ocf"', '<primitive id="x" class="y"')
    found = site(Tools(gone))
    assert found.cluster is not None
    assert found.cluster.now.computes() == ["compute-1"]


def test_the_older_agents_flags() -> None:
    tools = Tools()
    found = site(tools)
    assert found.cluster is not None
    recoveries = reading.recoveries(found, found.cluster, tools)  # type: ignore[arg-type]
    assert recoveries.older == {"compute-1": "yes"}


def test_the_evacuator_of_this_node(monkeypatch) -> None:
    def recoveries():
        found = site(Tools())
        assert found.cluster is not None
        return reading.recoveries(found, found.cluster, Tools())  # type: ignore[arg-type]

    def silent(question: str):
        raise client.EvacuatorError("no answer")

    monkeypatch.setattr(client, "pid", lambda: None)
    assert (recoveries().health, recoveries().health_problem) == (None, "")
    monkeypatch.setattr(client, "pid", lambda: 7)
    monkeypatch.setattr(client, "ask", lambda question: {"asked": question})
    assert recoveries().health == {"asked": "health"}
    monkeypatch.setattr(client, "ask", silent)
    assert (recoveries().health, recoveries().health_problem) == (None, "no answer")


def running(tools: Tools):
    found = site(tools)
    assert found.cluster is not None
    return reading.running(found, found.cluster, tools)  # type: ignore[arg-type]


def test_the_history_of_fencings_is_a_controllers() -> None:
    assert [event.status for event in running(Tools()).fencings] == ["failed"]
    assert running(Tools(name="compute-1")).fencings is None
    assert running(Tools(name="compute-1")).problem == ""


def test_without_a_dc_nobody_is_asked_for_fencings() -> None:
    tools = Tools()
    tools.dc = "false"
    assert running(tools).fencings is None


@pytest.fixture
def directories(tmp_path: Path) -> Directories:
    return Directories(tmp_path / "ocf", tmp_path / "sbin", tmp_path / "alerts")


def node(tools: Tools, directories: Directories):
    return reading.node(site(tools), tools, directories)  # type: ignore[arg-type]


def test_agents_and_their_python(directories: Directories) -> None:
    tools = Tools()
    assert {a.state for a in node(tools, directories).agents.values()} == {AgentState.MISSING}
    list(install(directories, sources(), "/opt/novaha/bin/python3 -I"))
    found = node(tools, directories)
    assert {a.state for a in found.agents.values()} == {AgentState.CURRENT}
    assert found.pythons["/opt/novaha/bin/python3"].version == __version__
    tools.python = ""
    problem = node(tools, directories).pythons["/opt/novaha/bin/python3"].problem
    assert problem == "ModuleNotFoundError: novaha"


def test_whether_it_came_in_a_package(directories: Directories) -> None:
    tools = Tools()
    assert node(tools, directories).packages is None
    tools.packaged = True
    assert node(tools, directories).packages == Packages("apt")


def test_novaha_conf(directories: Directories, tmp_path: Path) -> None:
    file = tmp_path / "novaha.conf"
    tools = Tools(parameter("config", str(file)))
    found = node(tools, directories)
    assert (found.conf, found.conf_path, found.needs_conf) == (None, str(file), True)
    file.write_text("[nova]\nhost_names = compute-1:hv17\nhost_nams = x\n")
    file.chmod(0o640)
    found = node(tools, directories)
    assert found.conf is not None
    assert (found.conf.mode, found.conf.problem) == (0o640, "")
    assert found.conf.unknown == ("[nova] host_nams (is host_names meant?)",)
    assert found.host_names == {"compute-1": "hv17"}
    file.write_text("[evacuator]\npoll_interval = often\n")
    assert "poll_interval" in node(tools, directories).conf.problem


def test_credentials_on_the_resource_need_no_file(directories: Directories) -> None:
    assert not node(Tools(parameter("auth_url", "http://k")), directories).needs_conf


def test_nova_conf_is_that_of_the_resource(directories: Directories, tmp_path: Path) -> None:
    one, two = tmp_path / "nova.conf", tmp_path / "nova-compute.conf"
    head = '<primitive id="nc" class="ocf" provider="openstack" type="NovaCompute">'
    config = f'<nvpair id="k1" name="config" value="{one} {two}"/>'
    cib = SOUND.replace(head, f'{head}<instance_attributes id="k">{config}</instance_attributes>')
    tools = Tools(cib, "compute-1")
    assert "nova.conf" in node(tools, directories).nova_conf.problem
    one.write_text("[DEFAULT]\nhost = first\nresume_guests_state_on_host_boot = True\n")
    two.write_text("[DEFAULT]\nhost = second\n[libvirt]\nvirt_type = kvm\n")
    found = node(tools, directories).nova_conf
    assert (found.host, found.resumes, found.problem) == ("second", True, "")
    two.write_text("[DEFAULT]\nhost = $my_ip\n")
    assert "$my_ip" in node(tools, directories).nova_conf.problem


def test_units_that_systemd_starts(directories: Directories, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "_SYSTEMD", tmp_path)
    tools = Tools(name="compute-1")
    assert node(tools, directories).boot_units == ()
    tools.enabled = {"openstack-nova-compute.service"}
    assert node(tools, directories).boot_units == ("openstack-nova-compute.service",)
    monkeypatch.setattr(reading, "_SYSTEMD", tmp_path / "none")
    assert node(tools, directories).boot_units is None


def outlook(tools: Tools):
    return reading.outlook(site(tools), lambda text: None)


def test_where_there_are_no_credentials_nobody_signs_in(tmp_path: Path) -> None:
    cib = parameter("config", str(tmp_path / "none"))
    found = outlook(Tools(cib, "compute-1"))
    assert (found.cloud, found.problem) == (None, "")
    assert "names no way to sign in" in outlook(Tools(cib)).problem


def test_the_evacuators_own_parameters_sign_in(monkeypatch) -> None:
    login = {"auth_url": "http://k", "username": "u", "password": "lrm://"}
    pairs = "".join(f'<nvpair id="{k}" name="{k}" value="{v}"/>' for k, v in login.items())
    old = '<nvpair id="ei1" name="verbose" value="true"/>'
    tools = Tools(SOUND.replace(old, pairs))
    assert "/evac/password: No such file" in outlook(tools).problem


def test_law_9_a_secret_comes_from_where_pacemaker_keeps_it(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(credentials, "SECRETS", tmp_path)
    (tmp_path / "evac").mkdir()
    (tmp_path / "evac" / "password").write_text("hunter2\n")
    used = {}

    def examine(conf, say):
        used["password"] = conf.keystone.password
        return Cloud(roles=frozenset({"admin"}))

    monkeypatch.setattr("novaha.wiring.examine", examine)
    login = {"auth_url": "http://k", "username": "u", "password": "lrm://"}
    pairs = "".join(f'<nvpair id="{k}" name="{k}" value="{v}"/>' for k, v in login.items())
    old = '<nvpair id="ei1" name="verbose" value="true"/>'
    found = outlook(Tools(SOUND.replace(old, pairs)))
    assert found.problem == ""
    assert found.cloud is not None
    assert used == {"password": "hunter2"}


@pytest.mark.parametrize(
    "pairs",
    [
        '<nvpair id="novaha-compute-1-hold" name="novaha-hold" value="true"/>',
        '<nvpair id="h" name="novaha-hold" value="false"/>',
        '<nvpair id="o" name="novaha-owner" value="controller-1#a"/>',
    ],
)
def test_law_3_a_hold_without_a_record_is_told_with_its_remedy(pairs: str) -> None:
    entry = '<node id="compute-1" uname="compute-1" type="remote">'
    own = f'<instance_attributes id="novaha-compute-1">{pairs}</instance_attributes>'
    tools = Tools(SOUND.replace(entry, entry + own))
    found = site(tools)
    assert found.cluster is not None
    recoveries = reading.recoveries(found, found.cluster, tools)  # type: ignore[arg-type]
    (trouble,) = records.records(recoveries)
    assert (trouble.subject, trouble.remedy) == ("compute-1", "novaha retry compute-1")
    assert "it is held" in trouble.detail
