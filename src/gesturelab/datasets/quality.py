"""Quality reports on recordings: what is there, and every defect by name."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt64
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gesturelab.config.data import DataConfig, Form, Unit, Up
from gesturelab.datasets.folder.labels import FILE, read_labels
from gesturelab.datasets.folder.read import MADE_UP, images
from gesturelab.datasets.formats.files import own_rate_hz, read_frames, to_motion
from gesturelab.datasets.formats.points import Reading
from gesturelab.datasets.irds.files import GESTURES, irds_forms, recording_label
from gesturelab.datasets.irds.read import Track, impossible_values, parse
from gesturelab.datasets.mirror_names import UNKNOWN, mirror_in_words, mirrored_gestures
from gesturelab.datasets.recording import CORRECTNESS, Recording, RecordingLabel
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import RecordingError
from gesturelab.progress import show_progress
from gesturelab.skeletons.definition import layout
from gesturelab.skeletons.landmarks import skeleton_of
from gesturelab.skeletons.skeleton import KINECT_V2

GAP_MS, LONG_GAP_MS = 100.0, 500.0
"""A sensor at 30 frames a second that says nothing for longer than this."""

JUMP_M = 0.2
"""Half of the joints do not move this far between two frames, 6 m/s at 30 frames a second."""

STILL_M = 0.06
"""In a recording of a gesture at least one joint has a larger standard deviation than this."""

TOLERATED_REPEATS = 0.1
"""A sensor now and then gives a frame twice; a larger share than this is a recording of another rate."""

WRONG_LIMB_RATIO = 1.25
"""The other limb must move so much more than the expected one to count as wrong."""

MOST_NAMED = 5
"""Recordings of each kind of defect that are named, unless all are asked for."""
FEW_PEOPLE = 3
"""A gesture needs as many people: one to learn from, one for validation, one to test."""

Labelled = RecordingLabel | Recording

DEFECTS = {
    "unreadable": "Cannot be read",
    "impossible_values": "Values that are not finite or not possible",
    "short": "Shorter than a window",
    "untracked": "Untracked joints (filled in from frames where they are tracked)",
    "long_gap": "Gaps over 500 ms",
    "gap": "Gaps over 100 ms",
    "jump": "Jumps of the whole body",
    "backward_times": "Times that do not run forward",
    "repeated_frames": "Repeated frames",
    "doubled_header": "A second header line",
    "several_bodies": "Several bodies",
    "near_zero_motion": "Hardly any motion",
    "shared_frames": "Frames that also stand in another recording",
    "wrong_limb": "Another limb moves than in the rest of the class",
    "lacking_gestures": "People without a recording of some gesture",
}
"""What is looked for, in order of the report."""


@dataclass(frozen=True)
class Finding:
    """One defect: of which kind (a key of `DEFECTS`), in which recording (or person), in which form, and the detail."""

    defect: str
    recording: str
    form: str
    detail: str


@dataclass(frozen=True)
class Counts:
    """What one form holds; recordings that cannot be read are counted by what their names or labels say."""

    recordings: int
    frames: int
    subjects: dict[str, int]
    groups: dict[str, str]
    gestures: dict[str, int]
    correctness: dict[str, int]
    postures: dict[str, int]
    with_skipped_frames: int


@dataclass(frozen=True)
class Report:
    """A quality report.

    Attributes:
        root: What was checked.
        window: Frames in a window.
        forms: What each form that is there holds.
        findings: Every defect.
        notes: What a user should know before training, a sentence each.
    """

    root: str
    window: int
    forms: dict[str, Counts]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, defect: str) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.defect == defect]


def check_irds(root: Path, *, window: int = 20) -> Report:
    """Reads every recording of both forms of IntelliRehabDS and looks for defects.

    What concerns several recordings is looked for in the Simplified form if it is there, else in the Raw one.

    Args:
        root: As for `irds_files`.
        window: Recordings with fewer frames are reported as short.

    Raises:
        DataError: If there are no recordings.
    """
    forms: dict[str, Counts] = {}
    findings: list[Finding] = []
    for form, files in irds_forms(root).items():
        labels: list[RecordingLabel] = []
        tracks: dict[str, Track] = {}
        for file in show_progress(files, f"reading form {form}"):
            try:
                labels.append(recording_label(file.name))
                tracks[file.name] = parse(file.read(), form)
            except RecordingError as error:
                findings.append(Finding("unreadable", file.name, form, str(error)))
        defects = {
            name: check_track(track, window) for name, track in show_progress(tracks.items(), "looking for defects")
        }
        findings += [Finding(kind, name, form, detail) for name in defects for kind, detail in defects[name].items()]
        if not forms:
            possible = {name: track for name, track in tracks.items() if "impossible_values" not in defects[name]}
            gestures = {label.name: label.gesture for label in labels}
            findings += _find_shared_frames(possible, gestures, "gesture", form)
            findings += _to_findings("wrong_limb", form, wrong_limbs(possible, gestures))
            numbered = {name: f"{number} {name}" for number, name in enumerate(GESTURES)}
            findings += _to_findings("lacking_gestures", form, lacking_gestures(labels, numbered))
        forms[form.value] = _count(len(files), labels, tracks, GESTURES)
    return Report(str(root), window, forms, _in_order(findings))


def check_folder(
    root: Path, *, skeleton: str, rate_hz: float, window: int = 20, unit: Unit | None = None, up: Up | None = None
) -> Report:
    """Reads every recording of a folder with labels.csv and looks for defects.

    Args:
        root: The folder.
        skeleton: As ``data.skeleton``.
        rate_hz: As ``data.rate_hz``.
        window: Recordings with fewer frames are reported as short.
        unit: As ``data.unit``.
        up: As ``data.up``.

    Raises:
        DataError: If labels.csv is wrong.
        ConfigError: If there is no such skeleton.
    """
    labels = read_labels(root, one_person=True)
    reading = Reading(layout(skeleton), rate_hz, unit=unit, up=up)
    findings: list[Finding] = []
    tracks: dict[str, Track] = {}
    rates_hz: list[float] = []
    without_times = 0
    for label in show_progress(labels, "reading recordings"):
        try:
            track = read_frames(root / label.file, reading)
            to_motion(track, rate_hz)
        except RecordingError as error:
            findings.append(Finding("unreadable", label.name, "folder", str(error)))
            continue
        tracks[label.name] = track
        without_times += track.times_ms is None and label.rate_hz is None
        if track.times_ms is not None and len(track.times_ms) > 1:
            rates_hz.append(own_rate_hz(track.times_ms))
    notes = ["MADE UP: nobody moved, and every result says so"] if (root / MADE_UP).exists() else []
    notes += _note_gestures(labels, images(labels))
    if without_times:
        notes.append(
            f"Recordings without times, for which {FILE} has no rate_hz: {without_times}; they are taken to have "
            f"{rate_hz:g} frames a second (data.rate_hz)"
        )
    if rates_hz and not np.allclose(rates_hz, rate_hz, rtol=0.02):
        rates = " to ".join(dict.fromkeys([f"{min(rates_hz):.3g}", f"{max(rates_hz):.3g}"]))
        notes.append(f"By their times recordings have {rates} frames a second, brought to {rate_hz:g} (data.rate_hz)")
    return _report(str(root), "folder", labels, tracks, window, skeleton_of(reading.layout).joints, findings, notes)


def check_dataset(config: DataConfig, *, window: int = 20) -> Report:
    """Reads every recording that a configuration asks for, whatever the dataset, and looks for defects.

    Args:
        config: Which dataset, and which of its recordings.
        window: Recordings with fewer frames are reported as short.

    Raises:
        DataError: If the dataset cannot be used.
    """
    dataset = read_dataset(config)
    recordings = [dataset[number] for number in range(len(dataset))]
    tracks = {
        recording.name: Track(
            recording.positions,
            np.asarray((recording.positions != 0).any(axis=2)),
            np.arange(1, len(recording.positions) + 1),
        )
        for recording in recordings
    }
    findings = [Finding("unreadable", left.recording, dataset.source, left.reason) for left in dataset.rejected]
    mirror = mirror_in_words(dataset.gesture_names, dataset.mirrored_gestures)
    notes = [f"In a mirror: {mirror}"] if mirror else []
    joints = dataset.skeleton.joints
    return _report(dataset.source, dataset.source, recordings, tracks, window, joints, findings, notes)


def _report(
    root: str,
    form: str,
    labels: Sequence[Labelled],
    tracks: Mapping[str, Track],
    window: int,
    joints: Sequence[str],
    findings: list[Finding],
    notes: Sequence[str],
) -> Report:
    """The report on recordings of one form; `findings` are of those that cannot be read."""
    gestures = sorted({label.gesture for label in labels})
    for name, track in show_progress(tracks.items(), "looking for defects"):
        defects = check_track(track, window, joints, TOLERATED_REPEATS)
        findings += [Finding(defect, name, form, detail) for defect, detail in defects.items()]
    findings += _find_shared_frames(tracks, {label.name: label.subject for label in labels}, "person", form)
    lacking = lacking_gestures(labels, {gesture: gesture for gesture in gestures})
    findings += _to_findings("lacking_gestures", form, lacking)
    counts = _count(len(labels), labels, tracks, gestures)
    return Report(root, window, {form: counts}, _in_order(findings), tuple(notes))


def check_track(
    track: Track, window: int, joints: Sequence[str] = KINECT_V2.joints, tolerated_repeats: float = 0.0
) -> dict[str, str]:
    """Every defect that one recording shows by itself, with its detail.

    Args:
        track: The recording.
        window: Frames in a window.
        joints: Names of its joints.
        tolerated_repeats: Share of frames that may equal the one before.
    """
    defects: dict[str, str] = {}
    frames, tracked = len(track.positions), track.tracked
    if (problem := impossible_values(track)) is not None:
        defects["impossible_values"] = problem
    if frames < window:
        defects["short"] = f"{frames} frames, a window has {window}"
    if not tracked.all():
        names = [joints[int(joint)] for joint in np.flatnonzero(~tracked.all(axis=0))]
        lost = np.flatnonzero(~tracked.all(axis=1))
        defects["untracked"] = (
            f"{len(names)} joints in {len(lost)} frames, first on line {track.lines[lost[0]]}: {', '.join(names)}"
        )
    if track.times_ms is not None:
        steps_ms = np.diff(track.times_ms)
        if count := int((steps_ms > GAP_MS).sum()):
            long = np.flatnonzero(steps_ms > LONG_GAP_MS)
            listed = ", ".join(f"{steps_ms[at] / 1000:.2f} s before line {track.lines[at + 1]}" for at in long)
            defects["long_gap" if listed else "gap"] = f"{count} over {GAP_MS:g} ms" + (f": {listed}" if listed else "")
        if count := int((steps_ms <= 0).sum()):
            defects["backward_times"] = f"{count} frames are no later than the one before"
    if frames > 1:  # the whole body somewhere else: a gap that the file does not show, or another body
        steps_m = np.linalg.norm(np.diff(track.positions, axis=0), axis=2)
        typical_m = np.median(np.where(tracked[1:] & tracked[:-1], steps_m, 0.0), axis=1)
        jumps = np.flatnonzero(typical_m > JUMP_M)[:5]
        if len(jumps):
            defects["jump"] = ", ".join(f"{typical_m[at]:.2f} m before line {track.lines[at + 1]}" for at in jumps)
    repeats: list[str] = []
    if track.frame_numbers is not None and (count := frames - len(np.unique(track.frame_numbers))):
        repeats.append(f"{count} frame numbers stand twice")
    seen = track.positions[tracked.any(axis=1)]
    equal = int((np.diff(seen, axis=0) == 0).all(axis=(1, 2)).sum())
    if equal > tolerated_repeats * frames:
        repeats.append(f"{equal} frames equal the one before")
    if repeats:
        defects["repeated_frames"] = ", ".join(repeats)
    if len(track.header_lines) > 1:
        defects["doubled_header"] = f"header on lines {', '.join(map(str, track.header_lines))}"
    if track.bodies > 1:
        taken = f"{track.body}, is taken" if track.body else "the one with the most frames is taken"
        defects["several_bodies"] = f"{track.bodies} bodies; {taken}"
    if tracked.any() and (farthest := _spread(track.positions, tracked).max()) < STILL_M:
        defects["near_zero_motion"] = f"no joint strays more than {100 * farthest:.1f} cm"
    return defects


def _spread(positions: Float32[np.ndarray, "frames joints 3"], seen: np.ndarray) -> Float64[np.ndarray, " joints"]:
    """Standard deviation of each joint's position over the frames where it is seen, in metres."""
    weights = seen[..., None].astype(np.float64)
    counts = np.maximum(weights.sum(axis=0), 1)
    values = np.where(seen[..., None], positions, 0).astype(np.float64)
    deviations = (values - values.sum(axis=0) / counts) * weights
    return np.sqrt(((deviations**2).sum(axis=0) / counts).sum(axis=1))


def limb_motion(track: Track, gesture: str) -> tuple[float, float] | None:
    """How much the left and the right limb move (joint names), in metres; None where a gesture has no side.

    The limb is the arm, seen from the shoulders' middle; in a side tap it is the leg.
    """
    if not gesture.endswith(("_left", "_right")):
        return None
    positions, seen, joint = track.positions, track.tracked, "Ankle"
    if not gesture.startswith("side_tap"):
        middle = [KINECT_V2.index("SpineShoulder")]
        positions, seen, joint = positions - positions[:, middle], seen & seen[:, middle], "Wrist"
    spread = _spread(positions, seen)
    return float(spread[KINECT_V2.index(f"{joint}Left")]), float(spread[KINECT_V2.index(f"{joint}Right")])


def wrong_limbs(tracks: Mapping[str, Track], gestures: Mapping[str, str]) -> dict[str, str]:
    """Recordings whose moving limb is not the one that most recordings of the gesture move.

    Which side a gesture moves is taken from the recordings: the sensor's view is mirrored, so its name does not say.
    """
    motions: defaultdict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for name, track in tracks.items():
        if (motion := limb_motion(track, gestures[name])) is not None:
            motions[gestures[name]][name] = motion
    details: dict[str, str] = {}
    for gesture, of_gesture in motions.items():
        balance = sum(np.sign(left - right) for left, right in of_gesture.values())
        if len(of_gesture) < 3 or balance == 0:
            continue
        usual, other = ("left", "right") if balance > 0 else ("right", "left")
        for name, (left, right) in of_gesture.items():
            expected, moved = (left, right) if balance > 0 else (right, left)
            if moved > WRONG_LIMB_RATIO * expected:
                details[name] = (
                    f"the {other} limb moves {100 * moved:.0f} cm, the {usual} {100 * expected:.0f} cm; "
                    f"{gesture} usually moves the {usual} (as the sensor names them)"
                )
    return details


def frame_hashes(track: Track) -> UInt64[np.ndarray, " frames"]:
    """A number for each frame, equal for equal frames (and by chance once in 10^19)."""
    bits = np.ascontiguousarray(track.positions).view(np.uint32).reshape(len(track.positions), -1)
    multipliers = np.random.default_rng(0).integers(1, 2**63, bits.shape[1], dtype=np.uint64) | np.uint64(1)
    return (bits.astype(np.uint64) * multipliers).sum(axis=1, dtype=np.uint64)


def shared_frames(hashes: Mapping[str, UInt64[np.ndarray, " frames"]]) -> dict[tuple[str, str], int]:
    """Pairs of recordings that hold the same frames, and how many."""
    if not hashes:
        return {}
    names = sorted(hashes)
    owners = np.repeat(np.arange(len(names)), [len(hashes[name]) for name in names])
    values = np.concatenate([hashes[name] for name in names])
    order = np.lexsort((owners, values))
    values, owners = values[order], owners[order]
    again = np.flatnonzero((values[1:] == values[:-1]) & (owners[1:] != owners[:-1]))
    pairs = Counter((names[owners[at]], names[owners[at + 1]]) for at in again)
    return dict(sorted(pairs.items()))


def _find_shared_frames(tracks: Mapping[str, Track], kinds: Mapping[str, str], noun: str, form: str) -> list[Finding]:
    """Frames in which all joints are tracked and that several recordings hold; `kinds` are what is compared then."""
    hashes = {
        name: frame_hashes(track)[track.tracked.all(axis=1)]
        for name, track in show_progress(tracks.items(), "looking for frames that occur twice")
    }
    findings: list[Finding] = []
    for (first, second), count in shared_frames(hashes).items():
        kind = "the same" if kinds[first] == kinds[second] else "ANOTHER"
        findings.append(Finding("shared_frames", first, form, f"{count} frames also in {second} ({kind} {noun})"))
    return findings


def lacking_gestures(labels: Iterable[Labelled], gestures: Mapping[str, str]) -> dict[str, str]:
    """People without a recording of some gesture; `gestures` are all of them, with the names to print."""
    done: defaultdict[str, set[str]] = defaultdict(set)
    for label in labels:
        done[label.subject].add(label.gesture)
    return {
        subject: ", ".join(shown for gesture, shown in gestures.items() if gesture not in own)
        for subject, own in sorted(done.items())
        if len(own) < len(gestures)
    }


def _to_findings(defect: str, form: str, details: Mapping[str, str]) -> list[Finding]:
    return [Finding(defect, recording, form, detail) for recording, detail in details.items()]


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    rank = {defect: number for number, defect in enumerate(DEFECTS)}
    return tuple(sorted(findings, key=lambda each: (rank[each.defect], each.form != Form.simplified, each.recording)))


def _note_gestures(labels: Sequence[Labelled], mirrored: Mapping[str, str]) -> list[str]:
    """What gestures become in a mirror, and which too few people do."""
    names = sorted({label.gesture for label in labels})
    indices = mirrored_gestures(names, mirrored)
    mirror = mirror_in_words(names, indices)
    notes = [f"In a mirror: {mirror}"] if mirror else []
    if unknown := [names[at] for at, image in enumerate(indices) if image == UNKNOWN]:
        notes.append(
            f"What these become in a mirror is unknown: {', '.join(unknown)}. Say so in the column mirrored of {FILE}, "
            "or train with augment=none"
        )
    people = Counter(gesture for gesture, _ in {(label.gesture, label.subject) for label in labels})
    if few := [f"{name} ({people[name]})" for name in names if people[name] < FEW_PEOPLE]:
        notes.append(f"Gestures that fewer than {FEW_PEOPLE} people do: {', '.join(few)}")
    return notes


def _count(recordings: int, labels: Sequence[Labelled], tracks: Mapping[str, Track], gestures: Sequence[str]) -> Counts:
    numbers = [track.frame_numbers for track in tracks.values() if track.frame_numbers is not None]
    return Counts(
        recordings=recordings,
        frames=sum(len(track.positions) for track in tracks.values()),
        subjects=dict(sorted(Counter(label.subject for label in labels).items())),
        groups=dict(sorted({label.subject: label.group for label in labels}.items())),
        gestures={name: sum(label.gesture == name for label in labels) for name in gestures},
        correctness={name: sum(label.correctness == code for label in labels) for code, name in CORRECTNESS.items()},
        postures=dict(sorted(Counter(label.posture for label in labels if label.posture).items())),
        with_skipped_frames=sum(bool((np.diff(count) > 1).any()) for count in numbers),
    )


def print_report(report: Report, console: Console, *, only_found: bool = False, most: int | None = MOST_NAMED) -> None:
    """Prints the report: counts, then each kind of defect with recordings by name, then the notes.

    Args:
        report: What is printed.
        console: Where.
        only_found: Leave out the kinds of which there is none.
        most: So many recordings of a kind are named, and the others counted; None names all.
    """
    for form, counts in report.forms.items():
        console.print(
            f"\n[bold]{escape(report.root)}, form {form}[/]: {counts.recordings} recordings, {counts.frames} frames, "
            f"{len(counts.subjects)} people",
            soft_wrap=True,
        )
        people = {f"{subject} {counts.groups[subject]}".strip(): count for subject, count in counts.subjects.items()}
        columns = {"subject": people, "gesture": counts.gestures, "correctness": counts.correctness}
        for title, values in (columns | {"position": counts.postures}).items():
            if values:
                table = Table(title, "recordings", box=None, pad_edge=False)
                for name, count in values.items():
                    table.add_row(escape(name), str(count))
                console.print(table)
        if counts.with_skipped_frames:
            console.print(f"{counts.with_skipped_frames} recordings skip frame numbers", soft_wrap=True)
    for defect, title in DEFECTS.items():
        findings = report.of(defect)
        if only_found and not findings:
            continue
        extra = f" ({report.window} frames)" if defect == "short" else ""
        console.print(f"\n[bold]{title}{extra}[/]: {len(findings) or 'none'}", soft_wrap=True)
        for each in findings[:most]:
            line = f"  {escape(each.recording)}  [dim]{each.form}[/]  {escape(each.detail)}"
            console.print(line, soft_wrap=True, highlight=False)
        if most is not None and len(findings) > most:
            console.print(f"  and {len(findings) - most} more: --all names them", soft_wrap=True, highlight=False)
    for note in report.notes:
        console.print(f"\n{note}", soft_wrap=True, highlight=False, markup=False)
