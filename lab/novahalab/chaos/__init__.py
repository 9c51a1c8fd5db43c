"""Chaos: a seeded schedule of faults on the running lab, and a verdict on each of novaha's laws.

- ``schedule``: seed to faults, a pure function.
- ``faults``, ``tenants``: making them happen, and undoing them.
- ``observe``: watching from outside of the product; ``history`` is what was seen.
- ``laws``, ``outcome``: from the history to breaches, pure functions again.
- ``run``: one whole run; ``report``: its verdict for people and for programs.
"""
