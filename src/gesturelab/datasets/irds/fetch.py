"""Downloads the published recordings of IntelliRehabDS (CC BY 4.0), and unpacks them safely."""

import hashlib
import http.client
import json
import os
import shutil
import ssl
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from gesturelab.datasets.irds.files import DAMAGED, MAX_RATIO, grows_absurdly
from gesturelab.errors import FetchError
from gesturelab.files import sync, sync_folder, why

Advance = Callable[[int], None]


@contextmanager
def progress(what: str, total: int | None, console: Console) -> Generator[Advance]:
    """Gives a function to be called with each number of bytes done."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)
        return
    done = said = 0
    step = max((total or 0) // 10, 10 * 2**20)

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        if done - said >= step or (count and done == total):
            said = done
            share = f" of {total / 2**20:.1f}" if total else ""
            console.print(f"{what}: {done / 2**20:.1f}{share} MB", soft_wrap=True, highlight=False)

    yield advance


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


RECORD_URL = "https://zenodo.org/api/records/4610859"
ARCHIVE_URL = "https://zenodo.org/records/4610859/files/SkeletonData.zip?download=1"
ARCHIVE = "SkeletonData.zip"
FOLDER = "SkeletonData"
BY_HAND = "or download SkeletonData.zip from https://zenodo.org/records/4610859 yourself and give it as data.root"

_CHUNK = 256 * 1024
_NETWORK_ERRORS = (
    urllib.error.URLError,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
    http.client.HTTPException,
    ValueError,
)


@dataclass(frozen=True)
class Archive:
    """Where the archive is; size and checksum (such as ``md5:...``) where the record says them."""

    url: str
    size: int | None = None
    checksum: str | None = None


def fetch_irds(
    target: Path,
    *,
    record_url: str = RECORD_URL,
    archive_url: str = ARCHIVE_URL,
    timeout_s: float = 60,
    console: Console | None = None,
) -> Path:
    """Downloads and unpacks the recordings, unless they are there; a download that broke off goes on where it stopped.

    Args:
        target: Folder to put them in; made if missing.
        record_url: Metadata of the Zenodo record.
        archive_url: Where the archive is if the metadata cannot be read.
        timeout_s: How long the server may say nothing.
        console: Where to report; standard output if None.

    Returns:
        The folder SkeletonData in the target.

    Raises:
        FetchError: If the download fails, is not what was published, or must not be unpacked.
    """
    console = console or Console()
    folder = target / FOLDER
    if folder.is_dir() and any(folder.iterdir()):
        console.print(f"{folder} is there already; remove it to fetch it again", soft_wrap=True)
        return folder
    try:
        target.mkdir(parents=True, exist_ok=True)
        path = target / ARCHIVE
        archive = _read_record(record_url, archive_url, timeout_s, console)
        if not (path.is_file() and _is_whole(path, archive)):
            _download(archive, path, timeout_s, console)
        unpack(path, folder, console)
        path.unlink()
    except OSError as error:
        raise FetchError(f"{target} cannot be written: {error.strerror or error}") from error
    return folder


@contextmanager
def _talking_to(url: str) -> Generator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise FetchError(f"{url} answered {error.code} {error.reason}: try again later, {BY_HAND}") from error
    except _NETWORK_ERRORS as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise FetchError(f"{url}: {reason}. Try again (the download goes on where it stopped), {BY_HAND}") from error


def _open(url: str, timeout_s: float, headers: dict[str, str] | None = None) -> Any:
    if not url.startswith(("https://", "http://")):
        raise ValueError("not a web address")
    request = urllib.request.Request(url, headers={"User-Agent": "gesturelab", **(headers or {})})
    return urllib.request.urlopen(request, timeout=timeout_s)


def _read_record(record_url: str, archive_url: str, timeout_s: float, console: Console) -> Archive:
    """What the record says about the archive; a plain address if it cannot be read."""
    try:
        with _talking_to(record_url), _open(record_url, timeout_s) as response:
            record = cast(dict[str, Any], json.loads(response.read(10 * 2**20)))
        file = next(file for file in record["files"] if file["key"] == ARCHIVE)
        return Archive(str(file["links"]["self"]), int(file["size"]), str(file["checksum"]))
    except (FetchError, StopIteration, LookupError, TypeError, ValueError, AttributeError) as error:
        console.print(f"the record's metadata cannot be read, so size and checksum are not checked ({error!r:.200})")
        return Archive(archive_url)


def _is_whole(path: Path, archive: Archive) -> bool:
    if archive.size is None or path.stat().st_size != archive.size:
        return False
    return archive.checksum is None or _checksum(path, archive.checksum) == archive.checksum


def _checksum(path: Path, like: str) -> str | None:
    """The file's checksum in the form of another, such as ``md5:...``; None if the kind is not known."""
    kind, colon, _ = like.partition(":")
    if not colon or kind not in hashlib.algorithms_guaranteed or kind.startswith("shake"):
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    return f"{kind}:{digest.hexdigest()}"


def _download(archive: Archive, path: Path, timeout_s: float, console: Console) -> None:
    """Downloads to ``<path>.part``, checks it, and moves it to its name.

    Raises:
        FetchError: If it breaks off (the part is kept), or is not what was published (the part is removed).
    """
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.is_file() else 0
    if archive.size is not None:
        if have > archive.size:
            part.unlink()
            have = 0
        free = shutil.disk_usage(path.parent).free
        if free < archive.size - have:
            raise FetchError(f"{path.parent} has {free:,} bytes left; the archive needs {archive.size - have:,}")
    if have == 0 or have != archive.size:
        expected = _transfer(archive, part, have, timeout_s, console)
        size = part.stat().st_size
        if expected is not None and size != expected:
            raise FetchError(
                f"the download broke off at {size:,} of {expected:,} bytes: run the command again to go on"
            )
        if archive.size is not None and size != archive.size:
            part.unlink()
            raise FetchError(
                f"{archive.url} has {size:,} bytes, the record says {archive.size:,}: try again, {BY_HAND}"
            )
    if archive.checksum is not None:
        found = _checksum(part, archive.checksum)
        if found is None:
            console.print(f"the record's checksum {archive.checksum!r:.80} is of a kind not known; it is not checked")
        elif found != archive.checksum:
            part.unlink()
            raise FetchError(f"{archive.url} has checksum {found}, the record says {archive.checksum}: try again")
    sync(part)
    part.replace(path)
    sync_folder(path.parent)


def _transfer(archive: Archive, part: Path, have: int, timeout_s: float, console: Console) -> int | None:
    """Adds to the part what is missing, or begins again where the server cannot; returns the whole size if told."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    with _talking_to(archive.url):
        try:
            response = _open(archive.url, timeout_s, headers)
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
                raise
            error.close()
            have = 0
            response = _open(archive.url, timeout_s)
        with response:
            goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT and str(
                response.headers.get("Content-Range", "")
            ).startswith(f"bytes {have}-")
            if response.status == http.HTTPStatus.PARTIAL_CONTENT and not goes_on:
                raise ValueError("the server sent another part than the one asked for")
            have = have if goes_on else 0
            length = response.headers.get("Content-Length")
            expected = have + int(length) if length is not None else archive.size
            with part.open("ab" if goes_on else "wb") as file, progress(ARCHIVE, expected, console) as advance:
                advance(have)
                _copy(response, file, expected, archive.size, have, advance)
    return expected


def _copy(response: Any, file: Any, expected: int | None, published: int | None, have: int, advance: Advance) -> None:
    limit = max(expected or 0, published or 0) or None
    while chunk := response.read(_CHUNK):
        have += len(chunk)
        if limit is not None and have > limit:
            raise ValueError(f"the server sends more than {limit:,} bytes")
        try:
            file.write(chunk)
        except OSError as error:
            raise FetchError(f"{file.name} cannot be written: {error.strerror or error}") from error
        advance(len(chunk))
