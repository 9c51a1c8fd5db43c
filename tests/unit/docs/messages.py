"""The sentences in the source that operators get to read as a reason, as templates.

A template is the text as it stands in the code, with … for what is filled in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

SPEAKING = ("core/hosts.py", "core/instances.py", "core/sentences.py")
"""Modules whose every sentence is said to somebody, however it gets there."""

RAISING = (
    *("agents/*.py", "conf/*.py", "contract/*.py", "core/*.py", "evacuator/*.py"),
    *("nova/*.py", "operate/*.py", "pacemaker/*.py"),
)
"""Where what is raised or returned, or given as a problem, reaches an operator."""

SILENT = (
    # What they return or declare are documents and descriptions.
    *("agents/nova_parameters.py", "agents/fence_parameters.py", "conf/options.py"),
    *("contract/metadata.py", "contract/manpage.py", "nova/examine.py"),
    *("core/model.py", "core/situation.py", "operate/html.py"),
    "operate/notices.py",
    *("evacuator/act.py", "evacuator/loop.py", "evacuator/process.py", "evacuator/server.py"),
)
"""Of these: modules whose texts are no reasons, or go to the log alone."""

_DECLARATIONS = {"Action", "Agent", "Parameter", "_older", "replace", "print"}
_TELL = {"__init__", "append", "log", "write_exit_reason"}
_FIELD = re.compile(r"\{[a-z]+\}")
"""What `str.format` fills in."""
_WORD = re.compile(r"[A-Za-z'`(,;:.)/-]{2,}")


def reasons() -> dict[str, set[str]]:
    """Template to the modules that say it; of one word, too, which may be no more than a name."""
    found: dict[str, set[str]] = {}
    speaking = _modules(*SPEAKING)
    for path in sorted(speaking | _modules(*RAISING) - _modules(*SILENT)):
        for template in _of(ast.parse(path.read_text()), path in speaking):
            found.setdefault(template, set()).add(str(path.relative_to(ROOT)))
    return found


def is_sentence(template: str) -> bool:
    """Whether it has two words at least, and is none of SQL."""
    if template.startswith(("SELECT ", "CREATE TABLE ")):
        return False
    return len([word for word in template.split() if _WORD.fullmatch(word)]) >= 2


def _modules(*patterns: str) -> set[Path]:
    return {path for pattern in patterns for path in (ROOT / "novaha").glob(pattern)}


def _of(node: ast.AST, everything: bool) -> Iterator[str]:
    """The templates below `node`; all of them, or only where a reason is given."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if everything and isinstance(node, ast.Call) and _called(node) in _DECLARATIONS:
        return
    if everything and (template := _template(node)) is not None:
        yield " ".join(template.split())
        return
    said = everything or _says(node)
    for child in ast.iter_child_nodes(node):
        yield from _of(child, said)


def _says(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _called(node).endswith("Error") or _called(node) in _TELL
    if isinstance(node, ast.keyword):
        return node.arg in ("problem", "detail")
    if isinstance(node, ast.Assign):  # `hint = …`: put into a sentence later
        return isinstance(node.value, ast.IfExp | ast.JoinedStr | ast.Constant)
    return isinstance(node, ast.Return | ast.Yield)


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _template(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _FIELD.sub("…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    return None
