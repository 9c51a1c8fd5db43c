"""What novaha knows and decides: no I/O, no clock, no environment, no logging."""
