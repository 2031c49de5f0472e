"""A quality report on a folder of IntelliRehabDS: what is there, and every defect by name."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gesturelab.config.data import Form
from gesturelab.datasets.irds import defects
from gesturelab.datasets.irds.files import GESTURES, IrdsFile, Label, irds_forms, parse_label, reading
from gesturelab.datasets.irds.parse import Track, impossible_values, parse
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.errors import RecordingError
from gesturelab.skeletons.skeleton import KINECT_V2

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
    "jump": defects.jumps,
    "backward_times": defects.backward_times,
    "repeated_frames": defects.repeated_frames,
    "doubled_header": defects.doubled_header,
    "several_bodies": defects.several_bodies,
    "near_zero_motion": defects.near_zero_motion,
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
    if (said := defects.untracked(track, joints)) is not None:
        found["untracked"] = said
    if (said := defects.short(track, window)) is not None:
        found["short"] = said
    if (said := defects.gaps(track)) is not None:
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
            skipping += defects.skipped_frames(track) > 0
            found = check_track(track, window)
            findings += [Finding(defect, file.name, form, said) for defect, said in found.items()]
            by_name[file.name] = label
            if between and "impossible_values" not in found:
                hashes[file.name] = defects.frame_hashes(track)
                if (motion := defects.limb_motion(track, label)) is not None:
                    motions[file.name] = (label, motion)
    if between:
        for (one, other), count in defects.shared_frames(hashes).items():
            same = by_name[one].gesture == by_name[other].gesture
            said = f"{count} frames also in {other} ({'the same' if same else 'ANOTHER'} gesture)"
            findings.append(Finding("shared_frames", one, form, said))
        findings += [Finding("wrong_limb", *pair) for pair in _with_form(defects.wrong_limbs(motions), form)]
        findings += [Finding("lacking_gestures", *pair) for pair in _with_form(defects.lacking_gestures(labels), form)]
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
