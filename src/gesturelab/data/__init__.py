"""Recordings, windows, splits and features."""
