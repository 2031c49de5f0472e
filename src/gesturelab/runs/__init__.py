"""The folder of a run: names of files, info, status, lock and signals. Imports no torch."""
