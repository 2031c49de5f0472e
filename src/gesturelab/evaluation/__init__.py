"""Pure functions over predictions."""
