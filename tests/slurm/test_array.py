"""A sweep as one job array on a real Slurm."""
