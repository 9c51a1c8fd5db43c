"""`novaha doctor` on what the real pcs and `novaha setup` make of a CIB in a file."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable

import pytest

import novaha
from tests.contract import test_setup

NOVAHA = (sys.executable, "-m", "novaha.cli.main")

sandbox = test_setup.sandbox
applied = test_setup.applied


NOT_BY_SETUP = {"remote-nodes", "controllers-fencing"}
"""What the CIB of these tests lacks, and setup does not change."""


LIVE = {"pacemaker-version", "quorum", "nodes-online", "running", "fencings", "failed-actions"}
"""Nothing runs in a file."""


def examined(sandbox, *, ill: bool = False) -> dict[str, list[dict[str, str]]]:
    """What doctor says of the cluster's configuration, by verdict."""
    said = sandbox(*NOVAHA, "doctor", "--only", "cluster", "--output", "json", fails=ill)
    found: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(said):
        found.setdefault(finding["verdict"], []).append(finding)
    return found


@pytest.mark.tools
def test_doctor_finds_what_setup_has_not_done_yet_and_then_nothing(sandbox) -> None:
    before = examined(sandbox, ill=True)
    assert {f["check"] for f in before["error"]} == {
        *("fence-device", "nova-evacuate", "nova-compute", "roles"),
    }
    assert {f["remedy"] for f in before["error"] if f["check"] != "roles"} == {
        "novaha setup --apply"
    }
    sandbox(*NOVAHA, "setup", "--apply")
    after = examined(sandbox)
    assert {f["check"] for f in after["warning"]} == NOT_BY_SETUP
    assert {f["check"] for f in after["not checked"]} == LIVE
    assert {"fencing-levels", "hold-rule", "compute-placement"} <= {f["check"] for f in after["ok"]}


def done(sandbox, cib, commands: Iterable[str]) -> None:
    """Run pcs commands on the CIB in the file."""
    script = [
        command.replace("pcs ", f"pcs -f {shlex.quote(str(cib))} ", 1) for command in commands
    ]
    sandbox("sh", "-ec", "\n".join(script))


def remedies(troubles: Iterable[dict[str, str]]) -> list[str]:
    lines = [line for trouble in troubles for line in trouble["remedy"].splitlines()]
    return [line for line in lines if line.startswith("pcs ")]


@pytest.mark.tools
def test_law_1_doctor_finds_a_wrong_order_and_its_remedy_mends_it(applied, sandbox, cib) -> None:
    wrong_order = (
        "pcs stonith level remove 1 target compute-1",
        "pcs stonith level add 1 compute-1 fence-nova ipmi-1",
    )
    done(sandbox, cib, wrong_order)
    (wrong,) = examined(sandbox, ill=True)["error"]
    assert (wrong["check"], wrong["subject"]) == ("fencing-levels", "compute-1")
    done(sandbox, cib, remedies([wrong]))
    assert "error" not in examined(sandbox)


BREAK = (
    "pcs stonith disable ipmi-1",
    "pcs stonith disable fence-nova",
    "pcs resource disable nova-evacuate",
    "pcs resource disable nova-compute-clone",
    "pcs resource unmanage nova-evacuate",
    "pcs resource meta nova-evacuate priority=0 failure-timeout= migration-threshold=",
    "pcs resource update nova-evacuate username=nova password=hunter2",
    "pcs resource update compute-2 reconnect_interval=10s op start timeout=60s",
    "pcs resource update compute-1 op monitor interval=10s timeout=10s",
    "pcs property set concurrent-fencing=false no-quorum-policy=ignore startup-fencing=false",
    "pcs property set maintenance-mode=true",
    "pcs node attribute compute-2 osprole=",
    "pcs resource ban nova-evacuate controller-1",
)


@pytest.mark.tools
def test_doctors_remedies_are_commands_that_pcs_takes_and_that_mend(applied, sandbox, cib) -> None:
    done(sandbox, cib, BREAK)
    found = examined(sandbox, ill=True)
    troubles = [*found["error"], *found["warning"]]
    assert {trouble["check"] for trouble in troubles} == {
        *("power-devices", "fence-device", "nova-evacuate", "nova-compute", "managed"),
        *("resource-options", "secrets", "remote-nodes", "concurrent-fencing", "quorum-policy"),
        *("startup-fencing", "roles", "moved-by-hand", "silent-deaths", "controllers-fencing"),
    }
    assert "hunter2" not in json.dumps(found)
    done(sandbox, cib, remedies(troubles))
    assert set(examined(sandbox)) == {"ok", "not checked"}


DPKG = """
mkdir -p layers/dpkg layers/dpkg-work
mount -t overlay o -o lowerdir=/var/lib/dpkg,upperdir=layers/dpkg,workdir=layers/dpkg-work \
    /var/lib/dpkg
cat >>/var/lib/dpkg/status <<END

Package: python3-novaha
Status: install ok installed
Architecture: all
Maintainer: nobody <nobody@example.org>
Version: 0
Description: as the package manager knows it
END
echo {library} >/var/lib/dpkg/info/python3-novaha.list
exec "$@"
"""


def test_where_dpkg_has_novaha_the_remedy_is_apts(sandbox) -> None:
    """The real dpkg, told that novaha came in a package."""
    doctor = (*NOVAHA, "doctor", "--only", "node", "--output", "json")

    def remedy(script: str) -> str:
        said = json.loads(sandbox("sh", "-ec", script, "sh", *doctor, fails=True))
        (found,) = [f for f in said if (f["check"], f["subject"]) == ("agents", "fence_compute")]
        return found["remedy"]

    assert remedy('rm /usr/sbin/fence_compute; exec "$@"') == "novaha install-agents"
    library = shlex.quote(str(novaha.__file__))
    assert remedy(DPKG.format(library=library)) == "apt-get install --reinstall novaha-agents"
