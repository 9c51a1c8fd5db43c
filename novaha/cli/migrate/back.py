"""The cluster's configuration as it was: kept before it is changed, and put back on request."""

from __future__ import annotations

import copy
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from novaha.cli.setup import SECRET
from novaha.core.errors import NovahaError
from novaha.core.record import NAMES, set_id
from novaha.core.text import MASK
from novaha.pacemaker.cib import parse

if TYPE_CHECKING:
    from lxml.etree import _Element

PLACE = Path("/var/lib/novaha")

_MOST = 64 << 20
"""Bytes of a configuration."""


class BackError(NovahaError):
    """The configuration cannot be kept, or not be put back."""


def keep(root: _Element, file: Path | None, now: datetime | None = None) -> Path:
    """Write the whole CIB to `file`, or to a new one below PLACE; which one.

    It holds passwords, so only root may read it (law 9). Raises BackError.
    """
    moment = now or datetime.now(UTC)
    target = file or PLACE / f"before-migration-{moment:%Y%m%dT%H%M%SZ}.xml"
    try:
        if file is None:
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(etree.tostring(root))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise BackError(
            f"the configuration cannot be kept in {target}: {error.strerror}; nothing was changed"
        ) from None
    return target


def read(file: Path) -> _Element:
    """The CIB in a file that keep() wrote. Raises BackError."""
    from novaha.conf.file import read_bytes  # with oslo.config, which nothing else here needs

    try:
        root = parse(read_bytes(str(file), _MOST))
    except FileNotFoundError:
        raise BackError(f"{file} cannot be read: there is no such file") from None
    if root.tag != "cib" or root.find("configuration") is None:
        raise BackError(f"{file} holds no configuration of a cluster")
    return root


def target(now: _Element, before: _Element) -> _Element:
    """The CIB to go to: today's, with the configuration of `before`.

    Raises BackError while a host is in recovery: the older agents know of no record, so that it
    would be forgotten (law 3).
    """
    flagged = [
        str(node.get("uname"))
        for node in now.iterfind(".//nodes/node")
        if any(pair.get("name") in NAMES for pair in node.iterfind("instance_attributes/nvpair"))
    ]
    if flagged:
        raise BackError(
            f"{', '.join(flagged)} is in recovery, which the older agents would not finish: wait "
            "until 'novaha status' shows no host"
        )
    there = copy.deepcopy(now)
    configuration = there.find("configuration")
    wanted = before.find("configuration")
    assert configuration is not None
    assert wanted is not None
    there.replace(configuration, _without_records(copy.deepcopy(wanted)))
    return there


def shown(patch: bytes) -> str:
    """What crm_diff printed, for people: without the values of parameters that may be secrets."""
    if not patch.strip():
        return ""
    root = parse(patch)
    for element in root.iter("nvpair"):
        if SECRET.search(str(element.get("name"))):
            element.set("value", MASK)
    for change in root.iter("change"):
        changed = change.find("change-result/nvpair")
        if changed is not None and changed.get("value") == MASK:
            for attribute in change.iterfind("change-list/change-attr[@name='value']"):
                attribute.set("value", MASK)
    return etree.tostring(root, encoding="unicode").strip()


def _without_records(configuration: _Element) -> _Element:
    """What was in recovery when the configuration was kept is no more."""
    for node in configuration.iterfind("nodes/node"):
        for attributes in node.findall(
            f"instance_attributes[@id='{set_id(str(node.get('uname')))}']"
        ):
            node.remove(attributes)
    return configuration


def same(one: _Element, other: _Element) -> bool:
    """Whether two CIBs are configured alike."""
    first, second = one.find("configuration"), other.find("configuration")
    if first is None or second is None:
        return first is second
    return etree.tostring(first, method="c14n") == etree.tostring(second, method="c14n")
