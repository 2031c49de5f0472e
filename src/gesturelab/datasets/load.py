"""From a data configuration to a dataset, by way of the cache."""

from dataclasses import replace

from gesturelab.config.data import DataConfig, Target
from gesturelab.datasets.cache import cache_folder, cached
from gesturelab.datasets.recording import Dataset
from gesturelab.datasets.source import open_source, options_of, read_dataset, stamp_of
from gesturelab.errors import DataError


def load(config: DataConfig) -> Dataset:
    """The recordings that a configuration asks for; they are parsed once, whatever the target.

    Raises:
        DataError: If they are missing or cannot be used.
        ConfigError: If there is no such dataset.
    """
    source = open_source(config)
    dataset = cached(
        cache_folder(config.cache_dir),
        source=config.source,
        options=options_of(config),
        stamp=stamp_of(config, source),
        build=lambda file: read_dataset(config, source, file),
    )
    dataset = replace(dataset, target=config.target)
    own = dataset.mirror_key  # whoever says what a gesture becomes in a mirror labels the recordings too
    if own and config.target is Target.correctness and len(set(dataset.classes.tolist())) < 2:
        raise DataError(
            f"data.target=correctness: the {len(dataset)} recordings used are all "
            f"{dataset.class_names[dataset.classes[0]]}; their labels must say which ones are not (in a folder of your "
            "own the column correctness of labels.csv)"
        )
    return dataset
