"""Fit, test and write a run."""
