"""Sweeps: which jobs there are, what became of each, and running several at a time. Imports no torch."""
