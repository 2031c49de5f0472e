"""The sweeper ``hydra/sweeper=optuna``. Hydra finds it by the name of this package; see `gesturelab.sweeps.search`.

Hydra imports this file at each start of any of its applications, so nothing heavy is imported at the top.
"""

import sys
from importlib.util import find_spec
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gesturelab.config.sweeps import SearchConfig
from gesturelab.errors import ConfigError
from hydra_plugins.gesturelab_launchers import FolderLauncher, LocalLauncher, to_plain_values


class OptunaSweeper(Sweeper):
    """Searches hyperparameters; each trial is an ordinary job, or several, of the sweep."""

    def __init__(self, **options: Any) -> None:
        self._values = to_plain_values(options)
        self._options: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra gives, and checks the options.

        Raises:
            ConfigError: If an option is wrong, the launcher is not one of gesturelab's, or Optuna is not installed.
        """
        if find_spec("optuna") is None:
            raise ConfigError("hydra/sweeper=optuna needs Optuna: pip install 'gesturelab[search]'")
        self._options = SearchConfig(**self._values)
        self.config = config
        self.hydra_context = hydra_context
        if config.hydra.launcher._target_ == "hydra._internal.core_plugins.basic_launcher.BasicLauncher":
            self.launcher = LocalLauncher(n_jobs=1, threads=None, gpus=None, jobs_per_gpu=1)
            self.launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        else:
            self.launcher = Plugins.instance().instantiate_launcher(
                hydra_context=hydra_context, task_function=task_function, config=config
            )
        if not isinstance(self.launcher, FolderLauncher):
            raise ConfigError("hydra/sweeper=optuna needs a launcher of gesturelab's, such as hydra/launcher=local")
        if self.launcher.detached:
            raise ConfigError("hydra.launcher.detach=true: a search must wait for its trials to know what to try next")

    def sweep(self, arguments: list[str]) -> Any:
        """Searches.

        Raises:
            SystemExit: With status 1, unless all trials have ended well, diverged or were pruned.
        """
        from gesturelab.sweeps.search.request import read_request

        assert self.config is not None
        assert self.hydra_context is not None
        loader = cast(ConfigLoaderImpl, self.hydra_context.config_loader)
        request = read_request(loader, self.config, arguments, self._options)
        launcher = cast(FolderLauncher, self.launcher)
        launcher.check([])
        from gesturelab.sweeps.search.search import run_search  # Optuna takes half a second

        if not run_search(request, self.config, launcher.launch_jobs):
            sys.exit(1)
        return []
