"""The kinds of death that a host can die, and what should become of it each time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from novahalab import bmc, layout, network, nodes
from novahalab.errors import LabError
from novahalab.sandbox import Sandbox


@dataclass(frozen=True)
class Kind:
    """A kind of death. what: happens to the host. then: what should follow, for people.

    computes: whether only a compute node can die like that.
    """

    what: str
    then: str
    do: Callable[[str], None]
    computes: bool = False


def _panic(node: str) -> None:
    bmc.switch(node, "silence")
    Sandbox(node).freeze()
    bmc.switch(node, "stop-guests")


def _kill_remoted(node: str) -> None:
    Sandbox(node).exec(["pkill", "-KILL", "-f", nodes.REMOTED])


def _stop_remoted(node: str) -> None:
    Sandbox(node).exec(["pkill", "-TERM", "-f", nodes.REMOTED])


def _power_and_bmc(node: str) -> None:
    bmc.connect(node, False)
    nodes.crash(node)


def _reboot(node: str) -> None:
    bmc.switch(node, "set", "reset", "1")
    Sandbox(node).wait_ready()


KINDS = {
    "power": Kind(
        "its power is cut; nobody is told",
        "fenced when the monitor of its connection times out; all instances recover elsewhere",
        nodes.crash,
    ),
    "panic": Kind(
        "its kernel panics: nothing runs or answers, the power is on",
        "as power",
        _panic,
    ),
    "hang": Kind(
        "it hangs: its kernel keeps connections open, no process runs",
        "as power",
        lambda node: Sandbox(node).freeze(),
    ),
    "remoted-killed": Kind(
        "pacemaker_remote alone dies, and is not started again",
        "fenced at once, though its guests still ran; all instances recover elsewhere",
        _kill_remoted,
        computes=True,
    ),
    "remoted-stopped": Kind(
        "pacemaker_remote alone is stopped (TERM), as by hand",
        "no fencing, no recovery: nova-compute is stopped, the guests run on; "
        "start pacemaker_remote again, then crm_resource --refresh -r NODE. "
        "With Pacemaker 2.1.5 (native): as remoted-killed",
        _stop_remoted,
        computes=True,
    ),
    "cable": Kind(
        "the cable of the cluster network alone is pulled; its guests run on",
        "as power: the guests run until the fencing, and nowhere else before",
        lambda node: network.cut(node, "cluster"),
    ),
    "power-and-bmc": Kind(
        "host and BMC lose power together",
        "it cannot be fenced, so nothing is moved, until an operator confirms that it is off: "
        "stonith_admin --confirm HOST",
        _power_and_bmc,
    ),
    "reboot": Kind(
        "it reboots by itself, quicker than it is fenced",
        "fenced, or reached again before; its instances run either way, none twice",
        _reboot,
        computes=True,
    ),
}
"""In the order of the operator's guide (docs/guide/concept.md)."""


def die(node: str, kind: str) -> None:
    """Have a node die so. Raises LabError if it cannot."""
    chosen = KINDS[kind]
    if chosen.computes and not layout.is_compute(node):
        raise LabError(f"only a compute node can die like that: {kind}")
    if chosen.do is not nodes.crash and not Sandbox(node).running:
        raise LabError(f"{node} is off; `lab boot {node}` switches it on")
    chosen.do(node)


def mend(node: str) -> None:
    """Switch a node on, give its BMC power, and start pacemaker_remote where it is missing."""
    bmc.connect(node, True)
    nodes.boot(node)
    if layout.is_compute(node) and not Sandbox(node).frozen:
        with suppress(LabError):  # it is fenced at this moment, and boots with it
            nodes.start_remoted(node)
