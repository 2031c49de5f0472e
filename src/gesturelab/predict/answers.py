"""A model asked about many files: read one after another, answered together, the bad ones named."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gesturelab.datasets.formats.files import parse_frames, read_frames, timed, to_motion
from gesturelab.datasets.irds.files import MAX_FILE_BYTES
from gesturelab.datasets.recording import Recording
from gesturelab.errors import ConfigError, DataError, GesturelabError
from gesturelab.export.model import Model, Prediction
from gesturelab.predict.sources import STANDARD_INPUT
from gesturelab.skeletons.definition import layout
from gesturelab.skeletons.landmarks import Layout, skeleton_of

RECORDINGS_AT_ONCE, FRAMES_AT_ONCE = 256, 50_000
"""Answered together: more would not be faster, and would take memory."""


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Attributes:
        layout: Whose joints they name.
        rate_hz: Frames a second, as `gesturelab.datasets.formats.files.read_motion` takes it.
        fill_frames: The same.
    """

    layout: Layout
    rate_hz: float
    fill_frames: int = 0


def reading_for(model: Model, skeleton: str | None = None, rate_hz: float | None = None) -> Reading:
    """Reads as the model's training did.

    Args:
        model: Who will answer.
        skeleton: Whose joints files name, as ``data.skeleton`` of ``data=folder`` takes it; None is the model's.
        rate_hz: Of files that do not say it; None is that of the training recordings.

    Raises:
        ConfigError: If the model answers other joints.
    """
    those = model.skeleton if skeleton is None else layout(skeleton)
    if skeleton_of(those) != model.skeleton:
        raise ConfigError(f"--skeleton {skeleton}: the model knows the joints of {model.skeleton.name}")
    options = model.contents.facts["data"].get("options", {})
    return Reading(those, rate_hz or model.contents.rate_hz, int(options.get("fill_frames") or 0))


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of one file.

    Attributes:
        source: The file, or ``-``.
        prediction: None if it could not be read.
        problem: Why; empty if it could.
    """

    source: str
    prediction: Prediction | None
    problem: str = ""

    @property
    def recording(self) -> str:
        """What the recording is called: the file's name without its ending."""
        return "standard input" if self.source == STANDARD_INPUT else Path(self.source).stem


def answers(
    model: Model,
    sources: Iterable[str],
    reading: Reading | None = None,
    rates: Mapping[str, float] | None = None,
) -> Iterator[Answer]:
    """An answer for each source, in order; a file that cannot be read stops none of the others.

    Args:
        model: Who answers.
        sources: Files, or ``-``.
        reading: How files are read; None: as the model's training did.
        rates: Frames a second of sources that carry no times, where it is not that of `reading`.
    """
    reading = reading or reading_for(model)
    waiting: list[tuple[str, Recording | str]] = []
    frames = readable = 0
    for source in sources:
        one = _read(model, source, reading, (rates or {}).get(source))
        waiting.append((source, one))
        if isinstance(one, Recording):
            frames += len(one.positions)
            readable += 1
        if frames >= FRAMES_AT_ONCE or readable >= RECORDINGS_AT_ONCE:
            yield from _answered(model, waiting)
            waiting, frames, readable = [], 0, 0
    yield from _answered(model, waiting)


def _answered(model: Model, waiting: list[tuple[str, Recording | str]]) -> Iterator[Answer]:
    said = iter(model.answer([one for _, one in waiting if isinstance(one, Recording)]))
    for source, one in waiting:
        yield Answer(source, next(said)) if isinstance(one, Recording) else Answer(source, None, one)


def _read(model: Model, source: str, how: Reading, own_rate_hz: float | None) -> Recording | str:
    """The recording, or why it cannot be used."""
    try:
        if source == STANDARD_INPUT:
            motion = to_motion(parse_frames(_standard_input(), how.layout, fill_frames=how.fill_frames), how.rate_hz)
        else:
            frames = read_frames(Path(source), how.layout, fill_frames=how.fill_frames)
            if own_rate_hz is not None and frames.times_ms is None:
                frames = timed(frames, own_rate_hz)
            motion = to_motion(frames, how.rate_hz)
        return model.recording(motion.positions, motion.rate_hz, source)
    except GesturelabError as error:
        return str(error).removeprefix(f"{source}: ")


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"it has more than {MAX_FILE_BYTES:,} bytes")
    return data
