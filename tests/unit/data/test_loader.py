import torch

from gesturelab.config.data import AugmentConfig, Short, Span, WindowConfig
from gesturelab.data.augment import Augment
from gesturelab.data.frames import FrameStore
from gesturelab.data.loader import TrainingLoader, WindowLoader
from gesturelab.data.windows import cut_windows

OFF = AugmentConfig(0, 0, 0, 0, 0, 0, mirror_at_test=False)
NOISY = AugmentConfig(0.5, 10, 0.01, 0.2, 0.1, 0, mirror_at_test=False)


def loader(corpus, config=OFF, **options):
    windows = cut_windows(corpus, WindowConfig(Span.sliding, 10, 10, None, Short.pad))
    store = FrameStore(corpus, windows, torch.device("cpu"))
    augment = Augment(config, corpus.skeleton, corpus.mirrored_gestures)
    index = torch.arange(len(windows)).numpy()
    return TrainingLoader(store, index, 50, augment=augment, seed=3, **options)


def shown(batches):
    return [number for batch in batches for number in batch.recordings.tolist()]


def test_an_epoch_shows_every_window_once(people_corpus):
    batches = list(loader(people_corpus))
    assert [len(batch.classes) for batch in batches] == [50, 50, 50, 50, 50, 38]  # 72 recordings, 4 windows each
    assert sorted(shown(batches)) == sorted(list(range(72)) * 4)


def test_an_epoch_depends_on_seed_and_number_only(people_corpus):
    first, second = loader(people_corpus, NOISY), loader(people_corpus, NOISY)
    list(first)  # having run before changes nothing
    first.epoch = second.epoch = 5
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours.positions, theirs.positions)
        assert torch.equal(ours.classes, theirs.classes)
    second.epoch = 6
    assert shown(first) != shown(second)


def test_processes_share_the_windows_and_take_as_many_steps(people_corpus):
    loaders = [loader(people_corpus, rank=rank, processes=5) for rank in range(5)]
    shares = [shown(part) for part in loaders]
    assert len({len(share) for share in shares}) == 1
    assert len({len(list(part)) for part in loaders}) == 1
    assert all(len(list(part)) == len(part) for part in loaders)
    seen = sorted(number for share in shares for number in share)
    assert len(seen) == 285  # 288 windows, 3 left over
    assert all(seen.count(number) <= 4 for number in set(seen))


def test_evaluation_is_in_order(people_corpus):
    windows = cut_windows(people_corpus, WindowConfig(Span.sliding, 10, 10, None, Short.pad))
    store = FrameStore(people_corpus, windows, torch.device("cpu"))
    batches = list(WindowLoader(store, torch.tensor([4, 5, 9]).numpy(), 2))
    assert shown(batches) == [1, 1, 2]
