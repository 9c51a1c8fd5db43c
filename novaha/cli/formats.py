"""`-f FORMAT` and `-c COLUMN`, as OpenStack's clients have them."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from novaha.cli.terminal import as_json
from novaha.core import text
from novaha.core.errors import NovahaError

FORMATS = ("csv", "json", "table", "value", "yaml")

_LONGEST = 2000

Row = Mapping[str, Any]


class ColumnError(NovahaError):
    """A column was asked for that is not there."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(f"there is no such column: choose from {', '.join(columns)}")


def add_options(command: argparse.ArgumentParser, rows: str) -> None:
    """`-f` and `-c`: args.format, None for the usual text, and args.column, a list.

    rows: what a row stands for.
    """
    command.add_argument(
        "-f",
        "--format",
        choices=FORMATS,
        help=f"print rows in this format, {rows}",
    )
    command.add_argument(
        "-c",
        "--column",
        action="append",
        default=[],
        metavar="COLUMN",
        help="print this column only; may be given several times",
    )


def chosen(columns: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The columns that are wanted, in that order; all of them if none is named.

    Upper and lower case count as the same, and so do a blank and an underscore.

    Raises ColumnError.
    """
    by_key = {_key(column): column for column in columns}
    if any(_key(name) not in by_key for name in wanted):
        raise ColumnError(columns)
    return [by_key[_key(name)] for name in wanted] or list(columns)


def _key(column: str) -> str:
    return column.strip().replace("_", " ").lower()


def rendered(form: str, columns: Sequence[str], rows: Sequence[Row]) -> str:
    """The rows, of each of them the columns. form: one of FORMATS."""
    plain = [{name: text.tree(row[name], longest=_LONGEST) for name in columns} for row in rows]
    if form == "json":
        return as_json(plain, indent=2)
    if form == "yaml":
        import yaml  # oslo.config needs it

        shown: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=False)
        return shown.rstrip("\n")
    cells = [[_cell(row[name]) for name in columns] for row in plain]
    if form == "csv":
        return _csv(columns, plain)
    if form == "value":
        return "\n".join(" ".join(row) for row in cells)
    return _table(columns, cells)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Texts in quotes and numbers without, as OpenStack's clients write it."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([v if isinstance(v, int) else _cell(v) for v in map(row.get, columns)])
    return written.getvalue().rstrip("\n")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from prettytable import PrettyTable

    shown = PrettyTable(list(columns))
    shown.align = "l"
    shown.add_rows([list(row) for row in rows])
    return str(shown.get_string())
