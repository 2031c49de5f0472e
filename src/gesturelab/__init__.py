"""Experiments in skeleton gesture recognition, with honest numbers on unseen people."""

__version__ = "0.1.0"
