"""The one spelling of true: for parameters, options, and what the cluster's configuration holds."""

from __future__ import annotations

TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
FALSE = frozenset({"0", "false", "no", "off", "n", "f"})

_NOT_PACEMAKERS = frozenset({"t", "f"})


def parse(text: str) -> bool | None:
    """The truth that a text means, in any case and with spaces around; None when it means none.

    An empty text means none.
    """
    word = text.strip().lower()
    if word in TRUE:
        return True
    return False if word in FALSE else None


def is_true(text: str, *, default: bool = False) -> bool:
    """The truth that a text means, `default` when it means none."""
    truth = parse(text)
    return default if truth is None else truth


def in_cib(text: str, *, default: bool = False) -> bool:
    """The truth of a boolean in the CIB, as Pacemaker takes it: it knows no t and f.

    What Pacemaker cannot read it replaces by the option's default.
    """
    word = text.lower()
    if word != word.strip() or word in _NOT_PACEMAKERS:
        return default
    return is_true(word, default=default)
