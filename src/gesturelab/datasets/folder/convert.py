"""Recordings in files of other programs, written as a folder that ``data=folder`` reads, with what was decided."""

import csv
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import yaml

from gesturelab.datasets.folder.croissant import CROISSANT
from gesturelab.datasets.folder.labels import FILE, OPTIONAL, REQUIRED, read_labels
from gesturelab.datasets.folder.read import MADE_UP
from gesturelab.datasets.formats.csv_table import write_table
from gesturelab.datasets.formats.files import ENDINGS, parse_frames, read_bytes, to_motion
from gesturelab.datasets.formats.long_table import split_recordings
from gesturelab.datasets.formats.points import Reading
from gesturelab.datasets.recording import CORRECTNESS, Rejected
from gesturelab.errors import ConfigError, DataError, RecordingError
from gesturelab.files import UMASK, atomic_write, write_json, write_text
from gesturelab.progress import show_progress
from gesturelab.skeletons.definition import to_plain
from gesturelab.skeletons.landmarks import skeleton_of
from gesturelab.skeletons.skeleton import SKELETONS

CONVERTED = "converted.json"
"""What was decided about each recording."""

SIDE_FILES = frozenset({FILE, CONVERTED, MADE_UP, CROISSANT})
"""What gesturelab itself writes beside recordings."""

MAX_NAME_BYTES = 200
SKELETON = "skeleton.yaml"
FRAME_OF_OPENPOSE = re.compile(r"(.+)_\d{12}_keypoints")
_FIELDS = (*REQUIRED[1:], *OPTIONAL)
_PASSED_OVER = ("repetition", "other")
_SHAPES = {"repetition": r"\d+", "rate_hz": r"\d+(?:\.\d+)?"}


@dataclass(frozen=True)
class Converted:
    """What was decided about a recording.

    Attributes:
        file: What was written, below the folder.
        source: What was read.
        form: What that is.
        unit: What its positions are in, and who says so.
        up: Which of its axes points up, and who says so.
        rate_hz: Frames a second, by its times or by the user.
        frames: How many there are.
        body: Which body was chosen, where there are several.
        labels: Its columns of labels.csv.
    """

    file: str
    source: str
    form: str
    unit: str
    up: str
    rate_hz: float
    frames: int
    body: str
    labels: dict[str, str]


@dataclass(frozen=True)
class _Source:
    """Where a recording stands: its files, one after another, or its lines of a table that holds several."""

    files: tuple[Path, ...]
    lines: bytes | None = None


def convert_recordings(
    source: Path, out: Path, reading: Reading, pattern: str | None = None
) -> tuple[list[Converted], list[Rejected], int]:
    """Writes a folder of CSV files, labels.csv, and what was decided; all of it or nothing.

    A folder made from made-up recordings is marked as made up, too.

    Args:
        source: A folder of recordings, or one file; with labels.csv in the folder no pattern is needed.
        out: The new folder.
        reading: How files are read; its rate is that of files without times.
        pattern: What names say, such as ``{subject}_{gesture}_{repetition}``; see `read_name`.

    Returns:
        What was written, what could not be used, and how many recordings the folder's own table does not list.

    Raises:
        DataError: If the new folder is not empty, a name does not match, nothing can be used, or the new table would be
            refused.
        ConfigError: If the pattern is wrong.
        RunError: If the folder cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is not empty: name a new folder")
    recordings = _find_recordings(source)
    if outside := [name for name in recordings if not _is_below(name)]:
        raise DataError(f"{source}: a recording cannot be called {outside[0][:80]!r}: files are named after it")
    labels = _label_recordings(source, list(recordings), pattern)
    skeleton = skeleton_of(reading.layout)
    converted: list[Converted] = []
    rejected: list[Rejected] = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}") from error
    try:
        for name in show_progress(labels, "converting"):
            try:
                converted.append(_convert(name, recordings[name], beside, reading, labels[name]))
            except RecordingError as error:
                rejected.append(Rejected(name, str(error), str(recordings[name].files[0])))
        if not converted:
            raise DataError(f"{source}: none of {len(rejected)} recordings can be used; {rejected[0]}")
        _write_labels(beside / FILE, converted)
        _check_labels(source, beside, converted)
        if made_up := next((path for path in (source.parent / MADE_UP, *source.rglob(MADE_UP)) if path.exists()), None):
            shutil.copyfile(made_up, beside / MADE_UP)
        write_json(beside / CONVERTED, [asdict(each) for each in converted])
        if skeleton != SKELETONS.get(skeleton.name):
            write_text(beside / SKELETON, yaml.safe_dump(to_plain(skeleton), sort_keys=False, allow_unicode=True))
        beside.chmod(0o777 & ~UMASK)
        beside.replace(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return converted, rejected, len(recordings) - len(labels)


def _convert(name: str, source: _Source, out: Path, reading: Reading, labels: dict[str, str]) -> Converted:
    """Writes one recording.

    Raises:
        RecordingError: If it cannot be used.
        RunError: If it cannot be written.
    """
    data = b"\n".join(map(read_bytes, source.files)) if source.lines is None else source.lines
    track = parse_frames(data, reading)
    rate_hz = float(labels.get("rate_hz") or 0) or reading.rate_hz
    if track.times_ms is None and rate_hz is None:
        raise RecordingError(f"{track.form} carries no times: say how many frames a second it has (--rate-hz)")
    motion = to_motion(track, rate_hz if track.times_ms is None or len(track.times_ms) == 1 else None)
    write_table(out / f"{name}.csv", motion.positions, motion.rate_hz, skeleton_of(reading.layout))
    return Converted(
        file=f"{name}.csv",
        source=str(source.files[0]),
        form=track.form,
        unit=track.unit,
        up=track.up,
        rate_hz=round(motion.rate_hz, 4),
        frames=len(motion.positions),
        body=track.body,
        labels=labels,
    )


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    odd = not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name
    return not odd and name.isprintable() and len(name.encode("utf-8", "replace")) < MAX_NAME_BYTES


def _find_recordings(source: Path) -> dict[str, _Source]:
    """Where each recording stands, by its name; folders inside that were converted before are passed over.

    Raises:
        DataError: If there is none, or two would have one name.
    """
    if not source.is_dir():
        if not source.exists():
            raise DataError(f"{source} does not exist")
        return _split_table(source) or {source.stem: _Source((source,))}
    recordings: dict[str, _Source] = {}
    frames: defaultdict[str, list[Path]] = defaultdict(list)
    earlier = {path.parent for path in source.rglob(CONVERTED)} - {source}
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
        other = path.suffix.lower() not in ENDINGS or path.name in SIDE_FILES or not earlier.isdisjoint(path.parents)
        if hidden or other or not path.is_file():
            continue
        name = inside.with_suffix("").as_posix()
        if (frame := FRAME_OF_OPENPOSE.fullmatch(name)) is not None:
            frames[frame[1]].append(path)
            continue
        tables = _split_table(path)
        several = (
            {(inside.parent / each).as_posix(): table for each, table in tables.items()} if len(tables) > 1 else {}
        )
        for each, found in (several or {name: _Source((path,))}).items():
            if each in recordings:
                first = recordings[each].files[0]
                raise DataError(f"{path} and {first} have one name, {each}: convert them one after the other")
            recordings[each] = found
    for name, files in frames.items():
        if name in recordings:
            raise DataError(f"{files[0]} and {recordings[name].files[0]} have one name, {name}: move one of them away")
        recordings[name] = _Source(tuple(files))
    if not recordings:
        raise DataError(f"{source} holds no recording: looked for files that end with {', '.join(ENDINGS)}")
    return dict(sorted(recordings.items()))


def _split_table(path: Path) -> dict[str, _Source]:
    """The recordings of a long table with a column for their names; none of any other file."""
    try:
        return {name: _Source((path,), lines) for name, lines in split_recordings(read_bytes(path)).items()}
    except RecordingError:
        return {}


def _label_recordings(source: Path, names: Sequence[str], pattern: str | None) -> dict[str, dict[str, str]]:
    """The columns of labels.csv of each recording, by the pattern or, of those that it lists, the folder's own table.

    Raises:
        DataError: If a name does not match, or the table lists none.
        ConfigError: If the pattern is wrong.
    """
    if pattern is not None:
        return {name: read_name(name, pattern) for name in names}
    if not (source / FILE).is_file():
        raise ConfigError(
            f"{source} has no {FILE}: say what names of files mean, such as --pattern "
            "'{subject}_{gesture}_{repetition}'"
        )
    labelled = {label.name: label for label in read_labels(source, one_person=True)}
    if not (listed := [name for name in names if name in labelled]):
        raise DataError(f"{source / FILE} names no recording that is there, such as {names[0]}: give a --pattern")
    rows = {name: {key: str(getattr(labelled[name], key) or "") for key in _FIELDS} for name in listed}
    return {name: row | {"correctness": CORRECTNESS[int(row["correctness"])]} for name, row in rows.items()}


def read_name(name: str, pattern: str) -> dict[str, str]:
    """What the name of a recording says.

    A pattern with a slash is that of the path below the folder, another one that of the file's name alone, both without
    the ending. Only the gesture may hold a mark, such as _, that stands between the fields of the pattern.

    Raises:
        DataError: If the name does not match, or matches in several ways.
        ConfigError: If the pattern is wrong.

    >>> read_name("anna_wave_left_2", "{subject}_{gesture}_{repetition}")
    {'subject': 'anna', 'gesture': 'wave_left'}
    """
    parts = re.split(r"\{(\w*)\}", pattern)
    fields = parts[1::2]
    unknown = [field for field in fields if field not in (*_FIELDS, *_PASSED_OVER)]
    if unknown or "subject" not in fields or "gesture" not in fields or len({*fields}) < len(fields):
        raise ConfigError(
            f"--pattern {pattern}: must hold {{subject}} and {{gesture}}, and may hold, each once, "
            f"{', '.join(f'{{{field}}}' for field in (*OPTIONAL, *_PASSED_OVER))}"
        )
    text = name if "/" in pattern else name.rpartition("/")[2]
    matches: list[dict[str, str]] = []
    between = "".join(sorted({mark for part in parts[::2] for mark in part if not mark.isalnum()} | {"/"}))
    any_text = (f"[^{re.escape(between)}]", "[^/]")
    for amount in ("+?", "+"):
        regex = "".join(
            re.escape(part) if at % 2 == 0 else f"(?P<{part}>{_SHAPES.get(part, any_text[part == 'gesture'] + amount)})"
            for at, part in enumerate(parts)
        )
        if (match := re.fullmatch(regex, text)) is not None:
            matches.append(match.groupdict())
    if not matches:
        raise DataError(f"{name} does not match --pattern {pattern}")
    if matches[0] != matches[1]:
        raise DataError(
            f"{name} matches --pattern {pattern} in several ways, such as {matches[0]} and {matches[1]}: write "
            f"{FILE} by hand, or give the files other names"
        )
    return {key: value for key, value in matches[0].items() if key in _FIELDS}


def _write_labels(path: Path, converted: Sequence[Converted]) -> None:
    columns = [name for name in _FIELDS if any(each.labels.get(name) for each in converted)]
    with atomic_write(path) as beside, beside.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(["file", *columns])
        table.writerows([each.file, *(each.labels.get(name, "") for name in columns)] for each in converted)


def _check_labels(source: Path, out: Path, converted: Sequence[Converted]) -> None:
    """Refuses a table that could not be read again; the message names recordings beside lines.

    Raises:
        DataError: If it could not be read.
    """
    try:
        read_labels(out, one_person=True)
    except DataError as error:
        names = {str(line): each.file.removesuffix(".csv") for line, each in enumerate(converted, 2)}
        problem = str(error).removeprefix(f"{out / FILE}, ")
        problem = re.sub(r"(?<=line )\d+", lambda line: f"{line[0]} ({names.get(line[0], FILE)})", problem)
        raise DataError(f"{source}: its {FILE} would be refused: {problem}") from None
