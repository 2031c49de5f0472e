"""Recordings before any training as one HTML page: played, compared, marked, with what the quality check found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturelab.config.data import DataConfig
from gesturelab.datasets.folder.labels import read_cells
from gesturelab.datasets.folder.read import Folder
from gesturelab.datasets.irds.read import Irds
from gesturelab.datasets.quality import DEFECTS, Finding, Labelled, Report
from gesturelab.datasets.recording import CORRECTNESS, Rejected
from gesturelab.datasets.source import RecordingSource, Unread, open_source, read_dataset
from gesturelab.report.page import fill_template
from gesturelab.report.player import RATE_HZ, downsample, encode

MOTION_BYTES = 40_000_000
"""What the motion of a page's recordings may take: five hours of a Kinect's, which a browser opens in seconds."""

_RANKS = {defect: rank for rank, defect in enumerate(DEFECTS)}


@dataclass(frozen=True)
class View:
    """A page of recordings.

    Attributes:
        page: The HTML.
        shown: How many recordings it shows.
        recordings: How many there are.
    """

    page: str
    shown: int
    recordings: int


def render_view(report: Report, config: DataConfig, motion_bytes: int = MOTION_BYTES) -> View:
    """The page of the recordings that a configuration asks for, those in which the check found something first.

    Args:
        report: The quality report on them.
        config: Which recordings.
        motion_bytes: What their motion may take; recordings beyond that are left out, and the page says so.

    Raises:
        DataError: If they cannot be read.
        ConfigError: If there is no such dataset.
    """
    source = open_source(config)
    source.refuses_lone_subjects = False  # a label that one person alone has may be the one to mend
    dataset = read_dataset(config, source)
    labels = {entry.name: entry for entry in source if not isinstance(entry, Rejected)}
    places = {name: place for place, name in enumerate(dataset.names)}
    unreadable = [rejected.recording for rejected in dataset.rejected if rejected.recording in labels]
    findings: dict[str, list[Finding]] = {name: [] for name in sorted([*places, *unreadable])}
    for finding in report.findings:
        findings.get(finding.recording, []).append(finding)
    several_forms = len(report.forms) > 1
    columns, rows = _read_table(source, labels)
    row_numbers = {name: number for number, name in enumerate(labels)}
    entries: list[dict[str, Any]] = []
    for name in sorted(findings, key=lambda name: min((_RANKS[each.defect] for each in findings[name]), default=99)):
        motion, seconds = "", 0.0
        if name in places:
            recording = dataset[places[name]]
            motion = encode(downsample(recording.positions, recording.rate_hz))
            seconds = len(recording.positions) / recording.rate_hz
        motion_bytes -= len(motion)
        if motion_bytes < 0:
            break
        entry = _entry(labels[name], findings[name], several_forms)
        entries.append(entry | {"row": row_numbers[name], "motion": motion, "seconds": seconds})
    contents = {
        "title": f"Recordings: {Path(report.root).resolve().name}",
        "shown": len(entries),
        "recordings": len(findings),
        "people": len({labels[name].subject for name in findings}),
        "notes": report.notes,
        "files_of_folder": isinstance(source, Folder | Irds),  # data=folder reads files of both
        "others": [
            f"{each.recording}: {DEFECTS[each.defect]}: {each.detail}"
            for each in report.findings
            if each.recording not in findings
        ],
    }
    data = {
        "rate": RATE_HZ,
        "skeleton": {"joints": dataset.skeleton.joints, "parents": dataset.skeleton.parents},
        "correctness": list(CORRECTNESS.values()),
        "table": {"columns": columns, "rows": rows},
        "recordings": entries,
    }
    return View(fill_template("view.html", "view.js", contents, data), len(entries), len(findings))


def _entry(label: Labelled, findings: list[Finding], several_forms: bool) -> dict[str, Any]:
    """A recording without its motion, as the script reads it."""
    return {
        "name": label.name,
        "subject": label.subject,
        "group": label.group,
        "posture": label.posture,
        "gesture": label.gesture,
        "correctness": CORRECTNESS[label.correctness],
        "findings": [
            {
                "rank": _RANKS[each.defect],
                "title": DEFECTS[each.defect],
                "detail": f"{each.detail} (form {each.form})" if several_forms else each.detail,
            }
            for each in findings
        ],
    }


def _read_table(source: RecordingSource, labels: Mapping[str, Labelled]) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of labels.csv, in order of the labels: as it stands, or made from what is known.

    A file is named by its path below the source's root, or by its name alone where that is elsewhere.
    """
    if isinstance(source, Folder):
        return read_cells(Path(str(source.root)).expanduser())
    root = Path(source.root or "").expanduser()
    rows: list[list[str]] = []
    for label in labels.values():
        file = Path(label.file if isinstance(label, Unread) and label.file else label.name)
        file = file.relative_to(root) if source.root is not None and file.is_relative_to(root) else Path(file.name)
        correctness = CORRECTNESS[label.correctness]
        rows.append([file.as_posix(), label.subject, label.gesture, label.group, correctness, label.posture])
    return ["file", "subject", "gesture", "group", "correctness", "posture"], rows
