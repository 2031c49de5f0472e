"""Readers of recordings in files of several kinds."""
