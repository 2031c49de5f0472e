import dataclasses
import multiprocessing
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from irds_samples import config, simplified, standing

from gesturelab.config.data import DataConfig, GuestDataConfig, SyntheticConfig
from gesturelab.datasets import cache as cache_module
from gesturelab.datasets import load as load_module
from gesturelab.datasets import recording as recording_module
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Dataset, Motion, Recording
from gesturelab.datasets.source import RecordingSource, Unread, read_dataset
from gesturelab.errors import ConfigError, DataError
from gesturelab.skeletons.skeleton import KINECT_V2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(4):
        (folder / f"101_18_{number}_1_1_stand.txt").write_bytes(simplified(standing(20 + number, seed=number)))
    (folder / "101_18_5_1_1_stand.txt").write_bytes(b"")
    return folder


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[DataConfig]:
    """Every configuration that was read anew."""
    calls: list[DataConfig] = []

    def counted(*arguments):
        calls.append(arguments[0])
        return read_dataset(*arguments)

    monkeypatch.setattr(load_module, "read_dataset", counted)
    return calls


def assert_equal(one: Dataset, other: Dataset) -> None:
    for field in dataclasses.fields(Dataset):
        np.testing.assert_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def entries(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_the_second_start_reads_nothing(root: Path, tmp_path: Path, reads: list[DataConfig]) -> None:
    settings = config(root, cache_dir=str(tmp_path / "cache"))
    cold, warm = load(settings), load(settings)
    assert len(reads) == 1
    assert_equal(warm, read_dataset(settings))
    assert_equal(warm, cold)
    assert len(warm.rejected) == 1
    assert isinstance(warm.positions, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        warm.positions[0, 0, 0] = 1
    assert not list((tmp_path / "cache").rglob("*.pkl"))


def test_a_changed_new_or_removed_file_means_reading_again(root: Path, tmp_path: Path, reads: list[DataConfig]) -> None:
    settings = config(root, cache_dir=str(tmp_path / "cache"))
    fingerprints = {load(settings).fingerprint}
    file = root / "101_18_0_1_1_stand.txt"
    file.write_bytes(simplified(standing(20, seed=7)))
    fingerprints.add(load(settings).fingerprint)
    (root / "101_18_6_1_1_stand.txt").write_bytes(simplified(standing(20, seed=8)))
    fingerprints.add(load(settings).fingerprint)
    file.unlink()
    fingerprints.add(load(settings).fingerprint)
    assert (len(fingerprints), len(reads)) == (4, 4)
    assert len(entries(tmp_path / "cache")) == 1, "entries of older files are removed"


def test_other_options_are_another_entry(root: Path, tmp_path: Path, reads: list[DataConfig]) -> None:
    settings = config(root, cache_dir=str(tmp_path / "cache"))
    assert load(settings).rates_hz[0] == 30
    assert load(dataclasses.replace(settings, rate_hz=25.0)).rates_hz[0] == 25
    assert load(settings).rates_hz[0] == 30
    assert len(reads) == 2
    with pytest.raises(DataError, match=r"101_18_5_1_1_stand\.txt"):
        load(dataclasses.replace(settings, strict=True))


@pytest.mark.parametrize("damage", ["positions", "cut", "columns", "missing", "bit"])
def test_a_damaged_entry_is_built_again_with_a_warning(
    root: Path, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(root, cache_dir=str(tmp_path / "cache"))
    whole = load(settings)
    whole = dataclasses.replace(whole, positions=np.array(whole.positions))
    (entry,) = entries(tmp_path / "cache")
    positions = entry / "positions.npy"
    data = positions.read_bytes()
    match damage:
        case "positions":
            positions.write_bytes(b"nonsense")
        case "cut":
            positions.write_bytes(data[:-100])
        case "bit":
            positions.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "columns":
            (entry / "dataset.json").write_text('{"names": []}')
        case _:
            positions.unlink()
    assert_equal(load(settings), whole)
    assert "is damaged" in caplog.text
    caplog.clear()
    assert_equal(load(settings), whole)
    assert caplog.text == ""
    assert entries(tmp_path / "cache") == [entry]


def test_a_folder_that_cannot_be_written_costs_only_a_warning(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    dataset = load(config(root, cache_dir=str(tmp_path / "file" / "cache")))
    assert len(dataset) == 4
    assert "cannot be kept" in caplog.text


def test_the_environment_names_the_folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GESTURELAB_CACHE", str(tmp_path / "named"))
    load(config(root))
    assert len(entries(tmp_path / "named")) == 1


def _load_together(root: Path, cache: Path, barrier, answers) -> None:
    barrier.wait(timeout=60)
    answers.put(load(config(root, cache_dir=str(cache))).fingerprint)


def test_processes_may_build_at_once(root: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.Queue()
    cache = tmp_path / "cache"
    workers = [context.Process(target=_load_together, args=(root, cache, barrier, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = {answers.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join(timeout=60)
    assert found == {read_dataset(config(root)).fingerprint}
    assert len(entries(cache)) == 1


def test_synthetic_recordings_are_kept_too(tmp_path: Path, reads: list[DataConfig]) -> None:
    settings = SyntheticConfig(people=2, repetitions=1, seed=3, cache_dir=str(tmp_path / "cache"))
    assert_equal(load(settings), load(settings))
    load(dataclasses.replace(settings, seed=4))
    assert [each.seed for each in reads] == [3, 4]


def test_what_is_no_dataset_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\._target_=: cannot be imported"):
        load(DataConfig())  # which is only the keys that all datasets have


LARGE, FRAMES = 30, 2000
"""Recordings of 600 kB, and frames in each."""


def _motion(number: int) -> Motion:
    return Motion(np.full((FRAMES, 25, 3), 1 + number / 100, dtype=np.float32), 30.0)


class GivesUnread(RecordingSource):
    skeleton = KINECT_V2

    def __iter__(self) -> Iterator[Unread]:
        for number in reversed(range(LARGE)):  # the dataset is in order of name
            yield Unread(
                f"{number:03d}", f"p{number % 3}", f"g{number % 2}", read=lambda number=number: _motion(number)
            )


def gives_recordings() -> Iterator[Recording]:
    for each in GivesUnread():
        yield each.recording(KINECT_V2)


@pytest.mark.parametrize("target", [GivesUnread, gives_recordings])
def test_reading_takes_memory_for_a_recording_at_a_time_and_writes_what_numpy_would(target, tmp_path: Path) -> None:
    settings = GuestDataConfig(_target_=f"{__name__}.{target.__name__}", cache_dir=str(tmp_path / "cache"))
    in_memory = read_dataset(settings)
    tracemalloc.start()
    try:
        dataset = load(settings)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert dataset.positions.nbytes == LARGE * FRAMES * 25 * 3 * 4
    assert peak < 0.2 * dataset.positions.nbytes
    assert_equal(dataset, in_memory)
    np.save(tmp_path / "whole.npy", in_memory.positions)
    (entry,) = entries(tmp_path / "cache")
    assert (entry / "positions.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_a_disk_that_fills_up_while_recordings_are_read_costs_only_a_warning(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def write_some(path: Path, joints: int, parts: Iterator[np.ndarray]) -> None:
        path.write_bytes(next(iter(parts)).tobytes())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recording_module, "_write_positions", write_some)
    settings = config(root, cache_dir=str(tmp_path / "cache"))
    assert_equal(load(settings), read_dataset(settings))
    assert "cannot be kept" in caplog.text
    assert "No space left" in caplog.text
    assert entries(tmp_path / "cache") == []


def test_what_a_killed_process_left_is_removed_after_a_day_and_not_before(root: Path, tmp_path: Path) -> None:
    settings = config(root, cache_dir=str(tmp_path / "cache"))
    load(settings)
    (entry,) = entries(tmp_path / "cache")
    at_work, killed = (tmp_path / "cache" / f".{entry.name}.{end}" for end in ("working", "killed"))
    for beside in (at_work, killed):
        beside.mkdir()
        (beside / "positions.npy").write_bytes(b"half")
    long_ago = time.time() - cache_module.ABANDONED_S - 60
    for path in (killed / "positions.npy", killed):
        os.utime(path, (long_ago, long_ago))
    (root / "101_18_6_1_1_stand.txt").write_bytes(simplified(standing(20, seed=8)))
    load(settings)
    assert at_work.exists()
    assert not killed.exists()
