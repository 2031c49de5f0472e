"""Registers the schemas with Hydra, and finds conf/."""

import hashlib
import re
import unicodedata
from dataclasses import fields
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from gesturelab.config import data, split, sweeps, training
from gesturelab.config.options import target_of, to_plain
from gesturelab.config.typed import GROUPS

SCHEMAS: dict[str, type] = {
    **{each.NAME: each for each in data.DATASETS},
    **{target_of(each).rpartition(".")[2]: each for each in split.SPLITS},
    "window": data.WindowConfig,
    "features": data.FeaturesConfig,
    "augment": data.AugmentConfig,
    "lstm": training.LSTMConfig,
    "cross_entropy": training.CrossEntropyConfig,
    "adam": training.AdamConfig,
    "sgd": training.SgdConfig,
    "constant": training.ConstantConfig,
    "cosine": training.CosineConfig,
    "plateau": training.PlateauConfig,
    "trainer": training.TrainerConfig,
    "early_stopping": training.EarlyStoppingConfig,
    "weight_averaging": training.WeightAveragingConfig,
    "logger": training.LoggerConfig,
    "local_launcher": sweeps.LocalLauncherConfig,
    "shared_process_launcher": sweeps.SharedProcessLauncherConfig,
    "slurm_launcher": sweeps.SlurmLauncherConfig,
    "optuna_sweeper": sweeps.SearchConfig,
    "mlflow": training.MlflowConfig,
    "wandb": training.WandbConfig,
}
"""Each schema by the name under which a file in conf/ begins with it: ``/schema/<name>@_here_``."""


LONGEST_FOLDER_NAME = 100
"""Bytes in UTF-8; most file systems take 255, but paths grow."""


def conf_dir() -> Path:
    """The folder conf/: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


_search_path: list[str] = []


def search_in(folder: Path) -> None:
    """Lets a ``_target_`` name the Python files in a user's folder of options."""
    folder = folder.expanduser().resolve()
    _search_path[:] = [str(folder)] if any(folder.glob("*.py")) or any(folder.glob("*/__init__.py")) else []


def register() -> None:
    """Puts the schemas into Hydra's store; repeated calls change nothing."""
    OmegaConf.register_new_resolver("search_path", lambda: list(_search_path), replace=True)
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
    store = ConfigStore.instance()
    if "train_schema.yaml" in store.repo:
        return
    root = OmegaConf.structured(training.TrainConfig)
    for group in (*GROUPS, "callbacks", "logger"):
        root[group] = MISSING  # conf/train.yaml chooses an option
    store.store(name="train_schema", node=root)
    for name, schema in SCHEMAS.items():
        open_group = hasattr(schema, "FREE")  # takes keys that no schema knows
        store.store(group="schema", name=name, node=to_plain(schema()) if open_group else schema)
    keys = {each.name: getattr(data.DataConfig(), each.name) for each in fields(data.DataConfig)}
    store.store(group="schema", name="dataset", node=keys)  # those of every dataset; a guest's file adds its own


def job_folder(overrides: str) -> str:
    """A folder's name from what varies in a sweep: safe on every file system, and at most 100 bytes.

    >>> job_folder("model=tiny,seed=1")
    'model=tiny,seed=1'
    >>> job_folder("data.root=../a b/c")
    'data.root=.._a_b_c-9ff65b'
    >>> job_folder("")
    'job'
    """
    safe = re.sub(r"[^\w.,=+@-]", "_", unicodedata.normalize("NFC", overrides)) or "job"
    kept = safe.encode()
    if safe in (overrides, "job") and len(kept) <= LONGEST_FOLDER_NAME and not safe.endswith("."):
        return safe
    mark = hashlib.sha256(overrides.encode()).hexdigest()[:6]
    return f"{kept[: LONGEST_FOLDER_NAME - 7].decode(errors='ignore')}-{mark}"
