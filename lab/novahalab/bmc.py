"""The nodes' BMCs: one real IPMI simulator a node, in a namespace of their own."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from novahalab import layout
from novahalab.errors import LabError
from novahalab.process import Process, run, tail
from novahalab.sandbox import ENVIRONMENT

USER, PASSWORD = "admin", "secret"
PORT = 623

_LAN = """\
name "{node}"
set_working_mc 0x20
  startlan 1
    addr {address} {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid {guid:032x}
  endlan
  chassis_control "{chassis}"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""
_COMMANDS = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""


def power(node: str, on: bool, *, loud: bool = False) -> None:
    """Cut a node's power or give it, by the switch that its BMC uses, without asking the BMC.

    loud: the kernel ends the connections of the node that is cut off, as no power cut does.
    """
    if on:
        switch(node, "set", "power", "1")
    else:
        switch(node, "cut", *(["loud"] if loud else []))


def switch(node: str, *command: str) -> None:
    """Have the node's power switch do something; scripts/chassis says what it can."""
    run([*chassis(node), *command], timeout=30)


def powered_off(node: str, since: float) -> float | None:
    """When the node's BMC first cut its power since then (seconds of time.time()); None: not yet.

    What cuts it without the BMC (`lab crash`) does not count, nor does a host that was off already:
    its BMC is asked, and then has nothing to do.
    """
    try:
        lines = (layout.LOGS / node / "power.log").read_text().splitlines()
    except FileNotFoundError:
        return None
    for line in lines:
        stamp, what = line[:23], line[24:]
        at = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f").timestamp()
        if what == "power 0" and at >= since:
            return at
    return None


def connect(node: str, on: bool) -> None:
    """Take a node's BMC off the network, as when it has no power either, or put it back."""
    _set_address(f"{layout.bmc_address(node)}/24", on)


def _set_address(address: str, on: bool) -> None:
    namespace = layout.namespace("bmc")
    shown = run(["ip", "-n", namespace, "address", "show", "dev", "ipmi"], timeout=20).stdout
    if (f" {address} " in shown) == on:
        return
    # Without this the kernel takes all other addresses away with the first one.
    keep = "echo 1 >/proc/sys/net/ipv4/conf/all/promote_secondaries"
    run(["ip", "netns", "exec", namespace, "sh", "-c", keep], timeout=20)
    verb = "add" if on else "delete"
    run(["ip", "-n", namespace, "address", verb, address, "dev", "ipmi"], timeout=20)


def chassis(node: str) -> list[str]:
    """The program that is a node's power switch."""
    return [str(layout.SCRIPTS / "chassis"), str(layout.RUN), node]


def start(nodes: Sequence[str]) -> None:
    """Start the BMCs of these nodes. Raises LabError if one ends at once."""
    started = {
        node: _start(node, node, layout.bmc_address(node), index)
        for index, node in enumerate(nodes, 1)
    }
    time.sleep(0.2)
    for node, process in started.items():
        _check(node, process)


def start_spare(node: str) -> None:
    """Start a second switch for the node's power, as a PDU beside its BMC; none if there is one.

    It is spoken to like a BMC, at `layout.spare_address`. Raises LabError if it ends at once.
    """
    name = f"{node}-spare"
    if not running(name):
        _set_address(f"{layout.spare_address(node)}/24", on=True)
        process = _start(name, node, layout.spare_address(node), 1000)
        time.sleep(0.2)
        _check(name, process)


def _start(name: str, node: str, address: str, guid: int) -> subprocess.Popen[bytes]:
    directory = layout.BMC / name
    (directory / "state").mkdir(parents=True, exist_ok=True)
    (directory / "lan.conf").write_text(
        _LAN.format(
            node=node,
            address=address,
            port=PORT,
            guid=guid,
            chassis=shlex.join(chassis(node)),
            user=USER,
            password=PASSWORD,
        )
    )
    (directory / "commands").write_text(_COMMANDS)
    return _launch(name, directory)


def _check(name: str, process: subprocess.Popen[bytes]) -> None:
    found = Process.of(process.pid)
    if found is None or process.poll() is not None:
        raise LabError(f"the BMC of {name} ended at once; its log ends:\n{tail(_log(name))}")
    found.save(layout.BMC / name / "pid")


def _log(node: str) -> Path:
    return layout.LOGS / "bmc" / f"{node}.log"


def _launch(node: str, directory: Path) -> subprocess.Popen[bytes]:
    _log(node).parent.mkdir(parents=True, exist_ok=True)
    argv = ["ip", "netns", "exec", layout.namespace("bmc"), "ipmi_sim", "-n"]
    argv += ["-c", str(directory / "lan.conf"), "-f", str(directory / "commands")]
    argv += ["-s", str(directory / "state")]
    with _log(node).open("ab") as log:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=ENVIRONMENT,
            cwd=directory,
            start_new_session=True,
        )


def running(node: str) -> bool:
    """Whether a node's BMC runs."""
    return Process.load(layout.BMC / node / "pid") is not None
