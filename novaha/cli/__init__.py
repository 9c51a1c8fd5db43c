"""The `novaha` command."""
