"""A model asked about many files: found, read one after another, answered together, the bad ones named."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gesturelab.config.data import Unit, Up
from gesturelab.datasets.folder.convert import FRAME_OF_OPENPOSE, SIDE_FILES
from gesturelab.datasets.folder.labels import FILE, read_labels
from gesturelab.datasets.formats.files import ENDINGS, parse_frames, read_frames, timed, to_motion
from gesturelab.datasets.formats.points import Reading
from gesturelab.datasets.irds.files import MAX_FILE_BYTES
from gesturelab.datasets.recording import Recording
from gesturelab.errors import ConfigError, DataError, GesturelabError
from gesturelab.evaluation.explanation import Explanation
from gesturelab.export.model import Model, Prediction
from gesturelab.predict.explanation import explain
from gesturelab.skeletons.definition import layout
from gesturelab.skeletons.landmarks import skeleton_of

STANDARD_INPUT = "-"


def find_sources(named: Iterable[str]) -> list[str]:
    """The recordings, in the order named, those of a folder in order of name; each once.

    Raises:
        DataError: If a folder holds no recording, or files hold a frame each.
    """
    sources: list[str] = []
    for name in named:
        path = Path(name).expanduser()
        if name == STANDARD_INPUT:
            sources.append(name)
        elif path.is_dir():
            inside = _in_folder(path)
            if not inside:
                raise DataError(f"{path} holds no recording: looked for files that end with {', '.join(ENDINGS)}")
            sources += inside
        elif path.exists():
            sources.append(str(path))
        else:
            matching = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
            # what is missing is told as unreadable
            sources += sorted(match for match in matching if Path(match).is_file()) or [str(path)]
    sources = list(dict.fromkeys(sources))
    frames = [
        frame[1] for source in sources if (frame := FRAME_OF_OPENPOSE.fullmatch(str(Path(source).with_suffix(""))))
    ]
    if len(set(frames)) < len(frames):
        raise DataError(
            f"files of {frames[0]} hold a frame each: gesturelab data convert makes one recording of them, and so does "
            f"cat {frames[0]}_*_keypoints.json > {frames[0]}.json"
        )
    return sources


def _in_folder(folder: Path) -> list[str]:
    """At any depth; hidden files and folders, and those that macOS puts into archives, are passed over."""
    sources: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        names = sorted(name for name in files if name.lower().endswith(ENDINGS) and not name.startswith("."))
        sources += [str(Path(place) / name) for name in names if name not in SIDE_FILES]
    return sources


def rates_of(named: Iterable[str]) -> dict[str, float]:
    """Frames a second of recordings whose folder has a table of labels that says them, by source.

    Raises:
        DataError: If such a table cannot be used.
    """
    folders = [Path(name).expanduser() for name in named if name != STANDARD_INPUT]
    tables = [folder for folder in folders if (folder / FILE).is_file()]
    labels = [(folder, label) for folder in tables for label in read_labels(folder, one_person=True)]
    return {str(folder / label.file): label.rate_hz for folder, label in labels if label.rate_hz is not None}


RECORDINGS_AT_ONCE, FRAMES_AT_ONCE = 256, 50_000
"""Answered together: more would not be faster, and would take memory."""


def reading_for(
    model: Model,
    skeleton: str | None = None,
    rate_hz: float | None = None,
    unit: Unit | None = None,
    up: Up | None = None,
) -> Reading:
    """Reads as the model's training did.

    Args:
        model: Who will answer.
        skeleton: Whose joints files name, as ``data.skeleton`` of ``data=folder`` takes it; None is the model's.
        rate_hz: Of files that do not say it; None is that of the training recordings.
        unit: What positions are in; None: as the files say.
        up: Which axis points up; None: as the files say.

    Raises:
        ConfigError: If the model answers other joints.
    """
    named = model.skeleton if skeleton is None else layout(skeleton)
    if skeleton_of(named) != model.skeleton:
        raise ConfigError(f"--skeleton {skeleton}: the model knows the joints of {model.skeleton.name}")
    options = model.contents.facts["data"].get("options", {})
    fill_frames = int(options.get("fill_frames") or 0)
    return Reading(named, rate_hz or model.contents.rate_hz, fill_frames, unit=unit, up=up)


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of one file.

    Attributes:
        source: The file, or ``-``.
        prediction: None if it could not be read.
        problem: Why; empty if it could.
        explanation: Of the prediction, where it was asked for.
    """

    source: str
    prediction: Prediction | None
    problem: str = ""
    explanation: Explanation | None = None

    @property
    def recording(self) -> str:
        """What the recording is called: the file's name without its ending."""
        return "standard input" if self.source == STANDARD_INPUT else Path(self.source).stem


def answers(
    model: Model,
    sources: Iterable[str],
    reading: Reading | None = None,
    rates: Mapping[str, float] | None = None,
    *,
    explained: bool = False,
) -> Iterator[Answer]:
    """An answer for each source, in order; a file that cannot be read stops none of the others.

    Args:
        model: Who answers.
        sources: Files, or ``-``.
        reading: How files are read; None: as the model's training did.
        rates: Frames a second of sources that carry no times, where it is not that of `reading`.
        explained: Whether the answers are explained.
    """
    reading = reading or reading_for(model)
    waiting: list[tuple[str, Recording | str]] = []
    for source in sources:
        waiting.append((source, read_recording(model, source, reading, (rates or {}).get(source))))
        frames = sum(len(recording.positions) for _, recording in waiting if isinstance(recording, Recording))
        if frames >= FRAMES_AT_ONCE or len(waiting) >= RECORDINGS_AT_ONCE:
            yield from _answered(model, waiting, explained=explained)
            waiting.clear()
    yield from _answered(model, waiting, explained=explained)


def _answered(model: Model, waiting: list[tuple[str, Recording | str]], *, explained: bool) -> Iterator[Answer]:
    predictions = iter(model.answer([recording for _, recording in waiting if isinstance(recording, Recording)]))
    for source, recording in waiting:
        if isinstance(recording, str):
            yield Answer(source, None, recording)
        else:
            explanation = explain(model, recording) if explained else None
            yield Answer(source, next(predictions), explanation=explanation)


def read_recording(model: Model, source: str, reading: Reading, own_rate_hz: float | None) -> Recording | str:
    """The recording of one source, or why it cannot be used."""
    try:
        if source == STANDARD_INPUT:
            frames = parse_frames(_standard_input(), reading)
        else:
            frames = read_frames(Path(source), reading)
        if own_rate_hz is not None and frames.times_ms is None:
            frames = timed(frames, own_rate_hz)
        motion = to_motion(frames, reading.rate_hz)
        return model.recording(motion.positions, motion.rate_hz, source)
    except GesturelabError as error:
        return str(error).removeprefix(f"{source}: ")


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"it has more than {MAX_FILE_BYTES:,} bytes")
    return data
