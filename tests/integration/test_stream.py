"""``gesturelab stream`` as a user runs it: replays, lines on standard input, a port, Ctrl-C; and real recordings."""

import json
import signal
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from command import COMMAND, untraced
from rich.console import Console

from gesturelab.cli.stream import run
from gesturelab.config.composing import compose
from gesturelab.datasets.formats.csv_table import columns
from gesturelab.datasets.load import load
from gesturelab.errors import DataError, StreamError
from gesturelab.export.load import load as load_model
from gesturelab.runs.folder import RunDir
from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.stream.output import View
from gesturelab.stream.segments import SegmentOptions
from gesturelab.stream.session import Session, StreamOptions
from gesturelab.stream.session import run as run_session
from gesturelab.stream.sources import LiveFrame, receive_one_by_one
from processes import running
from trained import train_small

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run whose windows can be kept open."""
    return train_small(tmp_path_factory.mktemp("live") / "run", "experiment=live", "features=live")


@pytest.fixture(scope="module")
def movement() -> np.ndarray:
    """A made-up person at rest, in a gesture, and at rest."""
    dataset = load(compose(["data=synthetic", "data.people=1", "data.repetitions=1"]).data)
    gesture = dataset[2].positions
    return np.concatenate([np.repeat(gesture[:1], 45, axis=0), gesture, np.repeat(gesture[-1:], 45, axis=0)])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, movement: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("recording") / "one.csv"
    rows = [",".join(["time_s", *columns(KINECT_V2)])]
    rows += [",".join([f"{number / 30:.4f}", *map(str, each.flatten())]) for number, each in enumerate(movement)]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_replay_answers_each_frame_as_the_model_does(
    trained: RunDir, recording: Path, movement: np.ndarray, capsys: pytest.CaptureFixture[str]
):
    assert run([str(trained.path), "--replay", str(recording), "--speed", "0", "--view"]) == 0
    out, errors = capsys.readouterr()
    said = [json.loads(line) for line in out.splitlines()]
    answers = [one for one in said if "event" not in one]
    assert len(answers) == len(movement)
    assert {one["left_out"] for one in answers} == {0}
    model = load_model(trained.path)
    for at in (93, 100, len(movement) - 1):
        values = model.probabilities(movement[at - 93 : at + 1 : 3][None])
        assert answers[at]["time_s"] == pytest.approx(at / 30, abs=1e-3)
        assert answers[at]["label"] == model.classes[int(values.argmax())]
        assert answers[at]["confidence"] == pytest.approx(model.confidence(values.astype(np.float64))[0], abs=2e-4)
    events = [one for one in said if "event" in one]
    assert [one["event"] for one in events] == ["found", "start", "end"]
    end = events[-1]
    assert end["start_s"] == pytest.approx(1.5, abs=0.5)
    assert end["end_s"] == pytest.approx(len(movement) / 30 - 1.5, abs=0.6)
    summary = json.loads(errors.splitlines()[-1])
    assert (summary["frames"], summary["answers"], summary["gestures"]) == (len(movement), len(movement), 1)
    assert summary["latency_ms_p99"] >= summary["latency_ms_p50"] > 0


def test_lines_bad_ones_and_ctrl_c(trained: RunDir, recording: Path, tmp_path: Path):
    lines = recording.read_bytes().splitlines(keepends=True)
    command = [*COMMAND, "stream", str(trained.path), "--all", "--no-segments"]
    with running(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=untraced()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.writelines([lines[0], lines[1], b"1,2,3\n", lines[2]])
        process.stdin.flush()
        said = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read().decode()
        assert process.wait(60) == 130
    assert [one.get("event", one.get("time_s")) for one in said] == ["found", 0.0, 0.0333]
    events = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert [one["event"] for one in events] == ["bad_line", "summary"]
    assert events[0]["line"] == 3
    assert "3 columns" in events[0]["problem"]
    assert events[1]["frames"] == 2
    assert "Traceback" not in errors
    assert "SYNTHETIC" in errors, "what the model was trained on is said"


def test_what_cannot_be_read_is_an_error(trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for text, error, match in (("", StreamError, "no line held a frame"), ("a,b,c\n", DataError, "missing, such as")):
        path = tmp_path / "lines"
        path.write_text(text)
        with path.open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            with pytest.raises(error, match=match):
                run([str(trained.path)])
    with pytest.raises(DataError, match="there is no such file"):
        run([str(trained.path), "--replay", str(tmp_path / "none.csv")])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StreamError, match="cannot be listened on"):
            run([str(trained.path), "--tcp", str(port)])


def test_wrong_options_are_refused(trained: RunDir, capsys: pytest.CaptureFixture[str]):
    for wrong in (
        ["--speed", "-1"],
        ["--rate", "0"],
        ["--every", "nan"],
        ["--longest", "1e9"],
        ["--tcp", "1", "--replay", "x"],
        ["--no-segments", "--rest-m", "0.2"],
    ):
        with pytest.raises(SystemExit) as ended:
            run([str(trained.path), *wrong])
        assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert "must be a number, at least 0" in errors
    assert "--rest-m is not used with --no-segments" in errors


def test_the_view_shows_bars_and_gestures(trained: RunDir, movement: np.ndarray):
    now = [0.0]

    def clock() -> float:
        now[0] += 0.01
        return now[0]

    session = Session(load_model(trained.path), StreamOptions(every_s=0.2, segments=SegmentOptions()), clock)
    output = StringIO()
    console = Console(file=output, force_terminal=True, width=100)
    items = (LiveFrame(number / 30, each.astype(np.float64)) for number, each in enumerate(movement))
    with View(session, console, clock) as view:
        run_session(session, receive_one_by_one(items, clock), view)
    last = output.getvalue().rsplit("\x1b[2K", 1)[-1]
    for expected in (*session.model.classes, "█", "answers/s", " ms", f"{len(movement)} frames", " s "):
        assert expected in last


@pytest.mark.irds
def test_ten_real_recordings_with_rest_between_are_found(irds_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    import segments

    people = ["103", "105", "205", "215", "304", "307"]  # the thresholds were chosen on others
    options = [f"data.root={irds_root}", f"data.subjects={people}".replace("'", "").replace(" ", "")]
    dataset = load(compose(["data=irds", *options, "data.max_files=300", f"data.cache_dir={tmp_path}"]).data)
    for kind in segments.KINDS:
        score = segments.Score()
        for positions, true in segments.streams(dataset, set(people), kind, 2, seed=5):
            assert len(true) == 10
            score.add(true, segments.places(dataset, positions, 30.0, SegmentOptions()))
        assert score.placed / score.found > 0.65, kind
        assert score.placed / score.true > 0.65, kind


@pytest.mark.irds
def test_real_recordings_are_answered_live_as_in_batches(irds_root: Path, trained: RunDir, tmp_path: Path):
    dataset = load(
        compose(["data=irds", f"data.root={irds_root}", "data.max_files=9", f"data.cache_dir={tmp_path}"]).data
    )
    model = load_model(trained.path)
    for at in range(0, len(dataset), 3):
        one = dataset[at]
        session = Session(model, StreamOptions(every_s=0.1), lambda: 0.0)
        said = {}
        for number, positions in enumerate(one.positions):
            session.take(0.0, LiveFrame(number / 30, positions.astype(np.float64)))
            answer = session.live.answer()
            session.settle()
            if answer is not None:
                said[round(answer.time_s * 30)] = answer.probabilities
        for last in range(93, len(one.positions), 3):
            values = model.probabilities(one.positions[last - 93 : last + 1 : 3][None])[0]
            assert said[last] == pytest.approx(values, abs=1e-5)
