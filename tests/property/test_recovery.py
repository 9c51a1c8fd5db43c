"""Random histories of a small site: the laws hold throughout, and every recovery ends.

Here the same histories each time, as many as fit into about a minute;
`python -m tests.property --minutes 30` tries others, and makes one that fails small.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

from tests.property.machine import Recoveries

TestRecoveries = Recoveries.TestCase
TestRecoveries.settings = settings(
    deadline=None,
    derandomize=True,
    max_examples=500,
    stateful_step_count=20,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
