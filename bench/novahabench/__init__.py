"""Benchmarks of novaha: marks, measured beside what there was before, and their report."""
