"""labels.csv: one line a recording, its columns file, subject and gesture, and optional ones."""

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gesturelab.datasets.recording import CORRECTNESS, RecordingLabel
from gesturelab.errors import DataError
from gesturelab.files import refuse_special_file, why

FILE = "labels.csv"
REQUIRED = ("file", "subject", "gesture")
OPTIONAL = ("group", "correctness", "posture", "rate_hz", "mirrored")
MAX_BYTES = 64 * 2**20
_LONGEST = 100
_LONGEST_NAME, _DEEPEST = 255, 16
"""Bytes of a file's name on most systems, and folders in a path, so that the system can be asked about it."""
_CORRECTNESS = {"": 1} | {word: code for code, name in CORRECTNESS.items() for word in (str(code), name)}


@dataclass(frozen=True, kw_only=True)
class LabelRow(RecordingLabel):
    """One line; the recording's name is its file without the ending.

    Attributes:
        line: Its number in the file.
        file: The recording's path below the folder.
        rate_hz: Frames a second, of a file that carries no times; None where nothing is said.
        mirrored: The gesture that this one becomes in a mirror; empty where nothing is said.
    """

    line: int
    file: str
    rate_hz: float | None = None
    mirrored: str = ""


def read_labels(root: Path, *, one_person: bool = False) -> tuple[LabelRow, ...]:
    """Reads and checks the table of a folder.

    Args:
        root: The folder.
        one_person: Whether one subject is enough, since nobody is trained and tested on.

    Raises:
        DataError: Naming the file and the line.
    """
    path = root / FILE
    labels = tuple(_labels(path))
    if not labels:
        raise DataError(f"{path} names no recording")
    _refuse_repeats(path, labels)
    _refuse_contradictions(path, labels)
    if absent := [label for label in labels if not (root / label.file).is_file()]:
        more = f" (and {len(absent) - 1} more are missing)" if len(absent) > 1 else ""
        raise _error(path, absent[0].line, f"there is no file {absent[0].file} in {root}{more}")
    if not one_person and len({label.subject for label in labels}) == 1:
        raise DataError(
            f"{path} names one subject only, {labels[0].subject}: to learn from some people and test on others there "
            "must be three or more"
        )
    return labels


def _error(path: Path, line: int, problem: str) -> DataError:
    return DataError(f"{path}, line {line}: {problem}")


def read_cells(root: Path) -> tuple[list[str], list[list[str]]]:
    """A folder's table as it stands: its column names, and the cells of each recording in the order of `read_labels`.

    Raises:
        DataError: Naming the file and the line.
    """
    (_, header), *rows = _rows(root / FILE)
    return header, [cells for _, cells in rows]


def _labels(path: Path) -> Iterator[LabelRow]:
    rows = _rows(path)
    _, header = next(rows)
    for line, cells in rows:
        yield _label(path, line, dict(zip(header, cells, strict=True)))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers; the first holds the column names."""
    try:
        refuse_special_file(path, MAX_BYTES)
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = [name.strip().lower() for name in next(rows, [])]
            _check_header(path, header)
            yield rows.line_num, header
            for row in rows:
                if any(cell.strip() for cell in row):
                    if len(row) != len(header):
                        raise _error(path, rows.line_num, f"it has {len(row)} columns, line 1 has {len(header)}")
                    yield rows.line_num, row
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist: a folder of recordings needs one, with the columns {', '.join(REQUIRED)} and a "
            "line for each recording; gesturelab data convert makes one from names of files"
        ) from None
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {why(error)}") from error


def _check_header(path: Path, header: list[str]) -> None:
    known = (*REQUIRED, *OPTIONAL)
    if len(header) == 1 and (mark := next((mark for mark in ";\t" if mark in header[0]), None)):
        raise _error(path, 1, f"its columns are separated by {mark!r}: save it with commas")
    if missing := [name for name in REQUIRED if name not in header]:
        say = f"columns are {', '.join(REQUIRED)}, and may be {', '.join(OPTIONAL)}"
        raise _error(path, 1, f"there is no column {missing[0]}; {say}")
    if unknown := [name for name in header if name not in known]:
        raise _error(path, 1, f"unknown column {unknown[0]!r}; columns are {', '.join(known)}")
    if twice := [name for name in header if header.count(name) > 1]:
        raise _error(path, 1, f"the column {twice[0]} stands there twice")


def _label(path: Path, line: int, cells: dict[str, str]) -> LabelRow:
    text = {key: unicodedata.normalize("NFC", value).strip() for key, value in cells.items()}
    for key, value in text.items():
        if not value and key in REQUIRED:
            raise _error(path, line, f"the column {key} is empty")
        if (key != "file" and len(value) > _LONGEST) or not value.isprintable():
            raise _error(path, line, f"{key} must be at most {_LONGEST} letters on one line, not {value[:40]!r}")
    file = PurePosixPath(text["file"].replace("\\", "/"))
    names = file.parts
    odd = not names or file.is_absolute() or ".." in names or ":" in names[0]
    if (
        odd
        or max(len(name.encode("utf-8", "surrogatepass")) for name in names) > _LONGEST_NAME
        or len(names) > _DEEPEST
    ):
        raise _error(path, line, f"file {text['file']} must be a path below the folder")
    correctness = text.get("correctness", "").lower()
    if correctness not in _CORRECTNESS:
        codes = ", ".join(f"{code} {name}" for code, name in CORRECTNESS.items())
        raise _error(path, line, f"correctness is {correctness!r}; it must be one of {codes}")
    return LabelRow(
        line=line,
        file=str(file),
        name=str(file.with_suffix("")),
        subject=text["subject"],
        gesture=text["gesture"],
        group=text.get("group", ""),
        correctness=_CORRECTNESS[correctness],
        posture=text.get("posture", ""),
        rate_hz=_rate(path, line, text.get("rate_hz", "")),
        mirrored=text.get("mirrored", ""),
    )


def _rate(path: Path, line: int, text: str) -> float | None:
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise _error(path, line, f"rate_hz is {text!r}; it must be a number of frames a second")
    return rate


def _refuse_repeats(path: Path, labels: tuple[LabelRow, ...]) -> None:
    lines: dict[str, LabelRow] = {}
    for label in labels:
        if (earlier := lines.setdefault(label.name, label)) is not label:
            same = "is" if earlier.file == label.file else f"and {earlier.file} have one name; {earlier.file} is"
            raise _error(path, label.line, f"{label.file} {same} on line {earlier.line} already")


def _refuse_contradictions(path: Path, labels: tuple[LabelRow, ...]) -> None:
    """Names that differ in capitals only would put one person on two sides; a person has one group."""
    first: dict[tuple[str, str], tuple[str, LabelRow]] = {}

    def keep(kind: str, owner: str, value: str, label: LabelRow) -> tuple[str, LabelRow] | None:
        """What was said before, if it is something else."""
        earlier = first.setdefault((kind, owner), (value, label))
        return earlier if earlier[0] != value else None

    for label in labels:
        for kind, name in (("subject", label.subject), ("gesture", label.gesture)):
            if earlier := keep(kind, " ".join(name.casefold().split()), name, label):
                problem = f"{kind} {name!r} is written {earlier[0]!r} on line {earlier[1].line}"
                raise _error(path, label.line, f"{problem}: write it alike, or give them different names")
        for kind, owner, value in (("group", label.subject, label.group), ("mirrored", label.gesture, label.mirrored)):
            if (value or kind == "group") and (earlier := keep(kind, owner, value, label)):
                problem = f"{owner} has {kind} {value!r} here, and {earlier[0]!r} on line {earlier[1].line}"
                raise _error(path, label.line, problem)
    for label in labels:
        gesture, image = label.gesture, label.mirrored
        back, other = first.get(("mirrored", image), (gesture, label))
        if image and back != gesture:
            raise _error(path, other.line, f"{gesture} becomes {image} in a mirror, so {image} must become {gesture}")
