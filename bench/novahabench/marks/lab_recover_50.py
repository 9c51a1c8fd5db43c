"""Mark 2: time to recover, 50 instances."""

from __future__ import annotations

from novahabench.lab_recoveries import mark

MARK = mark(50)
