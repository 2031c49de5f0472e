import numpy as np
import torch

from gesturelab.config.data import AugmentConfig, Short, Span, WindowConfig
from gesturelab.preprocessing.augmentation import Augment
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.windows import cut_windows
from gesturelab.splits.split import Subsets
from gesturelab.training.datamodule import GestureData, TrainingLoader, WindowLoader

OFF = AugmentConfig(0, 0, 0, 0, 0, 0, mirror_at_test=False)
NOISY = AugmentConfig(0.5, 10, 0.01, 0.2, 0.1, 0, mirror_at_test=False)


def loader(dataset, config=OFF, **options):
    windows = cut_windows(dataset, WindowConfig(Span.sliding, 10, 10, None, Short.pad))
    store = FrameStore(dataset, windows, torch.device("cpu"))
    augment = Augment(config, dataset.skeleton, dataset.mirrored_gestures)
    index = torch.arange(len(windows)).numpy()
    return TrainingLoader(store, index, 50, augment=augment, seed=3, **options)


def shown(batches):
    return [number for batch in batches for number in batch.recordings.tolist()]


def test_an_epoch_shows_every_window_once(people_dataset):
    batches = list(loader(people_dataset))
    assert [len(batch.classes) for batch in batches] == [50, 50, 50, 50, 50, 38]  # 72 recordings, 4 windows each
    assert sorted(shown(batches)) == sorted(list(range(72)) * 4)


def test_an_epoch_of_several_passes_shows_every_window_in_each(people_dataset):
    several = loader(people_dataset, passes=3)
    batches = list(several)
    assert [len(batch.classes) for batch in batches] == [50, 50, 50, 50, 50, 38] * 3
    assert len(several) == 18
    every = sorted(list(range(72)) * 4)
    passes = [shown(batches)[start : start + 288] for start in (0, 288, 576)]
    assert [sorted(each) for each in passes] == [every] * 3
    assert passes[0] != passes[1] != passes[2]


def test_an_epoch_depends_on_seed_and_number_only(people_dataset):
    first, second = loader(people_dataset, NOISY), loader(people_dataset, NOISY)
    list(first)  # having run before changes nothing
    first.epoch = second.epoch = 5
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours.positions, theirs.positions)
        assert torch.equal(ours.classes, theirs.classes)
    second.epoch = 6
    assert shown(first) != shown(second)


def test_processes_share_the_windows_and_take_as_many_steps(people_dataset):
    loaders = [loader(people_dataset, rank=rank, processes=5) for rank in range(5)]
    shares = [shown(part) for part in loaders]
    assert len({len(share) for share in shares}) == 1
    assert len({len(list(part)) for part in loaders}) == 1
    assert all(len(list(part)) == len(part) for part in loaders)
    seen = sorted(number for share in shares for number in share)
    assert len(seen) == 285  # 288 windows, 3 left over
    assert all(seen.count(number) <= 4 for number in set(seen))


def test_evaluation_is_in_order(people_dataset):
    windows = cut_windows(people_dataset, WindowConfig(Span.sliding, 10, 10, None, Short.pad))
    store = FrameStore(people_dataset, windows, torch.device("cpu"))
    batches = list(WindowLoader(store, torch.tensor([4, 5, 9]).numpy(), 2))
    assert shown(batches) == [1, 1, 2]


def test_of_many_training_recordings_all_windows_of_a_sample_are_scored(people_dataset):
    windows = cut_windows(people_dataset, WindowConfig(Span.sliding, 10, 10, None, Short.pad))
    recordings = np.unique(windows.recording)
    train, rest = (np.flatnonzero(np.isin(windows.recording, part)) for part in (recordings[:48], recordings[48:]))
    augment = Augment(OFF, people_dataset.skeleton, people_dataset.mirrored_gestures)

    def scored(count):
        options = {"augment": augment, "batch_size": 8, "seed": 1, "scored_training_recordings": count}
        return GestureData(
            people_dataset, windows, Subsets(train, rest[:40], rest[40:], leaky=False), **options
        ).scored_train

    for all_of_them in (None, 48, 49):
        assert np.array_equal(scored(all_of_them), train)
    sample = scored(12)
    ids = np.unique(windows.recording[sample])
    assert len(ids) == 12
    assert set(ids) <= set(windows.recording[train])
    assert np.array_equal(sample, np.flatnonzero(np.isin(windows.recording, ids)))
    assert np.bincount(people_dataset.classes[ids]).tolist() == [4, 4, 4]
