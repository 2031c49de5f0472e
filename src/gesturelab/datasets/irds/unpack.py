"""Unpacks an archive that came from elsewhere: every member is judged before the first byte is written."""

import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from rich.console import Console

from gesturelab.datasets.irds.archive import DAMAGED, MAX_RATIO, grows_absurdly
from gesturelab.datasets.irds.progress import progress
from gesturelab.errors import FetchError
from gesturelab.files import sync_folder, why

MAX_BYTES = 8 * 2**30
MAX_MEMBERS = 100_000


def unpack(archive: Path, folder: Path, console: Console) -> None:
    """Unpacks into a folder that must not hold anything, whole or not at all; macOS's own files are passed over.

    A single top folder of the same name in the archive becomes the folder.

    Raises:
        FetchError: If the archive is damaged, or a member would escape, is a link, or grows absurdly.
        OSError: If the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with zipfile.ZipFile(archive) as opened:
            members = safe_members(opened, archive)
            total = sum(member.file_size for member in members)
            if (free := shutil.disk_usage(folder.parent).free) < total:
                raise FetchError(f"{folder.parent} has {free:,} bytes left; the recordings need {total:,}")
            with progress(f"unpacking {archive.name}", total, console) as advance:
                for member in members:
                    path = beside / member.filename
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member) as source, path.open("wb") as to:
                        shutil.copyfileobj(source, to)
                        to.flush()
                        os.fsync(to.fileno())
                    advance(member.file_size)
        inner = beside / folder.name
        if folder.is_dir():
            folder.rmdir()
        whole = inner if [path.name for path in beside.iterdir()] == [folder.name] and inner.is_dir() else beside
        whole.chmod(0o755)
        whole.rename(folder)
        sync_folder(folder.parent)
    except OSError:
        raise
    except DAMAGED as error:
        raise FetchError(f"{archive} is damaged ({why(error)}): remove it and fetch it again") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def safe_members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The files to unpack.

    Raises:
        FetchError: If any member, wanted or not, would escape, is a link, or grows absurdly.
    """
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise FetchError(f"{path} holds {len(members):,} members; it is not the published archive")
    for member in members:
        name = member.filename
        if (
            PureWindowsPath(name).anchor
            or name.startswith("/")
            or {"..", ""} & set(name.rstrip("/").split("/"))
            or ("\\" in name)
        ):
            raise FetchError(f"{path}: member {name!r} would be written outside the folder; nothing was unpacked")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise FetchError(f"{path}: member {name!r} is a link; nothing was unpacked")
        if grows_absurdly(member):
            raise FetchError(f"{path}: member {name!r} would grow {MAX_RATIO}-fold; nothing was unpacked")
    if (total := sum(member.file_size for member in members)) > MAX_BYTES:
        raise FetchError(f"{path} would unpack to {total:,} bytes; nothing was unpacked")
    return [member for member in members if not member.is_dir() and not _of_macos(member.filename)]


def _of_macos(name: str) -> bool:
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name == ".DS_Store" or path.name.startswith("._")
