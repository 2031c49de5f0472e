"""UTKinect-Action3D: actions cut out by their labels, and the facts of the published files where they are present."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gesturelab.config.composing import compose
from gesturelab.datasets.recording import Dataset
from gesturelab.datasets.source import open_source, read_dataset
from gesturelab.datasets.untrimmed import Interval, UntrimmedRecording
from gesturelab.errors import ConfigError, DataError

REAL = Path(os.environ.get("GESTURELAB_UTKINECT", Path(__file__).parents[4] / "shared" / "utkinect"))


def read(root: Path, *overrides: str) -> Dataset:
    return read_dataset(compose(["data=utkinect", f"data.root={root}", *overrides]).data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two people; the x of every joint is the frame's number / 100; a frame is repeated, two are missing."""
    for sequence in ("s01_e01", "s02_e01"):
        numbers = [*range(100, 120, 2), 118, *range(124, 160, 2)]
        rows = [f"{number} " + f" {number / 100} 1 2" * 20 for number in numbers]
        (tmp_path / f"joints_{sequence}.txt").write_text("\n".join(rows) + "\n")
    labels = "walk: 104 130\nsitDown: 140 150 \ncarry: NaN NaN\n"
    (tmp_path / "actionLabel.txt").write_text(f"s01_e01\n{labels}s02_e01\n{labels}")
    return tmp_path


def test_actions_are_cut_out_by_their_frames(root):
    dataset = read(root)
    assert dataset.names == ("s01_e01_sitDown", "s01_e01_walk", "s02_e01_sitDown", "s02_e01_walk")
    assert [left.recording for left in dataset.rejected] == ["s01_e01_carry", "s02_e01_carry"]
    np.testing.assert_allclose(dataset[1].positions[:, 7, 0], np.arange(104, 131, 2) / 100, atol=1e-6)
    assert (dataset[1].subject, dataset[1].gesture, dataset[1].rate_hz) == ("s01", "walk", 15)


def test_labels_that_mend_others_come_first(root):
    text = (root / "actionLabel.txt").read_text()
    (root / "actionLabel_modified.txt").write_text(text.replace("104 130", "104 118"))
    assert len(read(root)[1].positions) == 8
    (root / "actionLabel_modified.txt").write_text(text.replace("walk:", "fly:"))
    with pytest.raises(DataError, match=r"actionLabel_modified\.txt, line 2: 'fly: 104 130' is no action"):
        read(root)
    for path in root.glob("actionLabel*"):
        path.unlink()
    with pytest.raises(DataError, match=r"holds no actionLabel_modified\.txt or actionLabel\.txt"):
        read(root)


def untrimmed(root: Path) -> list[UntrimmedRecording]:
    return list(open_source(compose(["data=utkinect", f"data.root={root}"]).data).untrimmed())


def test_untrimmed_recordings_have_all_frames_and_their_intervals(root):
    first, second = untrimmed(root)
    assert (first.name, first.subject, second.subject, first.motion.rate_hz) == ("s01_e01", "s01", "s02", 15)
    np.testing.assert_allclose(first.motion.positions[:, 7, 0], np.arange(100, 159, 2) / 100, atol=1e-6)
    assert first.intervals == (Interval(4 / 30, 1.0, "walk"), Interval(40 / 30, 50 / 30, "sitDown"))
    (root / "joints_s02_e01.txt").write_text("100 1 2 3\n")
    with pytest.raises(DataError, match=r"joints_s02_e01\.txt: it holds 4 numbers; a frame has 61"):
        untrimmed(root)


def test_windows_are_called_after_their_middle(root):
    dataset = read_dataset(
        compose(
            [
                "data=utkinect_untrimmed",
                f"data.root={root}",
                "data.window_s=0.4",
                "data.every_s=0.2",
                "data.strict=true",
            ]
        ).data
    )
    own = [number for number, subject in enumerate(dataset.subjects) if subject == "s01"]
    starts = np.array([int(dataset.names[number].rpartition("_")[2].removesuffix("ms")) for number in own]) / 1000
    np.testing.assert_allclose(starts, np.arange(0, 1.5, 0.2), atol=1e-3)
    for number, start_s in zip(own, starts, strict=True):
        recording, frame = dataset[number], 100 + 30 * start_s + np.arange(0, 13, 2)
        np.testing.assert_allclose(recording.positions[:, 7, 0], frame / 100, atol=1e-3)
        middle = frame.mean()
        expected = "walk" if 104 <= middle <= 130 else "sitDown" if 140 <= middle <= 150 else "background"
        assert recording.gesture == expected


def test_windows_of_no_duration_are_refused(root):
    with pytest.raises(ConfigError, match=r"data\.every_s=0: must be above 0"):
        open_source(compose(["data=utkinect_untrimmed", f"data.root={root}", "data.every_s=0"]).data)


def test_the_published_files():
    if not REAL.is_dir():
        pytest.skip(f"UTKinect-Action3D is not at {REAL} (set GESTURELAB_UTKINECT)")
    dataset = read(REAL)
    assert (len(dataset), len(dataset.people)) == (199, 10)
    assert [left.recording for left in dataset.rejected] == ["s10_e02_carry"]
    counts = Counter(dataset[at].gesture for at in range(len(dataset)))
    assert counts == {name: 19 if name == "carry" else 20 for name in dataset.gesture_names}
    assert 1 < np.median(dataset.seconds) < 5
    recordings = untrimmed(REAL)
    assert (len(recordings), sum(len(each.intervals) for each in recordings)) == (20, 199)
    assert 2200 < sum(each.seconds for each in recordings) < 2300
    for each in recordings:
        assert all(0 <= one.start_s < one.end_s <= each.seconds + 0.1 for one in each.intervals)
