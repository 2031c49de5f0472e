"""What is fast, measured against what: one module for each item, run by ``benchmarks/bench.py``."""
