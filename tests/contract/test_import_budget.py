"""Start-up is a budget: what runs every few seconds on every node imports next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ALLOWED = {"novaha", "lxml"}

PROBE = """
import json, runpy, sys
path, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = path
before = set(sys.modules)  # what the interpreter's own start has loaded, site-packages' .pth too
try:
    runpy.run_path(path, run_name="__main__")
except SystemExit:
    pass
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print("\\n" + json.dumps(sorted(new - set(sys.stdlib_module_names))))
"""


OWN_RUN = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    """
mount --make-rprivate /
for directory in /run /var/log; do mount -t tmpfs none $directory; done
sed '/^novaha:/d' /etc/passwd >/run/passwd
mount --bind /run/passwd /etc/passwd
exec "$@"
""",
    "sh",
)
"""Where agents leave what they leave. An evacuator stays root: for a user of its own the agent has
to know which files the configuration names."""


def foreign(environment, executable: str, *args: str, **env: str) -> set[str]:
    """The packages outside the standard library that the executable loads."""
    done = subprocess.run(
        [*OWN_RUN, sys.executable, "-c", PROBE, str(ROOT / executable), *args],
        env={**environment, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    # lxml's own runtime, not a package
    return {name for name in loaded if name != "__main__" and "cython" not in name}


@pytest.mark.parametrize(
    "action",
    [
        *("off", "on", "status", "list", "list-status", "monitor"),
        *("metadata", "manpage", "validate-all"),
    ],
)
@pytest.mark.parametrize("agent", ["fence_compute", "fence_heuristics_compute"])
def test_every_action_of_the_fence_agents(environment, agent: str, action: str) -> None:
    loaded = foreign(environment, f"fence_agents/{agent}", "-o", action, "-n", "compute-1")
    assert loaded <= ALLOWED


@pytest.mark.parametrize("agent", ["NovaCompute", "NovaEvacuate", "nova-compute-wait", "libvirtd"])
@pytest.mark.parametrize("action", ["monitor", "stop", "meta-data", "validate-all", "usage"])
def test_cheap_actions_of_the_resource_agents_do_without_lxml(
    environment, agent: str, action: str
) -> None:
    assert foreign(environment, f"ocf/{agent}", action) <= {"novaha"}


@pytest.mark.parametrize("agent", ["NovaCompute", "nova-compute-wait", "libvirtd"])
def test_reload_and_depth_on_a_compute_host(environment, agent: str) -> None:
    assert foreign(environment, f"ocf/{agent}", "reload-agent") <= {"novaha"}
    deep = {"OCF_CHECK_LEVEL": "20", "OCF_RESKEY_CRM_meta_interval": "60000"}
    assert foreign(environment, f"ocf/{agent}", "monitor", **deep) <= {"novaha"}
    by_hand = {"PCMK_service": "crm_resource", "HA_debug": "1"}
    assert foreign(environment, f"ocf/{agent}", "monitor", **by_hand) <= ALLOWED


@pytest.mark.parametrize("agent", ["NovaCompute", "nova-compute-wait", "libvirtd"])
def test_start_on_a_compute_host(environment, agent: str) -> None:
    loaded = foreign(environment, f"ocf/{agent}", "start", OCF_RESKEY_binary="/nonexistent/program")
    assert loaded <= ALLOWED


def test_the_evacuators_agent_leaves_novas_libraries_to_the_evacuator(environment) -> None:
    config = {"OCF_RESKEY_config": "/nonexistent/novaha.conf"}
    loaded = foreign(environment, "ocf/NovaEvacuate", "start", **config)
    assert loaded <= {"novaha"}
    deep = {"OCF_CHECK_LEVEL": "10", "OCF_RESKEY_CRM_meta_interval": "60000"}
    assert foreign(environment, "ocf/NovaEvacuate", "monitor", **deep) <= {"novaha"}


GLANCE = """
import sys
from novaha.agents import glance
assert not glance.all_is_well(["monitor"], {}, "/nonexistent")
print("\\n".join(sorted(sys.modules)))
"""


def test_the_monitor_where_all_is_well_loads_next_to_nothing(environment) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", GLANCE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.split())
    dear = {"collections", "contextlib", "dataclasses", "enum", "json", "pathlib", "re", "socket"}
    assert loaded.isdisjoint(dear | {"logging", "subprocess", "threading", "typing", "lxml"})
