"""IntelliRehabDS on disk: what file names mean, and where the recordings are.

Miron, Sadawi, Ismail, Hussain, Grosan, "IntelliRehabDS (IRDS) - A Dataset of Physical Rehabilitation Movements", Data
2021, 6(5), 46, doi 10.3390/data6050046; Zenodo record 4610859.
"""

import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gesturelab.config.data import Form
from gesturelab.datasets.recording import CORRECTNESS, RecordingLabel
from gesturelab.errors import DataError, RecordingError
from gesturelab.files import refuse_special_file, why

DAMAGED = (
    OSError,
    EOFError,
    LookupError,
    RuntimeError,
    ValueError,
    OverflowError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Python's zipfile raises on bytes that are no archive, or a damaged, encrypted or unknown kind of one."""

MAX_RATIO = 200
"""Text packs to a tenth; a member that packs better than this is a bomb."""

_SMALL = 2**20


def grows_absurdly(member: zipfile.ZipInfo) -> bool:
    """Whether a member says that it would grow as nothing but a bomb does."""
    return member.file_size > _SMALL and member.file_size > MAX_RATIO * member.compress_size


GESTURES = (
    "elbow_flexion_left",
    "elbow_flexion_right",
    "shoulder_flexion_left",
    "shoulder_flexion_right",
    "shoulder_abduction_left",
    "shoulder_abduction_right",
    "shoulder_forward_elevation",
    "side_tap_left",
    "side_tap_right",
)
"""What the gesture labels 0 to 8 mean."""

MIRRORED_GESTURES = (1, 0, 3, 2, 5, 4, 6, 8, 7)
"""For each gesture the one it becomes when left and right are swapped."""

MAX_FILE_BYTES = 256 * 2**20
"""Larger files are refused unread; the longest published recording has 8 MB."""

FOLDERS = {Form.simplified: "Simplified", Form.raw: "RawData"}
"""The published folder of each form."""

_NAME = re.compile(r"([0-9A-Za-z-]+)_(\d+)_(\d{1,3})_(\d{1,6})_(\d{1,3})_([A-Za-z-]+)")


@dataclass(frozen=True)
class Label:
    """What a file's name says: ``SubjectID_DateID_GestureLabel_RepetitionNo_CorrectLabel_Position``."""

    subject: str
    date: str
    gesture: int
    repetition: int
    correctness: int
    posture: str

    @property
    def group(self) -> str:
        """Ids of patients start with 2."""
        return "patient" if self.subject.startswith("2") else "healthy"


def parse_label(name: str) -> Label:
    """Reads a file's name, without its ending.

    Raises:
        RecordingError: If it has another form, or a gesture or correctness label that does not exist.

    >>> parse_label("203_18_4_12_2_Stand-frame")
    Label(subject='203', date='18', gesture=4, repetition=12, correctness=2, posture='stand-frame')
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise RecordingError(
            "its name is not of the form SubjectID_DateID_GestureLabel_RepetitionNo_CorrectLabel_Position.txt"
        )
    subject, date, gesture, repetition, correctness, posture = match.groups()
    if int(gesture) >= len(GESTURES):
        raise RecordingError(f"its name has gesture {gesture}; gestures are 0 to {len(GESTURES) - 1}")
    if int(correctness) not in CORRECTNESS:
        raise RecordingError(f"its name has correctness {correctness}; it must be one of {list(CORRECTNESS)}")
    return Label(subject, date, int(gesture), int(repetition), int(correctness), posture.lower())


def recording_label(name: str) -> RecordingLabel:
    """What a file's name, without its ending, says of the recording.

    Raises:
        RecordingError: As `parse_label`.
    """
    label = parse_label(name)
    return RecordingLabel(
        name,
        label.subject,
        GESTURES[label.gesture],
        group=label.group,
        correctness=label.correctness,
        posture=label.posture,
    )


@dataclass(frozen=True)
class IrdsFile:
    """One recording's file, not yet read.

    Attributes:
        name: File name without its ending.
        path: The file, or the archive that it is a member of.
        member: Its name in the archive; empty for a file in a folder.
        size: Bytes.
        stamp: Differs when the content does: times of change in a folder, checksum in an archive.
        archive: Open as long as one of its members is to be read; None for a file in a folder.
    """

    name: str
    path: Path
    member: str
    size: int
    stamp: str
    archive: zipfile.ZipFile | None = field(default=None, compare=False, repr=False)

    def read(self) -> bytes:
        """The file's bytes.

        Raises:
            RecordingError: If it is too large or cannot be read.
        """
        if self.size > MAX_FILE_BYTES:
            raise RecordingError(f"it has {self.size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
        try:
            if self.archive is not None:
                if grows_absurdly(self.archive.getinfo(self.member)):
                    raise ValueError("its archive would grow absurdly")
                with self.archive.open(self.member) as member:
                    return member.read(self.size + 1)  # never more than the archive says that it has
            refuse_special_file(self.path, MAX_FILE_BYTES)
            with self.path.open("rb") as opened:
                return opened.read(MAX_FILE_BYTES)
        except DAMAGED as error:
            raise RecordingError(f"it cannot be read: {why(error)}") from error


def irds_files(root: Path, form: Form) -> tuple[IrdsFile, ...]:
    """Finds the recordings, in order of name; macOS's own files are passed over.

    Args:
        root: The folder SkeletonData, the folder above it, the one above that, a folder with the files directly, or
            the published zip.
        form: Which of the two published forms.

    Raises:
        DataError: If there are none; the message says what was looked for.
    """
    root = root.expanduser()
    if root.is_file():
        files = _in_archive(root, form)
        looked = f"members {FOLDERS[form]}/*.txt or *.txt of {root}"
    else:
        folder = _find_folder(root, FOLDERS[form])
        files = _in_folder(folder)
        looked = f"{_places(root, FOLDERS[form])}, and {root / '*.txt'}"
    if not files:
        problem = "holds no recordings" if root.exists() else "does not exist"
        raise DataError(
            f"data.root={root} {problem}: looked for {looked}. Give the folder SkeletonData, the folder above it, or "
            "SkeletonData.zip; `gesturelab data fetch irds` downloads it"
        )
    return tuple(sorted(files, key=lambda file: file.name))


def irds_forms(root: Path) -> dict[Form, tuple[IrdsFile, ...]]:
    """The recordings of each form that is there; files directly in the root count as what their first lines say.

    Raises:
        DataError: If there are none.
    """
    forms: dict[Form, tuple[IrdsFile, ...]] = {}
    problems: list[DataError] = []
    for form in Form:
        try:
            forms[form] = irds_files(root, form)
        except DataError as error:
            problems.append(error)
    if not forms:
        raise problems[0]
    if len(forms) == 2 and forms[Form.simplified] == forms[Form.raw]:
        form = Form.raw if _look_raw(forms[Form.raw]) else Form.simplified
        return {form: forms[form]}
    return forms


def _look_raw(files: Sequence[IrdsFile]) -> bool:
    for file in files:
        with suppress(RecordingError):
            if (start := file.read()[:10]).strip():
                return start == b"Version0.1"
    return False


def _places(root: Path, folder: str) -> str:
    return ", ".join(str(root / place / folder) for place in (".", "SkeletonData", "*/SkeletonData"))


def _find_folder(root: Path, name: str) -> Path:
    """The form's folder below the root; the root itself if there is none.

    Raises:
        DataError: If there are several.
    """
    for place in (name, f"SkeletonData/{name}"):
        if (root / place).is_dir():
            return root / place
    folders = sorted(path for path in root.glob(f"*/SkeletonData/{name}") if path.is_dir())
    if len(folders) > 1:
        raise DataError(f"data.root={root} holds several data sets: name one of {', '.join(map(str, folders))}")
    return folders[0] if folders else root


def _in_folder(folder: Path) -> list[IrdsFile]:
    files: list[IrdsFile] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_recording(entry.name):
                    stat = entry.stat(follow_symlinks=entry.is_file())  # a link to nothing is refused by name later
                    stamp = f"{stat.st_mtime_ns}-{stat.st_ctime_ns}"
                    files.append(IrdsFile(_printable(entry.name[:-4]), Path(entry.path), "", stat.st_size, stamp))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    return files


def _in_archive(path: Path, form: Form) -> list[IrdsFile]:
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED as error:
        raise DataError(
            f"{path} is not a readable zip archive ({why(error)}); `gesturelab data fetch irds` gets it"
        ) from None
    kept = [(PurePosixPath(info.filename), info) for info in archive.infolist() if not info.is_dir()]
    kept = [(name, info) for name, info in kept if _is_recording(name.name) and "__MACOSX" not in name.parts]
    in_forms = {folder: [pair for pair in kept if pair[0].parent.name == folder] for folder in FOLDERS.values()}
    chosen = in_forms[FOLDERS[form]] if any(in_forms.values()) else kept
    return [
        IrdsFile(_printable(name.name[:-4]), path, info.filename, info.file_size, f"{info.CRC:08x}", archive)
        for name, info in chosen
    ]


def _printable(name: str) -> str:
    """A name that may be written into any file: bytes that are no text stand as they are shown."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_recording(file_name: str) -> bool:
    return file_name.endswith(".txt") and not file_name.startswith(".")
