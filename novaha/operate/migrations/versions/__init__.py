"""One file a version. A version only adds: an older novaha goes on with what it knows."""
