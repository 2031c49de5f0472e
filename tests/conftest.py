"""What several tests share: a dataset with answers worked out by hand, and the real recordings if they are here."""

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side on two cores

import numpy as np
import pytest
from hypothesis import settings

from gesturelab.datasets.recording import Dataset, Recording, pack
from gesturelab.runs import signals
from slurm_testbed import testbed  # noqa: F401 - a fixture
from trained import trained_run  # noqa: F401 - a fixture

# a job in the background inherits an ignored Ctrl-C, and so would the processes that tests begin
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
SLOW = {
    "config": ("conf", "reference"),
    "datasets": ("irds", "msr_action3d", "quality", "synthetic", "target", "utkinect"),
    "doctor": ("doctor_child", "doctor_command", "doctor_listen", "largest_batch"),
    "export": ("bundle", "onnx", "stateful"),
    "report": ("figures", "joined_figures", "page", "ranks_figure"),
    "serve": ("serve",),
    "stream": ("learned_segments", "live_recogniser", "session"),
    "sweeps": ("at_once", "compose", "local", "search_space", "slurm"),
    "training": ("device", "latency"),
    "unit": ("fuzzing", "hostile_files"),
}
"""Unit tests that train, draw, start processes or compose every option, by folder and file: not in `make check`.

Measured with ``pytest --durations=0``: they take five sixths of the time of tests/unit.
"""


def is_slow(path: Path) -> bool:
    """Whether all tests of a file are slow unit tests."""
    return path.is_relative_to(TESTS / "unit") and path.stem.removeprefix("test_") in SLOW.get(path.parent.name, ())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that `-m` leaves out are not even imported by `make check`."""
    return True if config.option.markexpr == "unit and not slow" and is_slow(collection_path) else None


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks follow folders: `unit`, `integration` and `slurm`. Files with slow tests come first: none is left last."""
    for item in items:
        if item.path.is_relative_to(TESTS):
            item.add_marker(item.path.relative_to(TESTS).parts[0])
            if is_slow(item.path):
                item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


settings.register_profile("gesturelab", deadline=None)  # time says something about the machine only
settings.load_profile("gesturelab")

IRDS = Path(os.environ.get("GESTURELAB_IRDS", Path(__file__).parents[2] / "shared" / "irds"))


@pytest.fixture(scope="session")
def irds_root() -> Path:
    """The real recordings; skips, saying so, where they are absent."""
    if not IRDS.is_dir():
        pytest.skip(f"real IntelliRehabDS recordings are not at {IRDS} (set GESTURELAB_IRDS)")
    return IRDS


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals are roughly right, and soon there."""
    monkeypatch.setattr("gesturelab.evaluation.result.DRAWS", 500)
    monkeypatch.setattr("gesturelab.evaluation.result.GUEST_DRAWS", 50)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A command that a test calls in this process answers signals until the process ends; the next test must not."""
    yield
    signals.stop_listening()


@pytest.fixture(scope="module", autouse=True)
def _measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """Commands of a module that says `UNMEASURED = True` are not traced for coverage, which slows them."""
    with pytest.MonkeyPatch.context() as patch:
        if getattr(request.module, "UNMEASURED", False):
            for name in [name for name in os.environ if name.startswith("COV")]:
                patch.delenv(name)
        yield


def walker(
    name: str, frames: int, *, subject: str = "101", gesture: int = 0, rate_hz: float = 30.0, group: str | None = None
) -> Recording:
    """A recording whose joint j stands at x = frame, y = j, z = 2 in frame `frame` (metres / 100)."""
    positions = np.zeros((frames, 25, 3), dtype=np.float32)
    positions[:, :, 0] = np.arange(frames)[:, None] / 100
    positions[:, :, 1] = np.arange(25) / 100
    positions[:, :, 2] = 2
    return Recording(
        name=name,
        positions=positions,
        rate_hz=rate_hz,
        subject=subject,
        group=group or ("patient" if subject.startswith("2") else "healthy"),
        gesture=str(gesture),
        correctness=1,
        posture="stand",
    )


def dataset_of(recordings: Sequence[Recording], gestures: Sequence[str] = ("left", "right", "both")) -> Dataset:
    """A dataset of recordings; gestures 0 and 1 are each other's mirror image."""
    return pack(
        [replace(recording, gesture=gestures[int(recording.gesture)]) for recording in recordings],
        source="made by hand",
        synthetic=True,
        gesture_names=gestures,
        mirrored_gestures=(1, 0, *range(2, len(gestures))),
        fingerprint="hand",
    )


@pytest.fixture
def people_dataset() -> Dataset:
    """Twelve people (six patients), three gestures each, twice; 40 frames a recording."""
    return dataset_of(
        [
            walker(f"{person}_{gesture}_{again}", 40, subject=str(person), gesture=gesture)
            for person in (*range(101, 107), *range(201, 207))
            for gesture in range(3)
            for again in range(2)
        ]
    )
