"""What is printed: the one way from the command to a terminal.

Names of instances, texts of Nova and of the cluster's tools come from others: a terminal shows
them and obeys nothing in them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from novaha.core import text


def say(*lines: object) -> None:
    """Print on standard output."""
    print(text.plain("\n".join(map(str, lines))), flush=True)


def warn(*lines: object) -> None:
    """Print on standard error: what is no answer."""
    print(text.plain("\n".join(map(str, lines))), file=sys.stderr, flush=True)


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON in ASCII; what a terminal would obey stands there escaped."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")
