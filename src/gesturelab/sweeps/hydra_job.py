"""What Hydra does around a job, for the launchers whose jobs train in processes of their own.

Those are ``hydra.job.env_set``, ``hydra.job.chdir``, ``hydra.output_subdir``, ``hydra.verbose``, ``hydra/job_logging``
and the job events of ``hydra.callbacks``. A job that asks for any of them has Hydra's settings beside its
``config.yaml``.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from gesturelab.runs.folder import RunDir

HYDRA = "hydra.yaml"
"""In a job's folder: Hydra's own settings, where they ask for something."""


def hydra_settings(hydra: DictConfig) -> str:
    """The text of `HYDRA`; empty where Hydra is asked for nothing.

    Args:
        hydra: The node ``hydra`` of a composed job; its ``job_logging`` is there only if it is not our own.
    """
    job = hydra.job
    settings = (job.env_set, job.chdir, hydra.callbacks, hydra.output_subdir, hydra.verbose, hydra.get("job_logging"))
    return OmegaConf.to_yaml(OmegaConf.create({"hydra": hydra})) if any(settings) else ""


def train_with_hydra(folder: Path, train: Callable[[Path], None]) -> None:
    """Trains in a folder, and lets Hydra do around it what the folder's settings ask for.

    Args:
        folder: The job's.
        train: Trains in a folder.

    Raises:
        Exception: What `train` raised.
    """
    if not (folder / HYDRA).exists():
        train(folder)
        return
    from hydra import version
    from hydra._internal.callbacks import Callbacks
    from hydra.conf import HydraConf
    from hydra.core.utils import JobRuntime, JobStatus, configure_log, run_job
    from hydra.types import HydraContext

    run = RunDir(folder)
    schema = OmegaConf.create({"hydra": HydraConf})
    OmegaConf.set_struct(schema.hydra, False)  # conf/hydra adds keys
    config = cast(DictConfig, OmegaConf.merge(schema, OmegaConf.load(run.config), OmegaConf.load(folder / HYDRA)))
    version.setbase("1.3")
    JobRuntime.instance().set("name", config.hydra.job.name)
    context = HydraContext(cast(Any, None), Callbacks(config))  # nothing is composed here
    with _restored_logging():
        configure_log(config.hydra.job_logging or OmegaConf.create({"root": None}), config.hydra.verbose)
        _log_once(run.log)
        result = run_job(lambda _: train(folder), config, "hydra.runtime.output_dir", None, context, False)
    if result.status is JobStatus.FAILED:
        raise result._return_value  # pyright: ignore[reportPrivateUsage] - the public one prints a line of Hydra's


def _log_once(log: Path) -> None:
    """Leaves the standard output out where a handler writes the file that it goes to anyway."""
    root = logging.getLogger()
    files = [handler for handler in root.handlers if isinstance(handler, logging.FileHandler)]
    if any(Path(handler.baseFilename) == log for handler in files):
        root.handlers[:] = files


@contextmanager
def _restored_logging() -> Generator[None]:
    """Puts the root logger back as it was, for the next job of the process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
