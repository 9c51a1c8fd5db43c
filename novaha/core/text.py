"""Text that leaves novaha: for a terminal, a log, an exit reason, JSON.

One rule for each of them: one line, bounded, without control characters, without the user and
the query of a URL, without any known secret (law 9).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "***"

LONGEST = 400
"""Characters of one message, as long as a reason in crm_mon may be."""

_SHORT = 4
"""A shorter secret is masked as a whole word only: else it would make every text unreadable."""

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff]+"
)
"""What a terminal obeys instead of showing it, and what cannot be encoded."""

_USER = re.compile(r"(?<=://)\S*@")
"""All before the last @, because a password in a URL may have a /, a quote or an @ in it."""

_QUERY = re.compile(r"(?<=[^\s'\"<>()])\?[^\s'\"<>()=?]+=[^\s'\"<>()]*")


def line(text: object, secrets: Iterable[str] = (), longest: int = LONGEST) -> str:
    """`text` as one line of at most `longest` characters that may be shown to anybody.

    secrets: values that are masked, also in the forms in which a URL, JSON, Python or a shell
    would have them.
    """
    shown = _masked(str(text), secrets)
    shown = _USER.sub(f"{MASK}@", shown)
    shown = _QUERY.sub("?…", shown)
    shown = " ".join(_CONTROL.sub(" ", shown).split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def tree(value: Any, secrets: Iterable[str] = (), longest: int = LONGEST) -> Any:
    """Plain data for JSON: each text in it as `line` has it, keys and numbers as they are."""
    known = tuple(secrets)
    if isinstance(value, str):
        return line(value, known, longest)
    if isinstance(value, Mapping):
        return {key: tree(item, known, longest) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tree(item, known, longest) for item in value]
    return value


def plain(text: object, secrets: Iterable[str] = ()) -> str:
    """`text` for a terminal: its lines and blanks as they are, and nothing that it obeys.

    Whatever is printed goes through this; `line` is for a message that has to be one line.
    """
    rows = _masked(str(text), secrets).split("\n")
    return "\n".join(_CONTROL.sub(" ", _USER.sub(f"{MASK}@", row)) for row in rows)


def word(name: object) -> str:
    """`name` as one word of a command that is offered for copying into a shell (bash)."""
    import shlex

    text = str(name)
    if not _CONTROL.search(text):
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def words(names: Iterable[object]) -> str:
    """These as the words of a command that is offered for copying."""
    return " ".join(map(word, names))


def _escaped(char: str) -> str:
    """A character within $'…'."""
    if char in "\\'":
        return f"\\{char}"
    if not _CONTROL.match(char):
        return char
    if char < "\x80":
        return f"\\x{ord(char):02x}"
    raw = char.encode("utf-8", "surrogateescape" if "\udc80" <= char <= "\udcff" else "replace")
    return "".join(f"\\x{byte:02x}" for byte in raw)


def _masked(text: str, secrets: Iterable[str]) -> str:
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _SHORT:
            text = text.replace(form, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", lambda _: MASK, text)
    return text


def _forms(secret: str) -> Iterable[str]:
    """The secret as it may stand in a message."""
    if not secret.strip():
        return
    yield secret
    yield secret.strip()
    yield " ".join(secret.split())
    if secret.isalnum() and secret.isascii():
        return
    import json
    from urllib.parse import quote, quote_plus

    encodable = secret.encode("utf-8", "surrogateescape")
    yield quote(encodable, safe="")
    yield quote(encodable)
    yield quote_plus(encodable)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield repr(secret.encode("utf-8", "surrogateescape"))[2:-1]
    yield secret.replace("'", "'\"'\"'")
    yield secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
