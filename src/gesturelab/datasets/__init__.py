"""What a dataset is, the readers of each, and the cache."""
