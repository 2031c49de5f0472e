"""What a long loop says: nothing at first, then little, wherever somebody can read it."""

import io
import logging

import pytest

from gesturelab import progress
from gesturelab.progress import show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch):
    """A loop of some items, each of which takes some seconds of a clock that nobody waits for; returns the items."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])

    def go_through(items: int, seconds: float) -> list[int]:
        done = []
        for item in show_progress(range(items), "scoring"):
            clock[0] += seconds
            done.append(item)
        return done

    return go_through


def test_a_short_loop_says_nothing(work, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]):
    with caplog.at_level(logging.INFO):
        assert work(29, 0.1) == list(range(29))
    assert caplog.text == capsys.readouterr().err == ""


def test_a_log_gets_a_line_soon_and_then_few(work, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        assert work(36_000, 0.1) == list(range(36_000))
    lines = [record.message for record in caplog.records]
    assert 60 <= len(lines) <= 66, "an hour: about one a minute"
    assert lines[0] == "scoring: 30 of 36,000 (0 %), about 60 min left"
    assert all(record.levelno == logging.INFO for record in caplog.records)


def test_where_nobody_reads_the_log_the_standard_error_gets_it(work, capsys: pytest.CaptureFixture[str]):
    assert not logging.getLogger("gesturelab.progress").isEnabledFor(logging.INFO)
    work(100, 0.1)
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 2)


def test_a_terminal_has_one_line_which_is_gone_in_the_end(work, monkeypatch: pytest.MonkeyPatch, caplog):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with caplog.at_level(logging.INFO):
        work(1000, 0.1)
    text = terminal.getvalue()
    assert caplog.text == ""
    assert "\n" not in text
    assert text.count("scoring") > 100
    assert text.endswith("\r\x1b[K"), "at its beginning, and cleared"


def test_of_an_unknown_number_the_count_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    times = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(times)))
    with caplog.at_level(logging.INFO):
        assert list(show_progress(iter("abc"), "listing")) == ["a", "b", "c"]
    assert caplog.messages[0] == "listing: 0"
