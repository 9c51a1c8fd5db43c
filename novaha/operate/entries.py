"""An event as it is kept and sent: with an id of its own, its moment, and who told it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """id: "WRITER.NUMBER", unique everywhere; the numbers of one writer rise. time: UTC.

    teller: the node on which it was told. event, data: of `core.events`.
    """

    id: str
    time: datetime
    teller: str
    event: str
    data: Mapping[str, Any]

    @property
    def writer(self) -> str:
        """The process that wrote it."""
        return self.id.rpartition(".")[0]

    @property
    def number(self) -> int:
        """Which one of its writer's it is."""
        return int(self.id.rpartition(".")[2])

    def text(self, name: str) -> str:
        """A field of the event, "" if it has none of this name."""
        value = self.data.get(name)
        return "" if value is None else str(value)

    def plain(self) -> dict[str, Any]:
        """As JSON has it, for people and programs."""
        return {
            "id": self.id,
            "time": iso(self.time),
            "on": self.teller,
            "event": self.event,
            **self.data,
        }


def iso(moment: datetime) -> str:
    """UTC, to the millisecond, with a Z."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    """Since 1970, UTC."""
    return (moment - _EPOCH) // _MILLISECOND


def moment(since_1970: int) -> datetime:
    """UTC; of milliseconds."""
    return _EPOCH + since_1970 * _MILLISECOND


def dumps(entry: Entry) -> str:
    """One line of ASCII, without its end."""
    return json.dumps(
        [entry.id, milliseconds(entry.time), entry.teller, entry.event, dict(entry.data)]
    )


def loads(line: str | bytes) -> Entry:
    """What `dumps` has made. Raises ValueError."""
    try:
        id, time, teller, event, data = json.loads(line)
        entry = Entry(str(id), moment(int(time)), str(teller), str(event), dict(data))
        if entry.number < 0 or not entry.writer:
            raise ValueError("it has no id")
    except (TypeError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None
    return entry
