"""What `novaha migrate` finds in each form of an older cluster, and what it would change."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from novaha.cli import configuration, main
from novaha.cli.configuration import Configuration
from novaha.cli.install import Directories
from novaha.cli.migrate import command, older, people
from novaha.cli.migrate.older import Older
from novaha.cli.migrate.plan import NothingOlderError, Part, plan
from novaha.cli.steps import LayoutError, Wanted
from tests.unit.cli.migrate import forms

UNIT = {"unit": "tripleo_nova_compute"}


def read(text: str) -> tuple[Configuration, Older]:
    root = etree.fromstring(text)
    known = {str(n.get("uname")): n.get("type") or "member" for n in root.iterfind(".//node")}
    now = configuration.read(root, known)
    return now, older.read(root, now)


def parts(text: str, **parameters: str) -> dict[str, Part]:
    return {part.title: part for part in plan(*read(text), Wanted(compute=parameters))}


def commands(part: Part) -> list[str]:
    return [" ".join(step.argv) for step in part.steps]


def test_red_hats_form() -> None:
    found = parts(forms.RED_HAT)
    assert list(found) == ["hold", "unfencing", "recovery", "older things"]
    wait, unit = "nova-compute-checkevacuate-clone", "nova-compute-clone"
    rules = [
        "rule resource-discovery=never score=-INFINITY osprole ne compute",
        "rule resource-discovery=never score=0 osprole eq compute",
        "rule score=-INFINITY novaha-hold eq true",
    ]
    assert commands(found["hold"]) == [
        "constraint delete order-nova-compute-clone-nova-evacuate-mandatory",
        f"constraint delete location-{wait}",
        f"constraint delete location-{unit}",
        *(f"constraint location {wait} {rule}" for rule in rules),
        *(f"constraint location {unit} {rule}" for rule in rules),
    ]
    recovery = commands(found["recovery"])
    assert not [c for c in recovery if c.startswith(("resource create", "stonith level"))]
    assert "resource op delete nova-evacuate-monitor-interval-60s" in recovery
    assert "resource op add nova-evacuate monitor interval=10s timeout=20s" in recovery
    assert "resource meta nova-compute-checkevacuate failure-timeout=60s" in recovery
    assert commands(found["unfencing"]) == [
        "resource delete compute-unfence-trigger",
        "stonith meta fence-nova provides=",
    ]
    assert commands(found["older things"]) == [
        "stonith update fence-nova auth-url= login= passwd= tenant-name= record-only=",
    ]


@pytest.mark.parametrize("form", forms.FORMS)
def test_the_fence_device_is_not_changed_while_it_promises_unfencing(form: str) -> None:
    """Pacemaker would unfence every host anew, and restart nova-compute (measured)."""
    titles = list(found := parts(forms.FORMS[form], **UNIT))
    for title in titles[: titles.index("unfencing") + 1] if "unfencing" in titles else ():
        assert not [c for c in commands(found[title]) if c.startswith("stonith update")]


def test_directors_form_needs_to_know_how_nova_compute_is_started() -> None:
    with pytest.raises(LayoutError, match="--compute-option unit=tripleo_nova_compute"):
        parts(forms.DIRECTOR)
    found = parts(forms.DIRECTOR, **UNIT)
    created = [c for c in commands(found["recovery"]) if c.startswith("resource create")]
    assert [c.split(" op ")[0] for c in created] == [
        "resource create nova-compute ocf:openstack:NovaCompute unit=tripleo_nova_compute"
    ]
    roles = [c for c in commands(found["hold"]) if "galera" in c]
    assert roles == [], "the containers of a bundle are no compute nodes"


def test_suses_form_keeps_the_group() -> None:
    found = parts(forms.SUSE)
    assert (
        commands(found["hold"])[0]
        == "constraint delete order-cl-g-nova-compute-nova-evacuate-mandatory"
    )
    assert [c for c in commands(found["hold"]) if "novaha-hold" in c] == [
        "constraint location cl-g-nova-compute rule score=-INFINITY novaha-hold eq true"
    ]
    every = [c for part in found.values() for c in commands(part)]
    assert not [c for c in every if " create nova" in c or " clone " in c]
    (update,) = (c for c in commands(found["older things"]) if c.startswith("stonith update"))
    assert "debug=" not in update
    assert "domain=" not in update


def test_fence_evacuate_is_no_power_device() -> None:
    found = parts(forms.FENCE_EVACUATE)
    recovery = commands(found["recovery"])
    assert "stonith level add 1 compute-1 ipmi-compute-1 fence-nova" in recovery
    assert commands(found["older things"]) == ["stonith delete fence-evacuate"]


@pytest.mark.parametrize("form", forms.FORMS)
def test_law_9_no_command_has_a_secret(form: str) -> None:
    for part in parts(forms.FORMS[form], **UNIT).values():
        assert "older-secret" not in str(part)


@pytest.mark.parametrize("form", forms.FORMS)
def test_law_7_the_older_fence_compute_keeps_what_it_needs_until_ours_is_there(form: str) -> None:
    first, *others = parts(forms.FORMS[form], **UNIT).values()
    assert not first.ours
    assert not [c for c in commands(first) if "stonith" in c or "resource" in c.split()[:1]]
    assert all(part.ours for part in others)


def test_nothing_older_is_an_error_that_names_setup() -> None:
    text = forms.cib(forms.nodes({}), forms.remote("compute-1"), "", "")
    with pytest.raises(NothingOlderError, match="novaha setup"):
        parts(text)


def without(text: str, *gone: str) -> str:
    for piece in gone:
        assert piece in text
        text = text.replace(piece, "")
    return text


def test_law_4_a_nova_compute_that_waits_for_nobody_is_in_the_way() -> None:
    text = without(
        forms.RED_HAT,
        forms.order("nova-compute-checkevacuate-clone", "nova-compute-clone", require_all="true"),
    )
    with pytest.raises(LayoutError, match="does not wait for a recovery"):
        parts(text)


def test_a_set_that_stops_the_evacuator_with_nova_compute_is_in_the_way() -> None:
    """With the last host held there would be no evacuator to let it in again."""
    ids = ("cl-g-nova-compute", "nova-evacuate")
    sets = "".join(
        f'<resource_set id="s-{name}"><resource_ref id="{name}"/></resource_set>' for name in ids
    )
    text = forms.SUSE.replace(
        "</constraints>", f'<rsc_order id="o-all">{sets}</rsc_order></constraints>'
    )
    with pytest.raises(LayoutError, match="o-all"):
        parts(text)


def test_a_cloned_evacuator_is_in_the_way() -> None:
    inside = forms.primitive("nova-evacuate", "ocf:openstack:NovaEvacuate", forms.CREDENTIALS)
    text = forms.cib(
        forms.nodes({"compute-1": ("osprole", "compute")}),
        forms.remote("compute-1") + forms.ipmi("compute-1") + forms.clone("e-clone", inside),
        "",
        "",
    )
    with pytest.raises(LayoutError, match="pcs resource unclone nova-evacuate"):
        parts(text, **UNIT)


def by_hand(text: str, *, ours: bool) -> list[str]:
    found = people.steps(*read(text), ours=ours, wanted=UNIT)
    return [f"{s.when} | {s.where} | {s.what} | {' && '.join(s.commands)}" for s in found]


def said(text: str, what: str, *, ours: bool = True) -> str:
    (line,) = (line for line in by_hand(text, ours=ours) if what in line)
    return line


def test_the_agents_are_replaced_on_compute_hosts_before_controllers() -> None:
    lines = [line for line in by_hand(forms.SUSE, ours=False) if "install-agents" in line]
    assert "every compute host" in lines[0]
    assert "pkill -TERM -x nova-compute" in lines[0]
    assert "the one that runs the evacuator last" in lines[1]
    assert not [line for line in by_hand(forms.SUSE, ours=True) if "install-agents" in line]


def test_novas_names_of_nodes_are_told() -> None:
    line = said(forms.SUSE, "host_names")
    assert "host_names = remote-d52-1:d52-1,remote-d52-2:d52-2" in line
    assert not [line for line in by_hand(forms.RED_HAT, ours=True) if "host_names" in line]


@pytest.mark.parametrize("form", forms.FORMS)
def test_masakaris_monitors_are_named(form: str) -> None:
    assert "masakari-hostmonitor" in said(forms.FORMS[form], "Masakari")


def test_a_resource_of_masakaris_is_named() -> None:
    text = forms.RED_HAT.replace(
        "</resources>", forms.primitive("mon", "systemd:masakari-hostmonitor") + "</resources>"
    )
    assert "pcs resource disable mon" in said(text, "Masakari")


def test_directors_wrapper_would_wait_for_what_waits_for_it() -> None:
    line = said(forms.DIRECTOR, "wrapper")
    assert "rm -f /var/lib/nova/instanceha/enabled" in line
    assert "systemctl disable tripleo_nova_compute" in line


def test_law_9_secrets_that_stay_are_told() -> None:
    assert "unfence-20.conf" in said(forms.RED_HAT, "in the clear")
    assert "restarts" not in said(forms.RED_HAT, "credentials of nova-evacuate")
    assert "restarts nova-compute" in said(forms.SUSE, "credentials of nova-compute out")
    assert not [x for f in forms.FORMS.values() for x in by_hand(f, ours=False) if "-secret" in x]


def printed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ours: bool,
    *words: str,
) -> str:
    root = etree.fromstring(forms.RED_HAT)
    monkeypatch.setattr(command, "query", lambda run, path: iter([root]))
    monkeypatch.setattr(command, "known_nodes", lambda run: dict.fromkeys(forms.HOSTS, "remote"))
    monkeypatch.setattr(command.setup, "pcs_version", lambda run: (0, 11))
    monkeypatch.setattr(command, "agents_are_ours", lambda *, brake: ours)
    assert main.main(["migrate", *words]) == 0
    return capsys.readouterr().out


def test_what_needs_our_agents_is_no_command_of_the_script_before_they_are_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The older fence_compute would fence nobody any more without its credentials."""
    lines = printed(monkeypatch, capsys, ours=False).splitlines()
    run = [line for line in lines if line and not line.startswith("#")]
    assert run[0] == "set -e"
    assert not [line for line in run if "stonith" in line]
    assert [line for line in lines if line.startswith("# pcs") and "stonith update" in line]
    order = [n for n, line in enumerate(lines) if "cib-push" in line or "install-agents" in line]
    assert "cib-push" in lines[order[0]]
    assert "install-agents" in lines[order[1]]


def test_with_our_agents_all_of_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(monkeypatch, capsys, ours=True).splitlines()
    assert len([line for line in lines if line.startswith("pcs cluster cib-push ")]) == 4
    assert not [line for line in lines if "install-agents" in line]


@pytest.mark.parametrize("form", forms.FORMS)
def test_law_10_the_brake_comes_with_it_where_it_is_wanted(form: str) -> None:
    now, found = read(forms.FORMS[form])
    wanted = Wanted(compute=UNIT, brake=True, brake_options={"limit": "20%"})
    braked = {part.title: part for part in plan(now, found, wanted)}
    plain = {part.title: part for part in plan(now, found, Wanted(compute=UNIT))}
    assert not [c for part in plain.values() for c in commands(part) if "brake" in c]
    assert list(braked) == list(plain)
    for title in plain.keys() - {"recovery"}:
        assert commands(braked[title]) == commands(plain[title])
    recovery = commands(braked["recovery"])
    (created,) = [c for c in recovery if c.startswith("stonith create nova-brake ")]
    assert "fence_heuristics_compute" in created
    assert "limit=20%" in created
    added = [c.split() for c in recovery if c.startswith("stonith level add ")]
    assert {words[4] for words in added} == set(found.computes or now.computes())
    for words in added:
        assert words[5] == "nova-brake"
        assert recovery.index(created) < recovery.index(" ".join(words))


def test_law_10_migrate_brings_the_brake_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], ["--brake-option", "limit=20%"]):
        lines = printed(monkeypatch, capsys, True, *words).splitlines()
        (created,) = [line for line in lines if "stonith create nova-brake" in line]
        assert created.startswith("pcs -f ")
        assert ("limit=20%" in created) is bool(words)
    lines = printed(monkeypatch, capsys, True, "--no-brake").splitlines()
    assert not [line for line in lines if "nova-brake" in line]
    lines = printed(monkeypatch, capsys, False).splitlines()
    assert not [line for line in lines if "nova-brake" in line and not line.startswith("#")]


def test_a_level_is_not_begun_with_an_agent_that_is_not_there(tmp_path: Path) -> None:
    directories = Directories(tmp_path / "ocf", tmp_path / "sbin", tmp_path / "alerts")
    places = directories.targets()
    for name in command._REPLACED:
        places[name].parent.mkdir(parents=True, exist_ok=True)
        places[name].write_bytes(b"#!/usr/bin/python3 -I\n# novaha: an agent\n")
        places[name].chmod(0o755)
    assert command.agents_are_ours(directories)
    assert not command.agents_are_ours(directories, brake=True)
    brake = places["fence_agents/fence_heuristics_compute"]
    brake.write_bytes(b"#!/usr/bin/python3 -I\n# novaha: an agent\n")
    brake.chmod(0o755)
    assert command.agents_are_ours(directories, brake=True)
