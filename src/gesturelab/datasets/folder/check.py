"""A quality report on a folder of a user's own recordings: what is there, and every defect by name."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from gesturelab.config.data import DataConfig
from gesturelab.datasets.folder.labels import FILE, Label, read_labels
from gesturelab.datasets.folder.read import MADE_UP, images
from gesturelab.datasets.formats.files import Frames, own_rate_hz, read_frames, to_motion
from gesturelab.datasets.irds.parse import Track
from gesturelab.datasets.irds.quality import (
    Counts,
    Finding,
    Report,
    check_track,
    frame_hashes,
    in_order,
    shared_frames,
)
from gesturelab.datasets.mirror_names import mirror_in_words, mirrored_gestures
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import RecordingError
from gesturelab.skeletons.definition import layout

FORM = "folder"
FEW_PEOPLE = 3
"""A gesture needs as many people: one to learn from, one for validation, one to test."""


@dataclass(frozen=True)
class FolderReport:
    """What `check_folder` and `check_dataset` find.

    Attributes:
        report: Counts and defects.
        notes: What a user should know before training, a sentence each.
    """

    report: Report
    notes: tuple[str, ...]


def check_folder(root: Path, *, skeleton: str, rate_hz: float, window: int = 20) -> FolderReport:
    """Reads every recording of a folder with labels.csv and looks for defects.

    Args:
        root: The folder.
        skeleton: As ``data.skeleton``.
        rate_hz: As ``data.rate_hz``.
        window: Recordings with fewer frames are reported as short.

    Raises:
        DataError: If labels.csv is wrong.
        ConfigError: If there is no such skeleton.
    """
    labels = read_labels(root)
    whose = layout(skeleton)
    findings: list[Finding] = []
    tracks: dict[str, Track] = {}
    own: list[float] = []
    without_times = 0
    for label in labels:
        try:
            read = read_frames(root / label.file, whose)
            to_motion(read, rate_hz)
        except RecordingError as error:
            findings.append(Finding("unreadable", label.name, FORM, str(error)))
            continue
        tracks[label.name] = _track(read)
        without_times += read.times_ms is None and label.rate_hz is None
        if read.times_ms is not None and len(read.times_ms) > 1:
            own.append(own_rate_hz(read.times_ms))
    findings += _check_tracks(tracks, labels, window, whose.joints, FORM)
    notes = _notes(root, labels, own, without_times, rate_hz)
    counts = _count(labels, sum(len(track.positions) for track in tracks.values()))
    return FolderReport(Report(str(root), window, {FORM: counts}, in_order(findings)), tuple(notes))


def check_dataset(config: DataConfig, *, window: int = 20) -> FolderReport:
    """Reads every recording that a configuration asks for, whatever the dataset, and looks for defects.

    Args:
        config: Which dataset, and which of its recordings.
        window: Recordings with fewer frames are reported as short.

    Raises:
        DataError: If the dataset cannot be used.
    """
    dataset = read_dataset(config)
    form = dataset.source
    recordings = [dataset[number] for number in range(len(dataset))]
    tracks = {
        recording.name: Track(
            recording.positions,
            np.asarray((recording.positions != 0).any(axis=2)),
            np.arange(1, len(recording.positions) + 1),
        )
        for recording in recordings
    }
    findings = [Finding("unreadable", left.recording, form, left.reason) for left in dataset.rejected]
    findings += _check_tracks(tracks, recordings, window, dataset.skeleton.joints, form)
    mirror = mirror_in_words(dataset.gesture_names, dataset.mirrored_gestures)
    notes = [f"In a mirror: {mirror}"] if mirror else []
    counts = _count(recordings, len(dataset.positions))
    return FolderReport(Report(form, window, {form: counts}, in_order(findings)), tuple(notes))


@runtime_checkable
class _Labelled(Protocol):
    """What is known of a recording besides its frames."""

    @property
    def name(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def gesture(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def correctness(self) -> int: ...
    @property
    def posture(self) -> str: ...


def _check_tracks(
    tracks: Mapping[str, Track], labels: Sequence[_Labelled], window: int, joints: Sequence[str], form: str
) -> list[Finding]:
    findings: list[Finding] = []
    hashes: dict[str, np.ndarray] = {}
    for name, track in tracks.items():
        found = check_track(track, window, joints)
        if not _often_repeated(track):
            found.pop("repeated_frames", None)
        findings += [Finding(defect, name, form, detail) for defect, detail in found.items()]
        hashes[name] = frame_hashes(track)[track.tracked.all(axis=1)]
    subjects = {label.name: label.subject for label in labels}
    for (first, second), count in shared_frames(hashes).items():
        person = "the same" if subjects[first] == subjects[second] else "ANOTHER"
        findings.append(Finding("shared_frames", first, form, f"{count} frames also in {second} ({person} person)"))
    return findings + [Finding("lacking_gestures", person, form, detail) for person, detail in _lacking(labels).items()]


def _track(read: Frames) -> Track:
    count = len(read.positions)
    same = read.lost.shape == read.positions.shape[:2]  # a tracker's landmarks are no joints
    tracked = ~read.lost if same else np.ones(read.positions.shape[:2], dtype=np.bool_)
    return Track(read.positions, tracked, np.arange(2, count + 2), read.times_ms)


def _often_repeated(track: Track) -> bool:
    """A sensor now and then gives a frame twice; more than that is a recording of another rate."""
    seen = track.positions[track.tracked.any(axis=1)]
    return float((np.diff(seen, axis=0) == 0).all(axis=(1, 2)).sum()) > 0.1 * len(track.positions)


def _lacking(labels: Sequence[_Labelled]) -> dict[str, str]:
    done: defaultdict[str, set[str]] = defaultdict(set)
    for label in labels:
        done[label.subject].add(label.gesture)
    every = {label.gesture for label in labels}
    return {person: ", ".join(sorted(every - there)) for person, there in sorted(done.items()) if there != every}


def _notes(root: Path, labels: Sequence[Label], own: list[float], without_times: int, rate_hz: float) -> list[str]:
    names = sorted({label.gesture for label in labels})
    mirrored = mirrored_gestures(names, images(labels))
    notes = ["MADE UP: nobody moved, and every result says so"] if (root / MADE_UP).exists() else []
    unknown = [names[at] for at, image in enumerate(mirrored) if image < 0]
    if said := mirror_in_words(names, mirrored):
        notes.append(f"In a mirror: {said}")
    if unknown:
        notes.append(
            f"What these become in a mirror is unknown: {', '.join(unknown)}. Say so in the column mirrored of {FILE}, "
            "or train with augment=none"
        )
    people = Counter(gesture for gesture, _ in {(label.gesture, label.subject) for label in labels})
    few = [f"{name} ({people[name]})" for name in names if people[name] < FEW_PEOPLE]
    notes += [f"Gestures that fewer than {FEW_PEOPLE} people do: {', '.join(few)}"] if few else []
    if without_times:
        notes.append(
            f"Recordings without times, for which {FILE} has no rate_hz: {without_times}; they are taken to have "
            f"{rate_hz:g} frames a second (data.rate_hz)"
        )
    if own and not np.allclose(own, rate_hz, rtol=0.02):
        slowest, fastest = f"{min(own):.3g}", f"{max(own):.3g}"
        rates = slowest if slowest == fastest else f"{slowest} to {fastest}"
        notes.append(f"By their times recordings have {rates} frames a second, brought to {rate_hz:g} (data.rate_hz)")
    return notes


def _count(labels: Sequence[_Labelled], frames: int) -> Counts:
    return Counts(
        recordings=len(labels),
        frames=frames,
        subjects=dict(sorted(Counter(label.subject for label in labels).items())),
        groups={label.subject: label.group for label in labels},
        gestures=dict(sorted(Counter(label.gesture for label in labels).items())),
        correctness={name: sum(label.correctness == code for label in labels) for code, name in CORRECTNESS.items()},
        postures=dict(sorted(Counter(label.posture for label in labels if label.posture).items())),
        with_skipped_frames=0,
    )
