"""A trained model asked about files."""
