"""`python -m tests.property --minutes 30`: random histories until the time is up or one fails.

Prints the seed of each round; `--seed` begins with that one. A history that fails is made as small
as it gets, printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import traceback

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machine import Recoveries

ROUND = 200
"""Histories a round: between rounds the time is looked at."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.property", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=25, help="what may happen in one history")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    seed = random.randrange(2**32) if arguments.seed is None else arguments.seed
    end = time.monotonic() + 60 * arguments.minutes
    tried = 0
    while tried == 0 or time.monotonic() < end:
        print(f"seed {seed}, {tried} histories so far", flush=True)
        try:
            run_state_machine_as_test(
                hypothesis.seed(seed)(Recoveries),
                settings=settings(
                    deadline=None,
                    database=None,
                    max_examples=ROUND,
                    stateful_step_count=arguments.steps,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        except Exception:
            traceback.print_exc()
            print(f"again: python -m tests.property --seed {seed} --steps {arguments.steps}")
            return 1
        tried += ROUND
        seed += 1
    print(f"{tried} histories, every law held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
