"""A quality report on a folder of a user's own recordings: what is there, and every defect by name."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesturelab.datasets.folder.labels import FILE, Label, read_labels
from gesturelab.datasets.folder.read import MADE_UP, images
from gesturelab.datasets.formats.files import Frames, own_rate_hz, read_frames, to_motion
from gesturelab.datasets.irds import defects
from gesturelab.datasets.irds.parse import Track
from gesturelab.datasets.irds.quality import Counts, Finding, Report, check_track, in_order
from gesturelab.datasets.mirror_names import mirror_in_words, mirrored_gestures
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.errors import RecordingError
from gesturelab.skeletons.definition import layout

FORM = "folder"
FEW_PEOPLE = 3
"""A gesture needs as many people: one to learn from, one for validation, one to test."""


@dataclass(frozen=True)
class FolderReport:
    """What `check_folder` found.

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
    hashes: dict[str, np.ndarray] = {}
    own: list[float] = []
    frames = without_times = 0
    for label in labels:
        try:
            read = read_frames(root / label.file, whose)
            to_motion(read, rate_hz)
        except RecordingError as error:
            findings.append(Finding("unreadable", label.name, FORM, str(error)))
            continue
        track = _track(read)
        frames += len(track.positions)
        without_times += read.times_ms is None and label.rate_hz is None
        if read.times_ms is not None and len(read.times_ms) > 1:
            own.append(own_rate_hz(read.times_ms))
        found = check_track(track, window, whose.joints)
        if not _often_repeated(track):
            found.pop("repeated_frames", None)
        findings += [Finding(defect, label.name, FORM, said) for defect, said in found.items()]
        hashes[label.name] = defects.frame_hashes(track)[track.tracked.all(axis=1)]
    by_name = {label.name: label for label in labels}
    for (one, other), count in defects.shared_frames(hashes).items():
        same = by_name[one].subject == by_name[other].subject
        said = f"{count} frames also in {other} ({'the same' if same else 'ANOTHER'} person)"
        findings.append(Finding("shared_frames", one, FORM, said))
    findings += [Finding("lacking_gestures", person, FORM, said) for person, said in _lacking(labels).items()]
    notes = _notes(root, labels, own, without_times, rate_hz)
    return FolderReport(Report(str(root), window, {FORM: _count(labels, frames)}, in_order(findings)), tuple(notes))


def _track(read: Frames) -> Track:
    count = len(read.positions)
    same = read.lost.shape == read.positions.shape[:2]  # a tracker's landmarks are no joints
    tracked = ~read.lost if same else np.ones(read.positions.shape[:2], dtype=np.bool_)
    return Track(read.positions, tracked, np.arange(2, count + 2), read.times_ms)


def _often_repeated(track: Track) -> bool:
    """A sensor now and then gives a frame twice; more than that is a recording of another rate."""
    seen = track.positions[track.tracked.any(axis=1)]
    return float((np.diff(seen, axis=0) == 0).all(axis=(1, 2)).sum()) > 0.1 * len(track.positions)


def _lacking(labels: Sequence[Label]) -> dict[str, str]:
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


def _count(labels: Sequence[Label], frames: int) -> Counts:
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
