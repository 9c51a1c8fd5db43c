"""`novaha migrate` with the real pcs, on the configurations that the older agents' guides make.

In a mount namespace of its own, with the agents as `novaha install-agents` puts them.
"""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from lxml import etree

from tests.contract.namespace import Namespace, laid_over, library
from tests.contract.test_doctor import LIVE, NOT_BY_SETUP, examined
from tests.unit.cli.migrate import forms

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]

# Readable by everyone: pcs and Pacemaker's tools run agents' metadata as other users, too.
PLACE = "/mnt"

SANDBOX = """
{laid_over}
mount -t tmpfs -o mode=755 none {PLACE}
{library}
packages=$(echo {PLACE}/venv/lib/python3*/site-packages)
mkdir {layers}/venv {layers}/venv-work
mount -t overlay o \
    -o lowerdir=$packages,upperdir={layers}/venv,workdir={layers}/venv-work $packages
echo {PLACE} >$packages/novaha-test.pth
chmod a+r $packages/novaha-test.pth
{install}
"""

NOVAHA = (f"{PLACE}/venv/bin/python", "-m", "novaha.cli.main")


class Sandbox:
    """Where a cluster's configuration is a file. installed: whether the agents are novaha's."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._directory = directory
        python_path = environment["PYTHONPATH"].replace(str(ROOT), PLACE)
        self._environment = {**environment, "HOME": str(directory), "PYTHONPATH": python_path}
        self._namespace: Namespace | None = None
        self.cib = directory / "cib.xml"
        self.installed = True

    def __call__(self, *argv: str, fails: bool = False) -> str:
        """Run it; what it printed."""
        self._namespace = self._namespace or self._prepared()
        done = self._namespace.run(*argv, fails=fails)
        return done.stderr if fails else done.stdout

    def _prepared(self) -> Namespace:
        layers = self._directory / "layers"
        written = ("/etc", "/usr/lib", "/usr/sbin", "/usr/share", "/var/lib/dpkg")
        install = shlex.join([*NOVAHA, "install-agents"])
        script = SANDBOX.format(
            PLACE=PLACE,
            layers=shlex.quote(str(layers)),
            laid_over=laid_over(layers, *written),
            library=library(ROOT, PLACE, "novaha", "ocf", "fence_agents", "alerts"),
            install=f"cd {PLACE}; {install} >&2" if self.installed else "",
        )
        return Namespace(script, self._environment, self._directory)

    def close(self) -> None:
        if self._namespace:
            self._namespace.close()

    def configured(self) -> bytes:
        """The configuration, whatever its version."""
        return etree.tostring(etree.parse(self.cib).find("configuration"), method="c14n")


@pytest.fixture
def sandbox(tmp_path: Path, environment: dict[str, str]) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path, environment)
    yield sandbox
    sandbox.close()


@pytest.fixture(params=forms.FORMS)
def form(request: pytest.FixtureRequest, sandbox: Sandbox) -> tuple[str, ...]:
    """A cluster of each form; the options that its migration needs."""
    sandbox.cib.write_text(forms.FORMS[request.param])
    # As cibadmin writes it.
    sandbox("cibadmin", "--modify", "--allow-create", "--xml-text", "<tags/>", "--scope", "tags")
    return forms.OPTIONS.get(request.param, ())


def simulated(cib: Path, status: etree._Element | None, file: Path) -> None:
    """Write the CIB for crm_simulate, with a status, or else with two idle controllers."""
    root = etree.parse(cib).getroot()
    root.attrib.update({"have-quorum": "1", "dc-uuid": "1"})
    # That a node was unfenced cannot be simulated.
    for pair in root.xpath("//nvpair[@value='unfencing']"):
        pair.getparent().remove(pair)
    if status is None:
        status = etree.Element("status")
        for number in ("1", "2"):
            state = {"id": number, "uname": f"controller-{number}", "join": "member"}
            up = {"in_ccm": "true", "crmd": "online", "expected": "member"}
            etree.SubElement(status, "node_state", state | up)
    root.replace(root.find("status"), status)
    file.write_bytes(etree.tostring(root))


def settled(cib: Path, file: Path) -> etree._Element:
    """The status once everything runs that this configuration wants, by Pacemaker's scheduler."""
    simulated(cib, None, file)
    for _ in range(10):
        if not transition(file):
            return etree.parse(file).find("status")
    raise AssertionError("it does not settle")


def transition(cib: Path) -> list[str]:
    """What Pacemaker's scheduler would do, as `Restart nova-compute:0`; done to the status."""
    done = subprocess.run(
        ["crm_simulate", "--xml-file", str(cib), "--simulate", "--save-output", str(cib)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = done.stdout.partition("Transition Summary:\n")[2].splitlines()
    summary = itertools.takewhile(str.strip, lines)
    return [" ".join(line.split()[1:3]) for line in summary]


def assert_harmless(status: etree._Element, parts: Sequence[tuple[str, Path]]) -> None:
    """By the real scheduler: a start of what runs already does nothing, all else would.

    status: before the first part. parts: their titles, and the CIB after each.
    """
    for title, file in parts:
        simulated(file, status, file)
        # Fence devices run on controllers; the scheduler may spread them anew.
        devices = etree.parse(file).xpath("//primitive[@class='stonith']/@id")
        harmless = {*devices, "compute-unfence-trigger", "fence-evacuate"}
        harm = [
            action
            for action in transition(file)
            if not action.startswith("Start ")
            and action.split()[1].partition(":")[0] not in harmless
        ]
        assert harm == [], title
        status = etree.parse(file).find("status")


# The real pcs; what the cluster has after each part is kept.
PCS = """\
#!/bin/sh
/usr/sbin/pcs "$@" || exit
case "$1 $2" in "cluster cib-push")
    set -- {parts}/*.xml
    [ -e "$1" ] || shift
    cp "$CIB_file" "{parts}/part-$#.xml" ;;
esac
"""


def test_from_each_form_to_a_healthy_cluster_and_back(
    sandbox: Sandbox, form: tuple[str, ...], tmp_path: Path
) -> None:
    """And no part of it stops or restarts anything on a compute host."""
    before = sandbox.configured()
    status = settled(sandbox.cib, tmp_path / "simulated.xml")
    document = json.loads(sandbox(*NOVAHA, "migrate", "--output", "json", *form))
    (parts := tmp_path / "parts").mkdir()
    (pcs := tmp_path / "bin" / "pcs").write_text(PCS.format(parts=parts))
    pcs.chmod(0o755)
    kept = str(tmp_path / "kept.xml")
    done = sandbox(*NOVAHA, "migrate", "--apply", "--save", kept, *form)
    assert f"to go back: novaha migrate --back {kept} --apply" in done
    assert (tmp_path / "kept.xml").stat().st_mode & 0o7777 == 0o600
    titles = [part["title"] for part in document["parts"]]
    files = [parts / f"part-{number}.xml" for number in range(len(titles))]
    assert sorted(parts.iterdir()) == files
    assert_harmless(status, list(zip(titles, files, strict=True)))

    found = examined(sandbox)
    assert {f["check"] for f in found.get("warning", ())} <= {*NOT_BY_SETUP, "secrets"}
    assert {f["check"] for f in found["not checked"]} <= LIVE
    text = sandbox.cib.read_text()
    for gone in ("unfencing", "fence_evacuate", "record-only", "passwd"):
        assert gone not in text

    after = sandbox.configured()
    assert (
        sandbox(*NOVAHA, "migrate", "--apply", *form) == "everything is migrated: nothing to do\n"
    )
    assert sandbox.configured() == after
    assert sandbox(*NOVAHA, "setup") == "everything is set up: nothing to do\n"

    shown = sandbox(*NOVAHA, "migrate", "--back", kept)
    assert "<diff" in shown
    assert sandbox.configured() == after
    sandbox(*NOVAHA, "migrate", "--back", kept, "--apply")
    assert sandbox.configured() == before
    again = sandbox(*NOVAHA, "migrate", "--back", kept, "--apply")
    assert again == "the configuration is as it was: nothing to do\n"


def test_law_10_with_the_brake_each_level_begins_with_it(
    sandbox: Sandbox, form: tuple[str, ...], tmp_path: Path
) -> None:
    before, kept = sandbox.configured(), str(tmp_path / "kept.xml")
    braked = (*form, "--brake-option", "limit=20%")
    sandbox(*NOVAHA, "migrate", "--apply", "--save", kept, *braked)
    root = etree.parse(sandbox.cib)
    (brake,) = root.xpath("//primitive[@type='fence_heuristics_compute']")
    assert brake.xpath("instance_attributes/nvpair[@name='limit']/@value") == ["20%"]
    levels = [set(level.split(",")) for level in root.xpath("//fencing-level/@devices")]
    firsts = [level.split(",")[0] for level in root.xpath("//fencing-level/@devices")]
    assert firsts
    assert set(firsts) == {brake.get("id")}
    assert all(len(level) >= 3 for level in levels)
    found = examined(sandbox)
    assert {f["check"] for f in found.get("warning", ())} <= {*NOT_BY_SETUP, "secrets"}
    for words in (("migrate", "--apply", *braked), ("migrate", "--apply", *form)):
        assert sandbox(*NOVAHA, *words) == "everything is migrated: nothing to do\n"
    assert sandbox(*NOVAHA, "setup") == "everything is set up: nothing to do\n"
    sandbox(*NOVAHA, "migrate", "--back", kept, "--apply")
    assert sandbox.configured() == before


def test_the_printed_script_does_the_same(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.cib.write_text(forms.FENCE_EVACUATE)
    before = sandbox.configured()
    script = sandbox(*NOVAHA, "migrate")
    assert sandbox.configured() == before
    (tmp_path / "migrate.sh").write_text(script)
    sandbox("sh", str(tmp_path / "migrate.sh"))
    assert sandbox(*NOVAHA, "migrate") == "everything is migrated: nothing to do\n"


def test_without_our_agents_only_what_the_older_ones_can_do_with_is_done(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Their fence_compute fails without its credentials: no host would be fenced."""
    sandbox.cib.write_text(forms.SUSE)
    sandbox.installed = False
    done = sandbox(*NOVAHA, "migrate", "--apply", "--save", str(tmp_path / "kept"))
    assert "novaha install-agents" in done
    assert "run this command again" in done
    plain = etree.XMLParser(remove_blank_text=True)
    older, now = etree.fromstring(forms.SUSE, plain), etree.parse(sandbox.cib, plain)
    for path in (".//resources", ".//fencing-topology"):
        left, before = now.find(path), older.find(path)
        assert etree.tostring(left, method="c14n") == etree.tostring(before, method="c14n"), path
    assert now.find(".//alerts/alert") is None
    assert 'attribute="novaha-hold"' in sandbox.cib.read_text()


def test_law_3_no_way_back_while_a_host_is_in_recovery(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.cib.write_text(forms.RED_HAT)
    kept = str(tmp_path / "kept.xml")
    sandbox(*NOVAHA, "migrate", "--apply", "--save", kept)
    sandbox("sh", "-c", "printf 'action=off\\nplug=compute-1\\n' | fence_compute")
    flagged = sandbox.configured()
    said = sandbox(*NOVAHA, "migrate", "--back", kept, "--apply", fails=True)
    assert "compute-1 is in recovery" in said
    assert sandbox.configured() == flagged


def test_law_9_what_is_kept_overwrites_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.cib.write_text(forms.RED_HAT)
    before = sandbox.configured()
    (tmp_path / "kept.xml").write_text("something else")
    said = sandbox(*NOVAHA, "migrate", "--apply", "--save", str(tmp_path / "kept.xml"), fails=True)
    assert "nothing was changed" in said
    assert (tmp_path / "kept.xml").read_text() == "something else"
    assert sandbox.configured() == before


def test_json_says_everything(sandbox: Sandbox) -> None:
    sandbox.cib.write_text(forms.SUSE)
    document = json.loads(sandbox(*NOVAHA, "migrate", "--output", "json"))
    assert document["version"] == 1
    assert document["found"] == [
        "nova-evacuate (ocf:openstack:NovaEvacuate)",
        "nova-compute (ocf:openstack:NovaCompute)",
        "fence-nova (stonith:fence_compute)",
    ]
    assert [(p["title"], p["needs_agents"], p["applied"]) for p in document["parts"]] == [
        ("hold", False, False),
        ("recovery", True, False),
        ("older things", True, False),
    ]
    assert all(s["command"][0] == "pcs" for p in document["parts"] for s in p["steps"])
    assert "older-secret" not in json.dumps(document)
    assert document["kept"] is None
