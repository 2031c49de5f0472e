"""Composes the jobs of a sweep: Hydra once for each choice of options, then each job's values on a copy."""

import copy
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import InterpolationToMissingValueError

from gesturelab.config.composing import typed
from gesturelab.errors import ConfigError, GesturelabError
from gesturelab.runs.signals import raise_if_received
from gesturelab.sweeps.hydra_job import hydra_settings
from gesturelab.sweeps.plan import Composed

UNUSED = ("help", "hydra_help", "hydra_logging", "job_logging")
"""Parts of Hydra's own configuration that no job refers to; copying them takes half the time."""
JOB_LOGGING = "run"
"""The option of ``hydra/job_logging`` whose lines a launcher's jobs write anyway."""


class JobComposer:
    """Composes as Hydra does, ten times faster when jobs differ in values only.

    Hydra needs 0.2 s for a composition; nearly all of it goes into the choice of options.

    Args:
        loader: Hydra's.
        master: The configuration of the whole sweep.
        fixed: Keys that are the same in all jobs, and so are no part of a folder's name.
    """

    def __init__(self, loader: ConfigLoaderImpl, master: DictConfig, fixed: Collection[str]) -> None:
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create(config_loader=loader)
        self._choices = set(master.hydra.runtime.choices)
        excluded = {*fixed, *master.hydra.job.config.override_dirname.exclude_keys}
        quoted = ",".join(f"'{key}'" for key in sorted(excluded))
        self.naming = [f"hydra.job.config.override_dirname.exclude_keys=[{quoted}]"]
        """Overrides for Hydra that leave what is fixed out of ``hydra.job.override_dirname``."""
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        own_logging = master.hydra.runtime.choices["hydra/job_logging"] != JOB_LOGGING
        self._unused = [key for key in UNUSED if not (own_logging and key == "job_logging")]

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration of one job, with ``hydra`` but for its texts and logging.

        Raises:
            hydra.errors.HydraException: If an option or key does not exist.
        """
        parsed = self._parser.parse_overrides(list(overrides))
        values = [override for override in parsed if self._is_value(override)]
        options = [override for override in parsed if not self._is_value(override)]
        if any(override.key_or_group not in self._choices for override in options):
            return copy.deepcopy(self._base(tuple(overrides)))  # it adds or deletes keys: the order may matter
        composed = copy.deepcopy(self._base(tuple(str(override.input_line) for override in options)))
        ConfigLoaderImpl._apply_overrides_to_config(values, composed)  # pyright: ignore[reportPrivateUsage]
        with open_dict(composed):
            composed.hydra.overrides.task = list(overrides)
            naming = composed.hydra.job.config.override_dirname
            composed.hydra.job.override_dirname = get_overrides_dirname(
                overrides=parsed,
                kv_sep=naming.kv_sep,
                item_sep=naming.item_sep,
                exclude_keys=naming.exclude_keys,
            )
        return composed

    def _is_value(self, override: Override) -> bool:
        return (
            override.type is OverrideType.CHANGE
            and override.package is None
            and override.key_or_group not in self._choices
            and "/" not in override.key_or_group
        )

    def _base(self, overrides: tuple[str, ...]) -> DictConfig:
        if overrides not in self._bases:
            base = self._loader.load_sweep_config(self._master, [*self.naming, *overrides])
            with open_dict(base.hydra):
                for key in self._unused:
                    del base.hydra[key]
            self._bases[overrides] = base
        return self._bases[overrides]


def make_job(config: DictConfig, overrides: Sequence[str], varying: str, number: int) -> Composed:
    """Makes a job of a configuration, after checking it as training will.

    Args:
        config: With ``hydra``.
        overrides: What Hydra was given.
        varying: Those of them that vary over the sweep.
        number: Its place in the sweep, from 0: ``hydra.job.num``.

    Raises:
        ConfigError: If a value breaks a rule, or the folder's name holds the number.
    """
    raise_if_received()  # there may be many
    try:
        root, name = Path(config.hydra.sweep.dir), str(config.hydra.sweep.subdir)
    except InterpolationToMissingValueError as error:
        raise ConfigError(
            f"hydra.sweep.subdir: {str(error).splitlines()[0].rpartition(': ')[2]} cannot name a folder, for the same "
            "command must find it again when values are added; leave it out, or use ${hydra.job.override_dirname}"
        ) from error
    with read_write(config), open_dict(config):
        config.hydra.job.id = config.hydra.job.num = number
        config.hydra.runtime.output_dir = str((root / name).absolute())
        settings = hydra_settings(config.hydra)
        cast(Any, HydraConfig.instance()).cfg = _take_out(config, "hydra")  # for ${hydra:...} in values
    try:
        typed(config)
    except GesturelabError as error:
        raise ConfigError(f"{error} (in the job {varying or name})") from error
    return Composed(
        overrides=tuple(overrides),
        varying=varying,
        root=root,
        name=name,
        size=str(config.model.name),
        device=str(config.trainer.device),
        devices=int(config.trainer.devices),
        nodes=int(config.trainer.num_nodes),
        number=number,
        text=OmegaConf.to_yaml(config, resolve=True),
        hydra=settings,
    )


def _take_out(config: DictConfig, key: str) -> DictConfig:
    """A configuration of one key, which the other no longer has; a copy would take a sixth of the composition."""
    holder, node = OmegaConf.create(), cast(Any, config)._get_node(key)
    del config[key]
    node._set_parent(holder)
    cast(Any, holder).__dict__["_content"][key] = node
    return holder
