"""Typed schemas of every configuration key; no torch here, so a login node composes in a blink."""
