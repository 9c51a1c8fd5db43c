"""`novaha migrate`: from the older agents' configuration to novaha's, in a cluster that runs."""
