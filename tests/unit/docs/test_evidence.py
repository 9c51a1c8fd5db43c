"""Nobody is asked to confirm that a host is down without the command that shows whether it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import novaha

ASKS = ("--confirm ", "stonith confirm ")
SHOWS = "novaha evidence"


def texts(source: str) -> Iterator[str]:
    """The strings of a module without their values, docstrings apart."""
    tree = ast.parse(source)
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {
        part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "..." for p in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and node not in said and node not in inner:
            yield str(node.value)


def test_evidence_comes_before_each_confirmation() -> None:
    root = Path(novaha.__file__).parent
    asking = [
        (path.name, text, min(text.find(ask) for ask in ASKS if ask in text))
        for path in sorted(root.rglob("*.py"))
        for text in texts(path.read_text())
        if any(ask in text for ask in ASKS)
    ]
    assert len(asking) >= 3
    for name, text, at in asking:
        assert 0 <= text.find(SHOWS) < at, f"{name}: {text}"


def test_the_guide_shows_it_before_it_says_how_to_confirm() -> None:
    page = Path(novaha.__file__).parents[1] / "docs" / "guide" / "operating.md"
    words = page.read_text()
    assert 0 <= words.find(SHOWS) < words.find("pcs stonith confirm")
