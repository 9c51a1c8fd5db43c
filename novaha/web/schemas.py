"""JSON Schemas of the API's answers, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaha.core.steps import Progress

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
TEXT: Schema = {"type": "string", "description": "a sentence for people; may change"}
REASON: Schema = {"type": "string", "minLength": 1, "maxLength": 500, "description": "why"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(item: Schema) -> Schema:
    """Many of them."""
    return {"type": "array", "items": item}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object. Others may come to it: readers pass over what they do not know."""
    return {
        "type": "object",
        "required": sorted(required),
        "properties": {**required, **(optional or {})},
    }


def paged(name: str, item: str) -> Schema:
    """A page of a list."""
    return record(
        {
            name: array(ref(item)),
            "total": {**COUNT, "description": "on all pages"},
            "next": {**STRING, "description": '`marker` of the next page, "" for the last one'},
        }
    )


_NOVA = record({"ok": {"type": ["boolean", "null"]}, "problem": TEXT}, {"silent_for": SECONDS})

_COUNTS: Schema = {
    "type": "object",
    "additionalProperties": COUNT,
    "description": "how many there are of each",
}

_RECOVERY: Mapping[str, Schema] = {
    "host": {"type": ["string", "null"], "description": "Nova's name, null when not known yet"},
    "held": {**FLAG, "description": "whether nova-compute is kept from starting there"},
    "owner": {**STRING, "description": 'the controller that works on it, "" for none'},
    "fenced": {**MOMENT, "description": "when it was flagged"},
    "detail": TEXT,
    "total": COUNT,
    "settled": {**COUNT, "description": "instances that need nothing more"},
    "counts": _COUNTS,
}

_PROGRESS: Schema = {"type": "string", "enum": [str(progress) for progress in Progress]}

SCHEMAS: Mapping[str, Schema] = {
    "Error": record({"error": record({"code": COUNT, "message": TEXT})}),
    "Health": record(
        {
            "version": {"type": "integer", "const": 1},
            "at": {**MOMENT, "description": "when this was read"},
            "verdict": {"type": "string", "enum": ["OK", "RECOVERING", "ATTENTION"]},
            "summary": TEXT,
            "todo": {
                **array(record({"text": TEXT, "commands": array(STRING)})),
                "description": "what an operator must do",
            },
            "hosts": _COUNTS,
            "evacuator": {
                "description": "the evacuator, where it runs on this node",
                "anyOf": [
                    {"type": "null"},
                    record(
                        {
                            "node": STRING,
                            "user": STRING,
                            "turn_age": SECONDS,
                            "problem": TEXT,
                            "failing_for": SECONDS,
                            "nova": _NOVA,
                        }
                    ),
                ],
            },
            "evacuator_on": {**STRING, "description": 'the node that it runs on, "" for none'},
            "told": {
                "description": "what the evacuator of another node told, where it is shown",
                "anyOf": [
                    {"type": "null"},
                    record({"at": MOMENT, "age": COUNT, "node": STRING, "left_out": COUNT}),
                ],
            },
            "missing": {**array(STRING), "description": "what novaha lacks to protect the cluster"},
            "problem": {**TEXT, "description": 'why this is not of now, "" if it is'},
            "age": {**SECONDS, "description": "since this was read"},
        }
    ),
    "Host": record(
        {
            "node": {**STRING, "description": "Pacemaker's name"},
            "state": {
                "type": "string",
                "enum": [
                    *("healthy", "held", "lost", "stopped", "off"),
                    *("pending", "running", "recovered", "unreadable"),
                ],
            },
        },
        {"fence_id": STRING, **_RECOVERY},
    ),
    "Instance": record(
        {
            "id": STRING,
            "name": STRING,
            "host": {**STRING, "description": "the host that is recovered, by Pacemaker's name"},
            "progress": _PROGRESS,
            "where": {**STRING, "description": 'where it is or goes to, "" when not known'},
            "detail": TEXT,
            "code": {**STRING, "description": "the reason, for programs"},
            "data": {"type": "object", "additionalProperties": STRING},
        }
    ),
    "Recovery": record(
        {
            "id": {**STRING, "description": "of the fencing"},
            "node": STRING,
            "state": {"type": "string", "enum": ["pending", "running", "recovered"]},
            **_RECOVERY,
        }
    ),
    "Me": record(
        {"name": STRING, "actions": {**array(STRING), "description": "that you may ask for"}}
    ),
    "OfFencing": record(
        {
            "confirm": {**STRING, "description": "the host once more"},
            "fence_id": {**STRING, "description": "of the fencing that is meant"},
            "reason": REASON,
        }
    ),
    "Proceed": record(
        {"confirm": {**STRING, "description": "the host once more"}, "reason": REASON}
    ),
    "Pause": record(
        {"confirm": {**STRING, "const": "pause"}, "reason": REASON},
        {"duration": {**STRING, "pattern": "^[0-9]{1,4}[mhd]$"}},
    ),
    "Resume": record({"confirm": {**STRING, "const": "resume"}, "reason": REASON}),
    "Done": record({"done": TEXT}),
    "Hosts": paged("hosts", "Host"),
    "Instances": paged("instances", "Instance"),
    "Recoveries": paged("recoveries", "Recovery"),
    "Plan": paged("plan", "Instance"),
}
