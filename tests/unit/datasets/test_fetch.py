import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from irds_samples import simplified, standing
from rich.console import Console

from gesturelab.config.data import Form
from gesturelab.datasets.irds.fetch import fetch_irds
from gesturelab.datasets.irds.files import irds_files
from gesturelab.errors import FetchError

NAME = "101_18_0_1_1_stand.txt"


def zipped(members: dict[str, bytes], link: str = "") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")
    return data.getvalue()


GOOD = zipped(
    {
        f"SkeletonData/Simplified/{NAME}": simplified(standing(200)),
        "SkeletonData/.DS_Store": b"\0",
        f"__MACOSX/SkeletonData/Simplified/._{NAME}": b"\0",
    }
)


class Server(ThreadingHTTPServer):
    """A Zenodo with one record; its attributes say how well it behaves."""

    archive = GOOD
    ranges = True
    metadata = True
    checksum = ""
    cut_after: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/record":
            self._record()
        else:
            self._archive()

    def _record(self) -> None:
        if not self.server.metadata:
            self.send_error(503)
            return
        checksum = self.server.checksum or "md5:" + hashlib.md5(self.server.archive).hexdigest()
        links = {"self": f"{self.server.url}/archive"}
        file = {"key": "SkeletonData.zip", "size": len(self.server.archive), "checksum": checksum, "links": links}
        self._send(200, json.dumps({"files": [file]}).encode(), {})

    def _archive(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        data = self.server.archive
        if asked and self.server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(data):
                self.send_error(416)
                return
            self._send(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        else:
            self._send(200, data, {})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data if self.path == "/record" else data[: self.server.cut_after])

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(server: Server, target: Path, console: Console | None = None) -> Path:
    return fetch_irds(
        target,
        record_url=f"{server.url}/record",
        archive_url=f"{server.url}/fallback",
        timeout_s=10,
        console=console or Console(file=io.StringIO(), width=200),
    )


def assert_fetched(target: Path) -> None:
    (file,) = irds_files(target, Form.simplified)
    assert file.path.read_bytes() == simplified(standing(200))
    left = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert left == [f"SkeletonData/Simplified/{NAME}"], "nothing else is left behind"


@pytest.mark.parametrize("metadata", [True, False])
def test_downloads_and_unpacks(server: Server, tmp_path: Path, metadata: bool) -> None:
    server.metadata = metadata
    said = io.StringIO()
    assert fetch(server, tmp_path / "to", Console(file=said, width=200)) == tmp_path / "to" / "SkeletonData"
    assert_fetched(tmp_path / "to")
    assert ("metadata cannot be read" in said.getvalue()) is not metadata
    assert "SkeletonData.zip: " in said.getvalue()


def test_shows_a_bar_on_a_terminal(server: Server, tmp_path: Path) -> None:
    said = io.StringIO()
    fetch(server, tmp_path, Console(file=said, width=120, force_terminal=True))
    assert "━" in said.getvalue()
    assert_fetched(tmp_path)


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path)
    fetch(server, tmp_path)
    assert server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("metadata", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(
    server: Server, tmp_path: Path, ranges: bool, metadata: bool
) -> None:
    server.cut_after, server.ranges, server.metadata = 1000, ranges, metadata
    with pytest.raises(FetchError, match=r"broke off at 1,000 of .* run the command again"):
        fetch(server, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["SkeletonData.zip.part"]
    server.cut_after = None
    fetch(server, tmp_path)
    assert server.asked == [None, "bytes=1000-"]
    assert_fetched(tmp_path)


@pytest.mark.parametrize("extra", [b"", b"more"])
@pytest.mark.parametrize("metadata", [True, False])
def test_a_part_that_is_whole_or_too_long(server: Server, tmp_path: Path, extra: bytes, metadata: bool) -> None:
    server.metadata = metadata
    (tmp_path / "SkeletonData.zip.part").write_bytes(GOOD + extra)
    fetch(server, tmp_path)
    assert_fetched(tmp_path)


def test_a_wrong_checksum_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.checksum = "md5:" + "0" * 32
    with pytest.raises(FetchError, match=r"has checksum md5:.* the record says md5:000"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_of_checksum_is_said(server: Server, tmp_path: Path) -> None:
    server.checksum = "crc99:1"
    said = io.StringIO()
    fetch(server, tmp_path, Console(file=said, width=200))
    assert "not checked" in said.getvalue()


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (zipped({"../outside.txt": b"x", f"SkeletonData/Simplified/{NAME}": b"1"}), "outside"),
        (zipped({"SkeletonData/../../outside.txt": b"x"}), "outside"),
        (zipped({"/tmp/outside.txt": b"x"}), "outside"),
        (zipped({"C:/outside.txt": b"x"}), "outside"),
        (zipped({"SkeletonData\\..\\outside.txt": b"x"}), "outside"),
        (zipped({"__MACOSX/../../outside.txt": b"x"}), "outside"),
        (zipped({f"SkeletonData/Simplified/{NAME}": b"1"}, link="SkeletonData/link"), "is a link"),
        (zipped({f"SkeletonData/Simplified/{NAME}": b"1" * 5_000_000}), "200-fold"),
        (b"not a zip", "damaged"),
        (GOOD[:300] + bytes(50) + GOOD[350:], "damaged"),
    ],
)
def test_archives_that_must_not_be_unpacked_are_refused(
    server: Server, tmp_path: Path, archive: bytes, reason: str
) -> None:
    server.archive = archive
    target = tmp_path / "deep" / "target"
    with pytest.raises(FetchError, match=reason):
        fetch(server, target)
    assert [path.name for path in target.iterdir()] == ["SkeletonData.zip"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["SkeletonData.zip"]


def test_no_server_is_one_clear_error(tmp_path: Path) -> None:
    with Server() as gone:
        pass
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*download SkeletonData\.zip from https://zenodo\.org"):
        fetch(gone, tmp_path)


def test_a_target_that_cannot_be_made_is_one_clear_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "to")
