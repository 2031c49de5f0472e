"""A quality report on a folder of IntelliRehabDS: what is there, and every defect by name."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, UInt64
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gesturelab.config.data import Form
from gesturelab.datasets.irds.files import GESTURES, IrdsFile, Label, irds_forms, parse_label, reading
from gesturelab.datasets.irds.parse import Track, impossible_values, parse
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.errors import RecordingError
from gesturelab.skeletons.skeleton import KINECT_V2

GAP_MS, LONG_GAP_MS = 100.0, 500.0
"""A sensor at 30 frames a second that says nothing for longer than this."""

JUMP_M = 0.2
"""Half of the joints do not move this far between two frames, 6 m/s at 30 frames a second."""

STILL_M = 0.06
"""In a recording of a gesture at least one joint has a larger standard deviation than this."""

WRONG_LIMB_RATIO = 1.25
"""The other limb must move so much more than the expected one to count as wrong."""

_WRISTS = (KINECT_V2.index("WristLeft"), KINECT_V2.index("WristRight"))
_ANKLES = (KINECT_V2.index("AnkleLeft"), KINECT_V2.index("AnkleRight"))
_REFERENCE = KINECT_V2.index("SpineShoulder")


def short(track: Track, window: int) -> str | None:
    """Fewer frames than a window."""
    frames = len(track.positions)
    return f"{frames} frames, a window has {window}" if frames < window else None


def untracked(track: Track, names: Sequence[str] = KINECT_V2.joints) -> str | None:
    """Joints that are NotTracked or at exactly 0, 0, 0."""
    if track.tracked.all():
        return None
    joints = [names[int(joint)] for joint in np.flatnonzero(~track.tracked.all(axis=0))]
    frames = np.flatnonzero(~track.tracked.all(axis=1))
    first = int(track.lines[frames[0]])
    return f"{len(joints)} joints in {len(frames)} frames, first on line {first}: {', '.join(joints)}"


def gaps(track: Track) -> str | None:
    """Times without a frame, by the sensor's clock; long ones listed, shorter ones counted."""
    if track.times_ms is None:
        return None
    steps = np.diff(track.times_ms)
    count = int((steps > GAP_MS).sum())
    if not count:
        return None
    longer = [
        f"{steps[at] / 1000:.2f} s before line {track.lines[at + 1]}" for at in np.flatnonzero(steps > LONG_GAP_MS)
    ]
    return f"{count} over {GAP_MS:g} ms" + (f": {', '.join(longer)}" if longer else "")


def backward_times(track: Track) -> str | None:
    """Frames whose time is not later than the one before."""
    if track.times_ms is None:
        return None
    count = int((np.diff(track.times_ms) <= 0).sum())
    return f"{count} frames are no later than the one before" if count else None


def jumps(track: Track) -> str | None:
    """The whole body is suddenly somewhere else: a gap that the file does not show, or another body."""
    if len(track.positions) < 2:
        return None
    both = track.tracked[1:] & track.tracked[:-1]
    steps = np.linalg.norm(np.diff(track.positions, axis=0), axis=2)
    steps = np.where(both, steps, 0.0)
    typical = np.median(steps, axis=1)
    found = np.flatnonzero(typical > JUMP_M)
    return ", ".join(f"{typical[at]:.2f} m before line {track.lines[at + 1]}" for at in found[:5]) or None


def repeated_frames(track: Track) -> str | None:
    """A frame number that stands twice, or a frame equal to the one before."""
    said: list[str] = []
    if track.frame_numbers is not None:
        repeats = len(track.frame_numbers) - len(np.unique(track.frame_numbers))
        said += [f"{repeats} frame numbers stand twice"] if repeats else []
    equal = int((np.diff(track.positions, axis=0) == 0).all(axis=(1, 2)).sum())
    said += [f"{equal} frames equal the one before"] if equal else []
    return ", ".join(said) or None


def skipped_frames(track: Track) -> int:
    """How many frame numbers are missing (Raw only)."""
    if track.frame_numbers is None:
        return 0
    steps = np.diff(track.frame_numbers)
    return int((steps[steps > 1] - 1).sum())


def near_zero_motion(track: Track) -> str | None:
    """No joint strays from its mean position."""
    if not track.tracked.any():
        return None
    spread = _spread(track.positions, track.tracked)
    return f"no joint strays more than {100 * spread.max():.1f} cm" if spread.max() < STILL_M else None


def doubled_header(track: Track) -> str | None:
    """A second header line (Raw only)."""
    lines = track.header_lines
    return f"header on lines {', '.join(map(str, lines))}" if len(lines) > 1 else None


def several_bodies(track: Track) -> str | None:
    """More than one body in the file."""
    return f"{track.bodies} bodies; the one with the most frames is taken" if track.bodies > 1 else None


def limb_motion(track: Track, label: Label) -> tuple[float, float] | None:
    """How much the left and the right limb move (joint names), in metres; None where a gesture has no side.

    The limb is the arm, seen from the shoulders' middle; in a side tap it is the leg.
    """
    name = GESTURES[label.gesture]
    if not name.endswith(("_left", "_right")):
        return None
    tap = name.startswith("side_tap")
    seen = track.tracked if tap else track.tracked & track.tracked[:, [_REFERENCE]]
    positions = track.positions if tap else track.positions - track.positions[:, [_REFERENCE]]
    left, right = _ANKLES if tap else _WRISTS
    spread = _spread(positions, seen)
    return float(spread[left]), float(spread[right])


def wrong_limbs(motions: Mapping[str, tuple[Label, tuple[float, float]]]) -> dict[str, str]:
    """Recordings whose moving limb is not the one that most recordings of the gesture move.

    Which side a gesture moves is taken from the recordings: the sensor's view is mirrored, so its name does not say.
    """
    classes: defaultdict[int, list[tuple[str, float, float]]] = defaultdict(list)
    for name, (label, (left, right)) in motions.items():
        classes[label.gesture].append((name, left, right))
    found: dict[str, str] = {}
    for gesture, members in sorted(classes.items()):
        balance = sum(np.sign(left - right) for _, left, right in members)
        if len(members) < 3 or balance == 0:
            continue
        usual = "left" if balance > 0 else "right"
        other = "right" if balance > 0 else "left"
        for name, left, right in sorted(members):
            expected, moved = (left, right) if balance > 0 else (right, left)
            if moved > WRONG_LIMB_RATIO * expected:
                found[name] = (
                    f"the {other} limb moves {100 * moved:.0f} cm, the {usual} {100 * expected:.0f} cm; "
                    f"{GESTURES[gesture]} usually moves the {usual} (as the sensor names them)"
                )
    return found


def _spread(positions: Float32[np.ndarray, "frames joints 3"], seen: np.ndarray) -> Float64[np.ndarray, " joints"]:
    """Standard deviation of each joint's position over the frames where it is seen, in metres."""
    weights = seen[..., None].astype(np.float64)
    counts = np.maximum(weights.sum(axis=0), 1)
    values = np.where(seen[..., None], positions, 0).astype(np.float64)
    deviations = (values - values.sum(axis=0) / counts) * weights
    return np.sqrt(((deviations**2).sum(axis=0) / counts).sum(axis=1))


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


def lacking_gestures(labels: Iterable[Label]) -> dict[str, str]:
    """People without a recording of some gesture."""
    done: defaultdict[str, set[int]] = defaultdict(set)
    for label in labels:
        done[label.subject].add(label.gesture)
    return {
        subject: ", ".join(f"{gesture} {name}" for gesture, name in enumerate(GESTURES) if gesture not in there)
        for subject, there in sorted(done.items())
        if len(there) < len(GESTURES)
    }


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
    """What one form holds; recordings that cannot be read are counted by what their names say."""

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
    """

    root: str
    window: int
    forms: dict[str, Counts]
    findings: tuple[Finding, ...] = field(default=())

    def of(self, defect: str) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.defect == defect]


_TRACK_CHECKS: dict[str, Callable[[Track], str | None]] = {
    "impossible_values": impossible_values,
    "jump": jumps,
    "backward_times": backward_times,
    "repeated_frames": repeated_frames,
    "doubled_header": doubled_header,
    "several_bodies": several_bodies,
    "near_zero_motion": near_zero_motion,
}


def check(root: Path, *, window: int = 20) -> Report:
    """Reads every recording of both forms and looks for defects.

    What concerns several recordings is looked for in the Simplified form if it is there, else in the Raw one.

    Args:
        root: As for `irds_files`.
        window: Recordings with fewer frames are reported as short.

    Raises:
        DataError: If there are no recordings.
    """
    forms: dict[str, Counts] = {}
    findings: list[Finding] = []
    for number, (form, files) in enumerate(irds_forms(root).items()):
        counts, found = _check_form(files, form, window, between=number == 0)
        forms[form.value] = counts
        findings += found
    return Report(str(root), window, forms, in_order(findings))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings as the report lists them."""
    rank = {defect: number for number, defect in enumerate(DEFECTS)}
    return tuple(sorted(findings, key=lambda one: (rank[one.defect], one.form != Form.simplified, one.recording)))


def check_track(track: Track, window: int, joints: Sequence[str] = KINECT_V2.joints) -> dict[str, str]:
    """Every defect that one recording shows by itself; `joints` are the names of its joints."""
    found = {defect: said for defect, look in _TRACK_CHECKS.items() if (said := look(track)) is not None}
    if (said := untracked(track, joints)) is not None:
        found["untracked"] = said
    if (said := short(track, window)) is not None:
        found["short"] = said
    if (said := gaps(track)) is not None:
        found["long_gap" if ":" in said else "gap"] = said
    return found


def _check_form(files: Sequence[IrdsFile], form: Form, window: int, *, between: bool) -> tuple[Counts, list[Finding]]:
    labels: list[Label] = []
    motions: dict[str, tuple[Label, tuple[float, float]]] = {}
    hashes: dict[str, np.ndarray] = {}
    by_name: dict[str, Label] = {}
    findings: list[Finding] = []
    frames = skipping = 0
    with reading(files) as read:
        for file in files:
            try:
                label = parse_label(file.name)
                labels.append(label)
                track = parse(read(file), form)
            except RecordingError as error:
                findings.append(Finding("unreadable", file.name, form, str(error)))
                continue
            frames += len(track.positions)
            skipping += skipped_frames(track) > 0
            found = check_track(track, window)
            findings += [Finding(defect, file.name, form, said) for defect, said in found.items()]
            by_name[file.name] = label
            if between and "impossible_values" not in found:
                hashes[file.name] = frame_hashes(track)
                if (motion := limb_motion(track, label)) is not None:
                    motions[file.name] = (label, motion)
    if between:
        for (one, other), count in shared_frames(hashes).items():
            same = by_name[one].gesture == by_name[other].gesture
            said = f"{count} frames also in {other} ({'the same' if same else 'ANOTHER'} gesture)"
            findings.append(Finding("shared_frames", one, form, said))
        findings += [Finding("wrong_limb", *pair) for pair in _with_form(wrong_limbs(motions), form)]
        findings += [Finding("lacking_gestures", *pair) for pair in _with_form(lacking_gestures(labels), form)]
    return _count(len(files), labels, frames, skipping), findings


def _with_form(found: dict[str, str], form: Form) -> list[tuple[str, str, str]]:
    return [(name, form.value, said) for name, said in found.items()]


def _count(recordings: int, labels: Sequence[Label], frames: int, skipping: int) -> Counts:
    return Counts(
        recordings=recordings,
        frames=frames,
        subjects=dict(sorted(Counter(label.subject for label in labels).items())),
        groups=dict(sorted({label.subject: label.group for label in labels}.items())),
        gestures={name: sum(label.gesture == index for label in labels) for index, name in enumerate(GESTURES)},
        correctness={name: sum(label.correctness == code for label in labels) for code, name in CORRECTNESS.items()},
        postures=dict(sorted(Counter(label.posture for label in labels).items())),
        with_skipped_frames=skipping,
    )


def print_report(report: Report, console: Console, *, only_found: bool = False) -> None:
    """Prints the report: counts, then each kind of defect with every recording by name."""
    for form, counts in report.forms.items():
        console.print(
            f"\n[bold]{escape(report.root)}, form {form}[/]: {counts.recordings} recordings, {counts.frames} frames, "
            f"{len(counts.subjects)} people",
            soft_wrap=True,
        )
        people = {f"{subject} {counts.groups[subject]}".strip(): count for subject, count in counts.subjects.items()}
        for title, values in (
            ("subject", people),
            ("gesture", counts.gestures),
            ("correctness", counts.correctness),
            ("position", counts.postures),
        ):
            if values:
                _print_counts(console, title, values)
        if counts.with_skipped_frames:
            console.print(f"{counts.with_skipped_frames} recordings skip frame numbers", soft_wrap=True)
    for defect, title in DEFECTS.items():
        found = report.of(defect)
        if only_found and not found:
            continue
        extra = f" ({report.window} frames)" if defect == "short" else ""
        console.print(f"\n[bold]{title}{extra}[/]: {len(found) or 'none'}", soft_wrap=True)
        for finding in found:
            console.print(
                f"  {escape(finding.recording)}  [dim]{finding.form}[/]  {escape(finding.detail)}",
                soft_wrap=True,
                highlight=False,
            )


def _print_counts(console: Console, title: str, values: dict[str, Any]) -> None:
    table = Table(title, "recordings", box=None, pad_edge=False)
    for name, count in values.items():
        table.add_row(escape(str(name)), str(count))
    console.print(table)
