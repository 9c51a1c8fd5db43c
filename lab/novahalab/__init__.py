"""The novaha lab: a real Pacemaker cluster and a real Nova on one machine, in namespaces."""
