"""The door for datasets: each kind of guest gives the same dataset, only what is used is read, changes are noticed."""

import sys
from pathlib import Path

import numpy as np
import pytest

from gesturelab.config.composing import compose
from gesturelab.config.data import GuestDataConfig
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import ConfigError

CODE = """
from pathlib import Path
import numpy as np
from gesturelab.datasets.recording import Motion, Recording
from gesturelab.datasets.source import RecordingSource, Unread

READ = []

def positions(name):
    READ.append(name)
    return np.random.default_rng(sum(map(ord, name))).normal(1, 0.1, (20, 25, 3)).astype("float32")

def names():
    gestures = ("up left", "up right")
    return [(f"{person}-{gesture}", f"p{person}", gesture) for person in range(4) for gesture in gestures]

def generator(root="."):
    for name, subject, gesture in names():
        yield Recording(name, positions(name), 30.0, subject, gesture)

def function(root="."):
    return list(generator())

class Iterated:
    def __init__(self, root="."):
        pass
    def __iter__(self):
        return generator()

class Called:
    def __init__(self, root="."):
        pass
    def __call__(self):
        return function()

class Derived(RecordingSource):
    def __init__(self, root="."):
        self.root = root
        from gesturelab.skeletons.skeleton import KINECT_V2
        self.skeleton = KINECT_V2
    def __iter__(self):
        for name, subject, gesture in names():
            yield Unread(name, subject, gesture, lambda name=name: Motion(positions(name), 30.0))

nothing = 3
"""


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module of guests."""
    module = f"guest_{abs(hash(request.node.name))}"
    (tmp_path / f"{module}.py").write_text(CODE)
    (tmp_path / "files").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    return module


def read(target: str, tmp_path: Path, **keys) -> Dataset:
    arguments = {"root": str(tmp_path / "files")}
    return load(GuestDataConfig(_target_=target, cache_dir=str(tmp_path / "cache"), arguments=arguments, **keys))


@pytest.mark.parametrize("kind", ["generator", "function", "Iterated", "Called", "Derived"])
def test_each_kind_of_guest_gives_the_same_recordings(guest, tmp_path, kind):
    dataset = read(f"{guest}.{kind}", tmp_path)
    assert (dataset.source, dataset.gesture_names, dataset.mirrored_gestures) == (kind, ("up left", "up right"), (1, 0))
    assert dataset.subjects == ("p0", "p0", "p1", "p1", "p2", "p2", "p3", "p3")
    expected = sys.modules[guest].positions("2-up left")
    np.testing.assert_array_equal(dataset[dataset.names.index("2-up left")].positions, expected)
    some = read(f"{guest}.{kind}", tmp_path, subjects=["p1", "p3"], gestures=["up right"])
    assert (some.names, some.mirrored_gestures) == (("1-up right", "3-up right"), (-1,))


def test_only_what_is_used_is_read_and_only_once(guest, tmp_path):
    for _ in range(2):
        dataset = read(f"{guest}.Derived", tmp_path, max_files=3)
    assert sorted(sys.modules[guest].READ) == sorted(dataset.names)
    assert len(dataset) == 3


def test_changed_files_or_code_are_read_again(guest, tmp_path):
    for turn in range(1, 4):
        read(f"{guest}.generator", tmp_path)
        assert len(sys.modules[guest].READ) == 8 * turn
        read(f"{guest}.generator", tmp_path)
        assert len(sys.modules[guest].READ) == 8 * turn
        if turn == 1:
            (tmp_path / "files" / "new").write_text("a file")
        else:
            (tmp_path / f"{guest}.py").write_text(CODE + "# changed\n")


def test_what_is_no_dataset_is_refused(guest, tmp_path):
    with pytest.raises(ConfigError, match=r"data\._target_=.*nothing: must be a class or function, not int"):
        read(f"{guest}.nothing", tmp_path)


def test_the_keys_of_every_dataset_are_there_for_guests(guest, tmp_path):
    (tmp_path / "conf" / "data").mkdir(parents=True)
    defaults = "defaults:\n  - /schema/dataset@_here_\n  - _self_\n"
    (tmp_path / "conf" / "data" / "mine.yaml").write_text(f"{defaults}_target_: {guest}.Derived\nroot: here\n")
    config = compose(["data=mine", "data.max_files=2", "data.root=there"], tmp_path / "conf").data
    assert (config.max_files, config.source, config.arguments) == (2, "Derived", {"root": "there"})
    config.move("elsewhere")
    assert config.arguments == {"root": "elsewhere"}
