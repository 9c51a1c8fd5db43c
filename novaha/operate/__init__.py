"""What the evacuator did, kept and told to others: the outbox, the history, the sinks.

Nothing here keeps a recovery waiting, and a recovery needs nothing of it.
"""
