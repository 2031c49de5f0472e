"""Downloads the published recordings of IntelliRehabDS (CC BY 4.0), and unpacks them safely."""

import hashlib
import http.client
import json
import shutil
import ssl
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
    track,
)

from gesturelab.datasets.irds.files import DAMAGED, MAX_RATIO, grows_absurdly
from gesturelab.errors import FetchError
from gesturelab.files import sync, sync_folder, why

MAX_BYTES = 8 * 2**30
MAX_MEMBERS = 100_000

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

    def difference(self, path: Path) -> str | None:
        """How a file differs from the published archive, as far as the record says; None where it does not."""
        if self.size is not None and (size := path.stat().st_size) != self.size:
            return f"has {size:,} bytes, the record says {self.size:,}"
        if self.checksum is not None:
            kind = self.checksum.partition(":")[0]
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
            if f"{kind}:{digest}" != self.checksum:
                return f"has checksum {kind}:{digest}, the record says {self.checksum}"
        return None


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
    folder, path = target / FOLDER, target / ARCHIVE
    if folder.is_dir() and any(folder.iterdir()):
        console.print(f"{folder} is there already; remove it to fetch it again", soft_wrap=True)
        return folder
    try:
        target.mkdir(parents=True, exist_ok=True)
        archive = _read_record(record_url, archive_url, timeout_s, console)
        if archive.size is None or not path.is_file() or archive.difference(path):
            _download(archive, path, timeout_s, console)
        unpack(path, folder, console)
        path.unlink()
    except OSError as error:
        raise FetchError(f"{target} cannot be written: {error.strerror or error}") from error
    return folder


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
            for member in track(members, f"unpacking {archive.name}:", console=console):
                sync(Path(opened.extract(member, beside)))
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
        outside = PureWindowsPath(name).anchor or "\\" in name or {"..", ""} & set(name.rstrip("/").split("/"))
        problems = {
            "would be written outside the folder": outside,
            "is a link": stat.S_ISLNK(member.external_attr >> 16),
            f"would grow {MAX_RATIO}-fold": grows_absurdly(member),
        }
        for problem, applies in problems.items():
            if applies:
                raise FetchError(f"{path}: member {name!r} {problem}; nothing was unpacked")
    if (total := sum(member.file_size for member in members)) > MAX_BYTES:
        raise FetchError(f"{path} would unpack to {total:,} bytes; nothing was unpacked")
    return [member for member in members if not member.is_dir() and not _of_macos(PurePosixPath(member.filename))]


def _of_macos(path: PurePosixPath) -> bool:
    return "__MACOSX" in path.parts or path.name == ".DS_Store" or path.name.startswith("._")


@contextmanager
def _requesting(url: str) -> Generator[None]:
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
        with _requesting(record_url), _open(record_url, timeout_s) as response:
            record = cast(dict[str, Any], json.loads(response.read(10 * 2**20)))
        file = next(file for file in record["files"] if file["key"] == ARCHIVE)
        url, size, checksum = str(file["links"]["self"]), int(file["size"]), str(file["checksum"])
    except (FetchError, StopIteration, LookupError, TypeError, ValueError, AttributeError) as error:
        console.print(f"the record's metadata cannot be read, so size and checksum are not checked ({error!r:.200})")
        return Archive(archive_url)
    kind, colon, _ = checksum.partition(":")
    if colon and kind in hashlib.algorithms_guaranteed and not kind.startswith("shake"):
        return Archive(url, size, checksum)
    console.print(f"the record's checksum {checksum!r:.80} is of a kind not known; it is not checked")
    return Archive(url, size)


def _download(archive: Archive, path: Path, timeout_s: float, console: Console) -> None:
    """Downloads to ``<path>.part``, checks it, and moves it to its name.

    Raises:
        FetchError: If it breaks off (the part is kept), or is not what was published (the part is removed).
    """
    part = path.with_name(path.name + ".part")
    start = part.stat().st_size if part.is_file() else 0
    if archive.size is not None:
        start = start if start <= archive.size else 0
        free, needed = shutil.disk_usage(path.parent).free, archive.size - start
        if free < needed:
            raise FetchError(f"{path.parent} has {free:,} bytes left; the archive needs {needed:,}")
    if start != archive.size:
        expected, size = _transfer(archive, part, start, timeout_s, console), part.stat().st_size
        if expected is not None and size != expected:
            raise FetchError(
                f"the download broke off at {size:,} of {expected:,} bytes: run the command again to go on"
            )
    if difference := archive.difference(part):
        part.unlink()
        raise FetchError(f"{archive.url} {difference}: try again, {BY_HAND}")
    sync(part)
    part.replace(path)
    sync_folder(path.parent)


def _transfer(archive: Archive, part: Path, start: int, timeout_s: float, console: Console) -> int | None:
    """Adds to the part what is missing, or begins again where the server cannot; returns the whole size if told."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with _requesting(archive.url):
        try:
            response = _open(archive.url, timeout_s, {"Range": f"bytes={start}-"} if start else {})
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not start:
                raise
            error.close()
            return _transfer(archive, part, 0, timeout_s, console)
        with response:
            resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
            if resumed and not str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-"):
                raise ValueError("the server sent another part than the one asked for")
            size = start if resumed else 0
            length = response.headers.get("Content-Length")
            expected = size + int(length) if length is not None else archive.size
            limit = max(expected or 0, archive.size or 0) or None
            bar = Progress(*columns, TimeRemainingColumn(), console=console)
            with part.open("ab" if resumed else "wb") as file, bar:
                task = bar.add_task(f"{ARCHIVE}:", total=expected, completed=size)
                while chunk := response.read(_CHUNK):
                    size += len(chunk)
                    if limit is not None and size > limit:
                        raise ValueError(f"the server sends more than {limit:,} bytes")
                    file.write(chunk)
                    bar.update(task, completed=size)
    return expected
