"""A folder of a user's own recordings as a dataset."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gesturelab.config.data import FolderConfig
from gesturelab.datasets.folder.labels import FILE, Label, read_labels, refuse_single_people
from gesturelab.datasets.folder.mirror_names import mirrored_gestures
from gesturelab.datasets.formats.files import Motion, read_frames, timed, to_motion
from gesturelab.datasets.irds.read import fingerprint
from gesturelab.datasets.recording import Dataset, Recording, Rejected, only_gestures, pack
from gesturelab.datasets.selection import chosen_gestures, spread
from gesturelab.errors import DataError, RecordingError
from gesturelab.runs.signals import raise_if_received
from gesturelab.skeletons.definition import layout, stored
from gesturelab.skeletons.landmarks import Layout, skeleton_of
from gesturelab.skeletons.skeleton import Skeleton

MADE_UP = "MADE_UP.txt"
"""A folder with this file holds motion that nobody made; every result from it says so."""


def read_folder(config: FolderConfig, labels: tuple[Label, ...] | None = None) -> Dataset:
    """Reads the recordings that the configuration asks for; those of a tracker come onto its skeleton.

    Args:
        config: Where they are, and which to keep.
        labels: What `read_labels` gave, if it was asked already.

    Raises:
        DataError: Naming file and line, if the table is wrong, nothing is left, or (strict) a recording is unusable.
        ConfigError: If the skeleton cannot be used.
    """
    root = folder_root(config)
    labels = read_labels(root) if labels is None else labels
    whose = layout(config.skeleton)
    names = sorted({label.gesture for label in labels})
    gestures = chosen_gestures(config.gestures, names)
    refuse_single_people(root, labels, [names[gesture] for gesture in gestures])
    kept = _select(config, labels, [names[gesture] for gesture in gestures])
    recordings: list[Recording] = []
    rejected: list[Rejected] = []
    for label in kept:
        raise_if_received()
        try:
            motion = read_one(root, label, whose, config)
            recordings.append(_recording(label, motion, names.index(label.gesture)))
        except RecordingError as error:
            rejected.append(Rejected(label.name, str(error)))
            if config.strict:
                raise DataError(f"{root / label.file}: {error} (data.strict=false leaves it out instead)") from error
    if not recordings:
        first = f"; {kept[0].file}: {rejected[0].reason}"
        raise DataError(f"data.root={config.root} holds no usable recording: {len(rejected)} cannot be used{first}")
    dataset = pack(
        recordings,
        source="folder",
        synthetic=(root / MADE_UP).exists(),
        gesture_names=names,
        mirrored_gestures=mirrored_gestures(names, images(labels)),
        fingerprint="",
        skeleton=skeleton_of(whose),
        rejected=sorted(rejected, key=lambda one: one.recording),
    )
    dataset = only_gestures(dataset, gestures)
    return dataclasses.replace(dataset, fingerprint=_fingerprint(dataset))


def folder_root(config: FolderConfig) -> Path:
    """The folder of recordings."""
    return Path(config.root).expanduser()


def images(labels: Sequence[Label]) -> dict[str, str]:
    """What the table says that gestures become in a mirror."""
    return {label.gesture: label.mirrored for label in labels if label.mirrored}


def read_one(root: Path, label: Label, whose: Layout, config: FolderConfig) -> Motion:
    """One recording, at the configured rate.

    Raises:
        RecordingError: If it cannot be used.
    """
    frames = read_frames(root / label.file, whose, fill_frames=config.fill_frames)
    if frames.times_ms is None and label.rate_hz is not None:
        frames = timed(frames, label.rate_hz)
    return to_motion(frames, config.rate_hz)


def folder_stamp(config: FolderConfig, labels: Sequence[Label]) -> list[Any]:
    """What changes when the table, a recording or the skeleton does."""
    root = folder_root(config)
    whose = layout(config.skeleton)
    files = [(root / label.file).stat() for label in labels]
    return [
        [dataclasses.astuple(label) for label in labels],
        [[each.st_size, each.st_mtime_ns, each.st_ctime_ns] for each in files],
        (root / MADE_UP).exists(),
        stored(whose) if isinstance(whose, Skeleton) else whose.name,
    ]


def _select(config: FolderConfig, labels: Sequence[Label], gestures: Sequence[str]) -> list[Label]:
    for key, wanted, there in (
        ("subjects", config.subjects, {label.subject for label in labels}),
        ("postures", config.postures, {label.posture for label in labels}),
    ):
        if unknown := sorted(set(wanted or ()) - there):
            raise DataError(f"data.{key}: no recording of {', '.join(unknown)}; there are {', '.join(sorted(there))}")
    kept = [
        label
        for label in labels
        if label.gesture in gestures
        and label.correctness in config.correctness
        and (config.subjects is None or label.subject in config.subjects)
        and (config.postures is None or label.posture in config.postures)
    ]
    if not kept:
        raise DataError(
            f"no recording of {folder_root(config) / FILE} has data.correctness={config.correctness}, "
            f"data.subjects={config.subjects}, data.postures={config.postures}, data.gestures={config.gestures}"
        )
    kinds = [gestures.index(label.gesture) for label in kept]
    return [kept[index] for index in spread([label.subject for label in kept], kinds, config.max_files)]


def _fingerprint(dataset: Dataset) -> str:
    """As for other recordings; what gestures become in a mirror is the user's to say, and decides results too."""
    return hashlib.sha256(json.dumps([fingerprint(dataset), dataset.mirrored_gestures]).encode()).hexdigest()


def _recording(label: Label, motion: Motion, gesture: int) -> Recording:
    return Recording(
        name=label.name,
        positions=motion.positions,
        rate_hz=motion.rate_hz,
        subject=label.subject,
        group=label.group,
        gesture=gesture,
        correctness=label.correctness,
        posture=label.posture,
    )
