"""A logger that takes every exception for its own, and takes so long that a signal falls into it."""

from contextlib import suppress

from lightning.pytorch.loggers import CSVLogger


class Swallowing(CSVLogger):
    def log_metrics(self, metrics, step=None):
        for _ in range(20_000):
            with suppress(Exception):
                super().log_metrics(metrics, step)
