"""Gathers all facts about this machine and this installation."""

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from gesturelab.config.training import TrainConfig
from gesturelab.datasets.cache import cache_folder
from gesturelab.doctor.child import Request
from gesturelab.doctor.facts import Asked, Facts, Package
from gesturelab.doctor.listen import listen
from gesturelab.doctor.system import chosen, find_cores, find_driver, find_folder, find_slurm
from gesturelab.training.provenance import versions

ENVIRONMENT_OF_ITS_OWN = "peers"
"""The extra whose packages belong into another environment."""


def probe(config: TrainConfig, request: Request, working: Callable[[str], None] = lambda _: None) -> Facts:
    """Looks at everything.

    Args:
        config: What a training would be configured to.
        request: The same as overrides, and how much to compute.
        working: Is called with the size that is being computed.
    """
    environment = chosen(os.environ)
    heard = listen(request, working=working)
    trainer = config.trainer
    return Facts(
        asked=Asked(
            config.model.name,
            trainer.device.value,
            trainer.devices,
            trainer.precision.value,
            trainer.batch_size,
            config.window.length_frames,
            trainer.num_nodes,
            trainer.threads,
        ),
        versions=versions(),
        packages=find_packages(),
        torch=heard.torch,
        torch_error=heard.torch_error,
        driver=find_driver(),
        environment=environment,
        slurm=find_slurm(),
        folders=(
            find_folder("outputs", Path("outputs")),
            find_folder("multirun", Path("multirun")),
            find_folder("cache", cache_folder(config.data.cache_dir)),
        ),
        cores=find_cores(),
        shapes=heard.shapes,
        comparisons=tuple(heard.comparisons),
        not_compared=heard.not_compared,
    )


def find_packages(of: str = "gesturelab") -> tuple[Package, ...]:
    """What the metadata of an installed package names, with versions here; empty if it is not installed."""
    try:
        lines = requires(of) or []
    except PackageNotFoundError:
        return ()
    found: list[Package] = []
    for wanted in map(Requirement, lines):
        extra = _extra(wanted)
        if extra is not None and extra != ENVIRONMENT_OF_ITS_OWN:
            found.append(Package(wanted.name, str(wanted.specifier), _installed(wanted.name), extra))
    return tuple(found)


def _extra(wanted: Requirement) -> str | None:
    """Which extra wants it; empty for none, None if it is not for this Python or system."""
    if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
        return ""
    names = str(wanted.marker).split('extra == "')[1:]
    return next((name for part in names if wanted.marker.evaluate({"extra": (name := part.split('"')[0])})), None)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
