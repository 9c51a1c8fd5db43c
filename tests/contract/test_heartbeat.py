"""A monitor of depth 10 of a nova-compute that runs: whatever is wrong beyond it is no failure.

A failure has Pacemaker restart nova-compute, and where that does not work fence the host: on every
host at once when it is Keystone that is away.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import test_ocf_agents
from tests.contract.conftest import ROOT
from tests.unit.nova import test_compute

OK, DEGRADED = 0, 190
UNASKED = "ocf-exit-reason:Nova cannot be asked about this host: "

direct = test_ocf_agents.direct
api = test_compute.api


@pytest.fixture
def deep(direct, tmp_path: Path):
    """A recurring monitor of depth 10; endpoint: where Nova is said to be."""
    assert direct("start").returncode == OK

    def run(endpoint: str, timeout: int = 20) -> subprocess.CompletedProcess[str]:
        conf = tmp_path / "novaha.conf"
        conf.write_text(f"[keystone]\nauth_type = none\nendpoint = {endpoint}\n")
        conf.chmod(0o640)
        return direct("monitor", **settings(conf, timeout))

    return run


def settings(conf: Path, timeout: int) -> dict[str, str]:
    return {
        "OCF_CHECK_LEVEL": "10",
        "OCF_RESKEY_CRM_meta_interval": "60000",
        "OCF_RESKEY_CRM_meta_timeout": f"{timeout}000",
        "OCF_RESKEY_novaha_config": str(conf),
    }


@pytest.fixture
def hung() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v2.1"


def test_what_nova_says_of_the_host(deep, api) -> None:
    done = deep(f"http://127.0.0.1:{api.server_port}/v2.1", timeout=120)
    reason = "ocf-exit-reason:nova-compute runs, but compute-1 is forced down in Nova\n"
    assert (done.returncode, done.stderr) == (DEGRADED, reason)


def test_a_host_in_recovery_is_not_asked_about(deep, api, execute) -> None:
    execute(test_ocf_agents.FENCE, "-o", "off", "-n", "compute-1")
    done = deep(f"http://127.0.0.1:{api.server_port}/v2.1")
    assert (done.returncode, done.stderr, api.asked) == (OK, "", [])


def test_nova_is_not_there(deep) -> None:
    done = deep("http://127.0.0.1:9/v2.1")
    assert done.returncode == DEGRADED
    assert done.stderr.startswith(UNASKED)


def test_nova_hangs(deep, hung: str) -> None:
    done = deep(hung, timeout=9)
    assert (done.returncode, done.stderr) == (DEGRADED, f"{UNASKED}no answer within 3 s\n")


def test_the_cluster_does_not_answer(deep, cib) -> None:
    cib.write_text("nonsense")
    done = deep("http://127.0.0.1:9/v2.1")
    assert done.returncode == DEGRADED
    assert "cibadmin" in done.stderr


def test_the_record_makes_no_sense(deep, execute, cib) -> None:
    execute(test_ocf_agents.FENCE, "-o", "off", "-n", "compute-1")
    cib.write_text(cib.read_text().replace('value="pending"', 'value="gibberish"'))
    done = deep("http://127.0.0.1:9/v2.1")
    assert done.returncode == DEGRADED
    assert "gibberish" in done.stderr


SILENT = """
import socket, subprocess, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
sys.exit(subprocess.run(sys.argv[1:], timeout=60).returncode)
"""

OWN_NETWORK = """
ip link set lo up
mount --make-rprivate /
mount --bind "$1" /etc/resolv.conf
shift
exec "$@"
"""


def test_the_name_server_is_silent(deep, direct, environment, tmp_path: Path) -> None:
    """It may be so for minutes, and whoever waits for it hears no signal."""
    deep("http://nova.example.org/v2.1")  # writes the file
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    running = {
        "OCF_RESKEY_binary": str(tmp_path / "nova-compute"),
        "OCF_RESKEY_log": str(tmp_path / "log" / "nova-compute.log"),
        "OCF_RESOURCE_INSTANCE": "nova-compute:0",
    }
    done = subprocess.run(
        [
            *("unshare", "--net", "--mount", "sh", "-ec", OWN_NETWORK, "sh", str(resolv)),
            *(sys.executable, "-c", SILENT),
            *(sys.executable, str(ROOT / test_ocf_agents.COMPUTE), "monitor"),
        ],
        env={**environment, **running, **settings(tmp_path / "novaha.conf", 9)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (DEGRADED, f"{UNASKED}no answer within 3 s\n")
