"""What Hydra does around a job, for the launchers whose jobs train in processes of their own.

Those are ``hydra.job.env_set``, ``hydra.job.chdir``, ``hydra.output_subdir``, ``hydra.verbose``, ``hydra/job_logging``
and the job events of ``hydra.callbacks``. A job that asks for any of them has Hydra's settings beside its
``config.yaml``.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import ExitStack, chdir, contextmanager
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


@contextmanager
def around_job(folder: Path, train: Callable[[Path], None]) -> Generator[None]:
    """Does what the folder's settings ask for, before and after what happens within.

    Args:
        folder: The job's.
        train: What happens within, which callbacks are given.
    """
    if not (folder / HYDRA).exists():
        yield
        return
    from hydra._internal.callbacks import Callbacks
    from hydra.core.utils import JobReturn, JobStatus, _save_config, configure_log, env_override  # pyright: ignore[reportPrivateUsage]

    run = RunDir(folder)
    task = OmegaConf.load(run.config)
    config = OmegaConf.merge(task, OmegaConf.load(folder / HYDRA))
    assert isinstance(task, DictConfig)
    assert isinstance(config, DictConfig)
    hydra = config.hydra
    with ExitStack() as undo:
        undo.enter_context(_hydra_config(config))
        undo.enter_context(_restored_logging())
        configure_log(hydra.get("job_logging") or OmegaConf.create({"root": None}), hydra.verbose)
        _log_once(run.log)
        if hydra.output_subdir is not None:
            parts = {"config.yaml": task, "hydra.yaml": hydra, "overrides.yaml": hydra.overrides.task}
            for name, part in parts.items():
                _save_config(part, name, folder / hydra.output_subdir)
        if hydra.job.chdir:
            undo.enter_context(chdir(folder))
        undo.enter_context(env_override(hydra.job.env_set))
        callbacks = Callbacks(config)
        result = JobReturn(overrides=hydra.overrides.task, cfg=task, hydra_cfg=OmegaConf.create({"hydra": hydra}))
        result.task_name = hydra.job.name
        callbacks.on_job_start(config=config, task_function=train)
        try:
            yield
        except Exception as error:
            result.return_value, result.status = error, JobStatus.FAILED
            callbacks.on_job_end(config=config, job_return=result)
            raise
        result.status = JobStatus.COMPLETED
        callbacks.on_job_end(config=config, job_return=result)


@contextmanager
def _hydra_config(config: DictConfig) -> Generator[None]:
    """Lets ``HydraConfig.get()`` answer."""
    from hydra.core.hydra_config import HydraConfig

    instance = cast(Any, HydraConfig.instance())
    before, instance.cfg = instance.cfg, config
    try:
        yield
    finally:
        instance.cfg = before


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
