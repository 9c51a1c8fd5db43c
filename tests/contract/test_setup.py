"""`novaha setup` and `install-agents` on the real pcs, and the agents that they put there.

Everything happens in a mount namespace of its own: the machine keeps its own agents.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.contract.namespace import Namespace, library

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]

# Where the agents find Python and the library: readable by everyone, as on an operator's machine.
PLACE = "/mnt"

SANDBOX = """
mount -t tmpfs none {layers}
mkdir {layers}/ocf {layers}/ocf-work {layers}/sbin {layers}/sbin-work
mount -t overlay o -o lowerdir=/usr/lib/ocf,upperdir={layers}/ocf,workdir={layers}/ocf-work \
    /usr/lib/ocf
mount -t overlay o -o lowerdir=/usr/sbin,upperdir={layers}/sbin,workdir={layers}/sbin-work \
    /usr/sbin
mkdir -p /usr/lib/ocf/resource.d/openstack
install -m 755 {agents}/ocf/* /usr/lib/ocf/resource.d/openstack/
install -m 755 {agents}/fence_agents/* /usr/sbin/
for directory in {PLACE} /run /var/log; do mount -t tmpfs -o mode=755 none $directory; done
mkdir /var/log/crmsh
{library}
"""


@pytest.fixture
def sandbox(tmp_path: Path, environment):
    """Run a command where the agents are installed, from this checkout."""
    agents, layers = tmp_path / "agents", tmp_path / "layers"
    layers.mkdir()
    for source in (*ROOT.glob("ocf/*"), *ROOT.glob("fence_agents/*")):
        # crm_resource runs agents without PYTHONPATH
        first = f"#!{PLACE}/venv/bin/python\nimport sys; sys.path.insert(0, {PLACE!r})\n"
        target = agents / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(first + source.read_text())
    script = SANDBOX.format(
        PLACE=PLACE,
        layers=shlex.quote(str(layers)),
        agents=shlex.quote(str(agents)),
        library=library(ROOT, PLACE, "novaha"),
    )
    namespace = Namespace(script, {**environment, "HOME": str(tmp_path)}, tmp_path)
    yield lambda *argv, fails=False: namespace.run(*argv, fails=fails).stdout
    namespace.close()


NOVAHA = (sys.executable, "-m", "novaha.cli.main")

_APPLIED: list[str] = []
"""The cluster of `cib` as `novaha setup --apply` leaves it, once somebody has asked for it."""


@pytest.fixture
def applied(sandbox, cib: Path) -> None:
    """The cluster is set up; the fifteen pcs commands of that run once for all tests."""
    if not _APPLIED:
        sandbox(*NOVAHA, "setup", "--apply")
        _APPLIED.append(cib.read_text())
    cib.write_text(_APPLIED[0])


def test_setup_applies_everything_once(sandbox, query) -> None:
    applied = sandbox(*NOVAHA, "setup", "--apply", "--compute-option", "binary=/opt/nova-compute")
    assert applied.endswith("done: the cluster has the new configuration\n")
    levels = query("//fencing-topology")
    assert 'devices="nova-brake,ipmi-1,fence-nova"' in levels
    assert 'devices="nova-brake,ipmi-2,fence-nova"' in levels
    assert 'name="binary" value="/opt/nova-compute"' in query("//clone")
    assert 'name="interleave"' in query("//clone/meta_attributes")
    assert 'attribute="novaha-hold"' in query("//constraints")
    assert "novaha_alert" in query("//alerts")
    for node in ("compute-1", "compute-2"):
        monitor = query(f"//primitive[@id='{node}']//op[@name='monitor']")
        assert monitor.count("<op ") == 1
        assert 'interval="1s"' in monitor
        assert 'timeout="2s"' in monitor
    again = sandbox(*NOVAHA, "setup", "--apply", "--compute-option", "binary=/opt/nova-compute")
    assert again == "everything is set up: nothing to do\n"


def test_the_brake_comes_unless_told_otherwise_and_stays_then(sandbox, query) -> None:
    """Real pcs: it takes the agent's metadata, the limits, and the levels."""
    sandbox(*NOVAHA, "setup", "--no-brake", "--apply")
    assert "fence_heuristics_compute" not in query("//resources")
    limit = ("--brake-option", "limit=20%,40", "--brake-option", "window=60")
    sandbox(*NOVAHA, "setup", "--apply", *limit)
    levels = query("//fencing-topology")
    assert 'devices="nova-brake,ipmi-1,fence-nova"' in levels
    assert 'devices="nova-brake,ipmi-2,fence-nova"' in levels
    device = query("//primitive[@id='nova-brake']")
    for pair in ('name="limit" value="20%,40"', 'name="window" value="60"'):
        assert pair in device
    for more in ((), ("--no-brake",)):
        told = sandbox(*NOVAHA, "setup", *more, "--apply")
        assert told == "everything is set up: nothing to do\n"
    sandbox(*NOVAHA, "setup", "--remove", "--apply")
    assert 'devices="ipmi-1"' in query("//fencing-topology")
    assert "nova-brake" not in query("//configuration")


def test_a_slow_monitor_of_a_connection_is_replaced(applied, sandbox, cib, query) -> None:
    slow = "op monitor interval=60s timeout=30s start interval=0s timeout=15s"
    sandbox("sh", "-ec", f"pcs -f {cib} resource update compute-1 {slow}")
    assert 'interval="60s"' in query("//primitive[@id='compute-1']")
    sandbox(*NOVAHA, "setup", "--apply")
    operations = query("//primitive[@id='compute-1']/operations")
    assert operations.count('name="monitor"') == 1
    assert 'interval="1s"' in operations
    assert 'timeout="15s"' in operations  # of its start


def test_the_printed_commands_do_the_same(sandbox, tmp_path, cib) -> None:
    script = sandbox(*NOVAHA, "setup")
    assert cib.read_text().count("fence-nova") == 0
    (tmp_path / "setup.sh").write_text(script)
    sandbox("sh", str(tmp_path / "setup.sh"))
    assert sandbox(*NOVAHA, "setup") == "everything is set up: nothing to do\n"


def test_pcs_takes_the_readmes_commands_for_libvirt(applied, sandbox, tmp_path, cib, query) -> None:
    """A depth in the metadata is what makes Pacemaker look for a libvirt that hangs."""
    lines = map(str.strip, (ROOT / "README.md").read_text().splitlines())
    commands = [line for line in lines if line.startswith("pcs ") and "libvirtd" in line]
    assert "ocf:openstack:libvirtd" in commands[0]
    script = [command.replace("pcs ", f"pcs -f {cib} ", 1) for command in commands]
    (tmp_path / "readme.sh").write_text("\n".join(["set -ex", *script]) + "\n")
    sandbox("sh", str(tmp_path / "readme.sh"))
    deep = query("//primitive[@type='libvirtd']//op[instance_attributes]")
    assert 'name="OCF_CHECK_LEVEL" value="10"' in deep
    assert 'on-fail="fence"' in query("//primitive[@type='libvirtd']//op[@name='start']")
    assert 'first="libvirtd-clone"' in query("//constraints")
    assert 'value="Stopped"' not in query("//resources")


def test_a_deeper_check_of_nova_compute_is_the_operators_to_add(
    applied, sandbox, cib, query
) -> None:
    """By the guide's command; setup then has nothing against it."""
    guide = (ROOT / "docs/guide/install.md").read_text()
    (command,) = [line for line in guide.splitlines() if line.startswith("pcs resource op add")]
    deep = "//primitive[@type='NovaCompute']//op[instance_attributes]"
    assert query(deep) == ""
    sandbox(*shlex.split(command.replace("pcs ", f"pcs -f {shlex.quote(str(cib))} ", 1)))
    assert 'name="OCF_CHECK_LEVEL" value="10"' in query(deep)
    assert sandbox(*NOVAHA, "setup") == "everything is set up: nothing to do\n"


def test_law_9_setup_puts_no_password_into_the_cib(sandbox, cib, request) -> None:
    before = cib.read_text()
    for option in ("--evacuate-option", "--compute-option"):
        sandbox(*NOVAHA, "setup", "--apply", option, "password=secret-word", fails=True)
        assert cib.read_text() == before
    request.getfixturevalue("applied")
    assert "passw" not in cib.read_text()
    assert "secret" not in cib.read_text()


def test_setup_lets_a_rack_be_fenced_at_once(sandbox, cib, query) -> None:
    """Unless somebody has decided otherwise: then it is doctor's to warn."""
    before = cib.read_text()
    version = (
        '<crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="v" name="dc-version" value="2.1.5-a3f44794f94"/>{}'
        "</cluster_property_set></crm_config>"
    )
    cib.write_text(before.replace("<crm_config/>", version.format("")))
    assert "several dead hosts are fenced at once" in sandbox(*NOVAHA, "setup", "--apply")
    assert 'value="true"' in query("//crm_config//nvpair[@name='concurrent-fencing']")
    assert sandbox(*NOVAHA, "setup", "--apply") == "everything is set up: nothing to do\n"
    # Decided otherwise: where setup has been, and where it has not.
    pair = query("//crm_config//nvpair[@name='concurrent-fencing']").strip()
    off = pair.replace('value="true"', 'value="false"')
    cib.write_text(cib.read_text().replace(pair, off))
    assert sandbox(*NOVAHA, "setup", "--apply") == "everything is set up: nothing to do\n"
    assert 'value="false"' in query("//crm_config//nvpair[@name='concurrent-fencing']")
    cib.write_text(before.replace("<crm_config/>", version.format(off)))
    assert "concurrent-fencing" not in sandbox(*NOVAHA, "setup")
    assert 'value="false"' in query("//crm_config//nvpair[@name='concurrent-fencing']")
