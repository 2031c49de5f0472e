"""A small HTTP server around one model."""
