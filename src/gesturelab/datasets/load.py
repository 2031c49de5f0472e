"""From a data configuration to a dataset, by way of the cache."""

import dataclasses
from pathlib import Path

from gesturelab.config.data import DataConfig, FolderConfig, IrdsConfig, SyntheticConfig, Target
from gesturelab.datasets.cache import cache_folder, cached
from gesturelab.datasets.folder.labels import read_labels
from gesturelab.datasets.folder.read import folder_root, folder_stamp, read_folder
from gesturelab.datasets.irds.files import irds_files
from gesturelab.datasets.irds.read import read_irds
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import ConfigError, DataError


def load(config: DataConfig) -> Dataset:
    """Reads or makes the recordings that a configuration asks for; parsing is done once, whatever the target.

    Raises:
        DataError: If they are missing or cannot be used.
        ConfigError: If there is no such data set.
    """
    dataset = dataclasses.replace(_load(config), target=config.target)
    if (
        isinstance(config, FolderConfig)
        and config.target is Target.correctness
        and len(set(dataset.classes.tolist())) < 2
    ):
        raise DataError(
            f"data.target=correctness: the {len(dataset)} recordings of data.root={config.root} are all "
            f"{dataset.class_names[dataset.classes[0]]}; say in the column correctness of labels.csv which ones are not"
        )
    return dataset


def _load(config: DataConfig) -> Dataset:
    folder = cache_folder(config.cache_dir)
    options = dataclasses.asdict(config)
    del options["cache_dir"], options["target"], options["_target_"]
    if isinstance(config, IrdsConfig):
        files = irds_files(Path(config.root), config.form)
        options["root"] = str(Path(config.root).expanduser().resolve())
        stamp = [[file.name, file.size, file.stamp] for file in files]
        return cached(folder, source="irds", options=options, stamp=stamp, build=lambda: read_irds(config, files))
    if isinstance(config, SyntheticConfig):
        from gesturelab.datasets.synthetic.generate import make_synthetic

        return cached(folder, source="synthetic", options=options, stamp=[], build=lambda: make_synthetic(config))
    if isinstance(config, FolderConfig):
        labels = read_labels(folder_root(config))
        options["root"] = str(folder_root(config).resolve())
        marks = folder_stamp(config, labels)
        return cached(folder, source="folder", options=options, stamp=marks, build=lambda: read_folder(config, labels))
    raise ConfigError(f"data: there is no data set for a {type(config).__name__}")
