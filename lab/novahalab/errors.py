"""What the lab raises when it cannot do what it was asked to."""

from __future__ import annotations


class LabError(Exception):
    """The message says what is wrong, where, and what to do; the command prints it and exits 1."""
