"""Aligned columns for people."""

from __future__ import annotations

from collections.abc import Iterable

from prettytable import PrettyTable


def columns(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """The rows under their names, aligned; cells may have several lines."""
    shown = PrettyTable(list(names))
    shown.border = False
    shown.left_padding_width, shown.right_padding_width = 0, 2
    shown.align = "l"
    shown.add_rows([list(row) for row in rows])
    return "\n".join(line.rstrip() for line in shown.get_string().splitlines())
