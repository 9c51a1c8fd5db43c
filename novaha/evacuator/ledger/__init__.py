"""What the evacuator knows of flagged hosts beyond one turn: one ledger, one lock.

Four pools and the loop write facts down here, each by a method that says what happened. What is
read from it is a copy that does not change any more: nobody else's writing shows through it, and
nothing can be changed but by a fact. Losing the ledger costs only time: what matters stands in the
records and in Nova.
"""

from novaha.evacuator.ledger.book import HostLedger, Ledger

__all__ = ["HostLedger", "Ledger"]
