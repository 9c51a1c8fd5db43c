"""What the evacuator knows and nobody else can read, short enough for an attribute.

Elsewhere `novaha status` plans from the CIB and Nova, and lacks what only the evacuator knows: why
an evacuation failed, what a host waits for, what an operator has to see to. The digest is those
parts of the snapshot, the most important first, as many as there is room for.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from novaha.core import text
from novaha.core.steps import FINAL, Progress
from novaha.evacuator import status

LONGEST = 6000
"""Characters of a digest."""

FRESH = timedelta(seconds=900)
"""After which the one who told it counts as gone: three times the pause between two."""

_TEXT = 300
"""Characters of one text in it."""

_MOST = 500
"""Parts that are tried: some ten times as many as fit."""

_UNPACKED = 1 << 20
"""Bytes of a digest that is read."""

_SETTLED = str(Progress.SETTLED)
_HOST = ("node", "host", "fence_id", "state", "detail", "total", "settled", "counts")
_REASON = ("progress", "where", "detail", "code", "data")
_INSTANCE = ("id", "name", *_REASON)
_RANK = {
    progress: rank
    for rank, progress in enumerate(
        map(
            str,
            (
                Progress.REFUSED,
                Progress.WAITING,
                Progress.RELEASED,
                Progress.PREPARING,
                Progress.RESTORING,
                Progress.EXCLUDED,
                Progress.MOVING,
            ),
        )
    )
}

Part = tuple[str, Any]


def make(snapshot: Mapping[str, Any], at: datetime, secrets: Iterable[str] = ()) -> str:
    """The digest of the evacuator's own snapshot, "" where there is nothing to tell.

    at: the moment at which all that was so. secrets: values that it does not show.
    """
    health = snapshot["evacuator"]
    parts = _parts(snapshot)
    if not parts and not health["problem"] and not health["nova"]["problem"]:
        return ""
    head = {
        "version": status.VERSION,
        "at": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "node": health["node"],
        "problem": health["problem"],
        "nova": {key: health["nova"][key] for key in ("ok", "problem")},
    }
    known = tuple(secrets)
    head = text.tree(head, known, _TEXT)
    shown: list[Part] = [(kind, text.tree(p, known, _TEXT)) for kind, p in parts[:_MOST]]
    fits, fails = 0, len(shown) + 1
    best = _packed(head, (), len(parts))
    while fails - fits > 1:
        middle = (fits + fails) // 2
        packed = _packed(head, shown[:middle], len(parts) - middle)
        if len(packed) <= LONGEST:
            fits, best = middle, packed
        else:
            fails = middle
    return best


def _parts(snapshot: Mapping[str, Any]) -> list[Part]:
    """All that could be told, the most important first."""
    hosts = snapshot["hosts"]
    parts: list[Part] = [("attention", said) for said in snapshot["evacuator"]["attention"]]
    parts += [("hosts", {key: host[key] for key in _HOST}) for host in hosts]
    instances = [
        {"node": host["node"], **{key: instance[key] for key in _INSTANCE}}
        for host in hosts
        for instance in host["instances"]
        if instance["detail"] and instance["progress"] != _SETTLED
    ]
    instances.sort(key=lambda instance: _RANK.get(instance["progress"], len(_RANK)))
    return parts + [("instances", instance) for instance in instances]


def _packed(head: Mapping[str, Any], parts: Iterable[Part], left_out: int) -> str:
    """As an attribute may have it: letters, digits, `-`, `_` and `=`."""
    content: dict[str, Any] = {**head, "attention": [], "hosts": [], "instances": []}
    for kind, part in parts:
        content[kind].append(part)
    content["left_out"] = left_out
    packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(packed).decode()


def newest(values: Iterable[str], now: datetime) -> dict[str, Any] | None:
    """The newest of these digests that is fresh; None if there is none.

    Others wrote them: what makes no sense is left out.
    """
    read = [content for value in values if (content := _read(value, now)) is not None]
    return max(read, key=lambda content: str(content["at"]), default=None)


def _read(value: str, now: datetime) -> dict[str, Any] | None:
    try:
        packed = base64.urlsafe_b64decode(value.encode())
        content = json.loads(zlib.decompressobj().decompress(packed, _UNPACKED))
        age = _age(content, now)
        sound = content["version"] == status.VERSION and _is_sound(content)
    except (
        *(binascii.Error, zlib.error, ValueError, KeyError, TypeError, AttributeError),
        RecursionError,
    ):
        return None
    return content if sound and abs(age) <= FRESH else None


def _age(content: Mapping[str, Any], now: datetime) -> timedelta:
    return now - datetime.fromisoformat(content["at"])


def _is_sound(content: Mapping[str, Any]) -> bool:
    """Whether it has what is read of it, of the right kind."""
    texts = [content[key] for key in ("at", "node", "problem")]
    texts += [content["nova"]["problem"], *content["attention"]]
    numbers = [content["left_out"]]
    for host in content["hosts"]:
        texts += [host[key] for key in ("node", "fence_id", "state", "detail")]
        texts += [host["host"] or ""]
        numbers += [host["total"], host["settled"], *host["counts"].values()]
        texts += host["counts"]
    for instance in content["instances"]:
        texts += [instance[key] for key in ("node", *_INSTANCE) if key != "data"]
        texts += [*instance["data"].keys(), *instance["data"].values()]
    if content["nova"]["ok"] not in (True, False, None):
        return False
    return all(isinstance(t, str) for t in texts) and all(type(n) is int for n in numbers)


def added(snapshot: Mapping[str, Any], digest: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The snapshot of somebody who only looked, with what the evacuator tells.

    A host that has got further since the digest was made is left as it was seen.
    """
    told = {key: digest[key] for key in ("at", "node", "problem", "nova", "attention")}
    told["age"] = max(0, round(_age(digest, now).total_seconds()))
    told["left_out"] = digest["left_out"]
    by_node = {host["node"]: host for host in digest["hosts"]}
    asked = not snapshot["problem"]
    hosts = []
    for host in snapshot["hosts"]:
        said = by_node.get(host["node"])
        if said and all(host.get(key) == said[key] for key in ("fence_id", "state")):
            mine = {i["id"]: i for i in digest["instances"] if i["node"] == host["node"]}
            hosts.append(_seen(host, said, mine) if asked else _unseen(host, said, mine))
        else:
            hosts.append(host)
    return {**snapshot, "told": told, "hosts": hosts}


Instances = Mapping[str, Mapping[str, Any]]


def _seen(host: Mapping[str, Any], said: Mapping[str, Any], told: Instances) -> dict[str, Any]:
    shown = [_of_instance(instance, told.get(instance["id"])) for instance in host["instances"]]
    progresses = [instance["progress"] for instance in shown]
    return {
        **host,
        "host": host["host"] or said["host"],
        "detail": said["detail"],
        "settled": sum(1 for progress in progresses if progress in FINAL),
        "counts": status.counts(progresses),
        "instances": shown,
    }


def _unseen(host: Mapping[str, Any], said: Mapping[str, Any], told: Instances) -> dict[str, Any]:
    """Nova could not be asked here: the numbers are the evacuator's."""
    shown = [{key: instance[key] for key in _INSTANCE} for instance in told.values()]
    return {**host, **{key: said[key] for key in _HOST}, "instances": shown}


def _of_instance(seen: Mapping[str, Any], said: Mapping[str, Any] | None) -> dict[str, Any]:
    """The digest is older: one that was seen on its way, or where it has to be, is that.

    `novaha release` asks whether anything is on its way.
    """
    if said is None or seen["progress"] in (Progress.SETTLED, Progress.MOVING):
        return dict(seen)
    return {**seen, **{key: said[key] for key in _REASON}}
