"""The OpenAPI 3.1 document of what is served, made of the operations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from novaha import __version__
from novaha.web.operation import Operation, Parameter
from novaha.web.schemas import SCHEMAS, ref

_ERRORS = {
    "400": "a parameter that makes no sense",
    "401": "nobody has shown who they are",
    "403": "not allowed",
    "404": "there is none",
    "421": "`Host` names somebody else",
    "429": "too many requests",
    "503": "nothing could be read yet, Keystone does not answer, or it takes too long",
}

_WRITE_ERRORS = {
    "408": "the body does not end",
    "409": "it cannot be done; the message says why",
    "413": "the body is too long",
    "415": "the body is no application/json",
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document."""
    paths: dict[str, Any] = {}
    for operation in operations:
        place = paths.setdefault(operation.path, {})
        place[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "novaha",
            "version": __version__,
            "description": "Recoveries of OpenStack compute hosts, as `novaha serve` shows them. "
            "Names and codes never change their meaning; new ones may come.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "certificate": {"type": "mutualTLS"},
            },
        },
        "security": [{}, {"token": []}, {"certificate": []}],
    }


def _described(operation: Operation) -> dict[str, Any]:
    content = ref(operation.schema) if operation.schema else {"type": "string"}
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.text,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {
            str(operation.status): {
                "description": "the answer",
                "content": {operation.media: {"schema": content}},
            }
        },
    }
    if operation.method == "GET" and operation.schema:
        found["responses"]["304"] = {"description": "as in the answer whose `ETag` was sent"}
    named = "{" in operation.path
    for code, told in _ERRORS.items():
        if code != "404" or named:
            found["responses"][code] = {
                "description": told,
                "content": {"application/json": {"schema": ref("Error")}},
            }
    if operation.method == "POST":
        for code, told in _WRITE_ERRORS.items():
            found["responses"][code] = {
                "description": told,
                "content": {"application/json": {"schema": ref("Error")}},
            }
        found["responses"]["202"] = {
            "description": "it takes longer, and goes on",
            "content": {operation.media: {"schema": content}},
        }
    if operation.body:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": ref(operation.body)}},
        }
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "path" if parameter.path else "query",
        "required": parameter.path,
        "description": parameter.text,
        "schema": dict(parameter.schema),
    }


def route(path: str) -> str:
    """The same path for Starlette: a name in it may have a dot and more, but no slash."""
    return re.sub(r"\{(\w+)\}", r"{\1:str}", path)
