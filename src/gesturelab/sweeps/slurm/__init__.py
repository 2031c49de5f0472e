"""Sweeps as Slurm job arrays: options, the batch script, submission, and what Slurm says of a job. Imports no torch."""
