"""Models that know the background: what a stream reports, and ``gesturelab compare --segments``."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_stream import moving
from test_segments import RATE, body, seconds, up_and_down
from test_session import Clock, made_model, played
from torch import nn

from gesturelab.cli.main import main
from gesturelab.config.composing import compose
from gesturelab.datasets.recording import Motion
from gesturelab.datasets.untrimmed import UntrimmedRecording
from gesturelab.datasets.utkinect import SKELETON as UTKINECT
from gesturelab.errors import ConfigError
from gesturelab.export.model import Model
from gesturelab.models.recogniser import Recogniser
from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton
from gesturelab.stream.evaluation import find_segments
from gesturelab.stream.segments import SegmentOptions
from gesturelab.stream.session import Session, StreamOptions
from gesturelab.stream.sources import Gone, LiveFrame


class Raised(nn.Module):
    """Says the first class where the wrist is more than 0.2 m above its rest in the middle of the window."""

    def __init__(self, rest_m: float) -> None:
        super().__init__()
        self.rest_m = rest_m

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        raised = features[:, features.shape[1] // 2, 1] - self.rest_m - 0.2
        return torch.stack([30 * raised, -30 * raised, torch.full_like(raised, -9.0)], dim=1).clamp(-9, 9)


def make_model(rest: np.ndarray, skeleton: Skeleton = KINECT_V2, **changes: Any) -> Model:
    """A model of windows of nine frames, 0.8 s, for a body that rests like this."""
    off = (f"features.{name}=false" for name in ("velocities", "displacements", "angles", "body_scale"))
    made = made_model(*off, "features.centre=frame", "window.length_frames=9", "features.joints=[WristLeft]")
    contents = replace(made.contents, skeleton=skeleton, **{"classes": ("walk", "background", "sitDown")} | changes)
    rest_m = float(rest[skeleton.index("WristLeft"), 1] - rest[skeleton.root, 1])
    config = made.recogniser.features.config
    return Model(contents, Recogniser(config, skeleton, contents.scaler, Raised(rest_m)).eval())


@pytest.fixture
def model() -> Model:
    return make_model(moving(1)[0])


def test_gestures_of_a_model_that_knows_the_background_are_those_that_it_sees(model):
    raised_m = np.concatenate([seconds(3), up_and_down(hold_s=2), seconds(4), up_and_down(hold_s=1), seconds(2)])
    session = Session(model, StreamOptions(segments=SegmentOptions()), Clock())
    events = played(session, body(raised_m))
    assert [each["event"] for each in events if "event" in each] == ["found", "start", "end", "start", "end"]
    above = np.flatnonzero(np.diff((raised_m > 0.2).astype(int))) / RATE
    ends = [each for each in events if each.get("event") == "end"]
    times = [time for each in ends for time in (each["start_s"], each["end_s"])]
    assert times == pytest.approx(above.tolist(), abs=0.15)
    assert {each["label"] for each in ends} == {"walk"}
    assert all(each["confidence"] > 0.8 and not each["unsure"] for each in ends)
    assert session.gestures == 2
    moving_s = [each["time_s"] for each in events if each.get("moving")]
    assert above[0] < min(moving_s) < max(moving_s) < above[-1] + 2


def test_none_of_these_is_refused_where_the_model_segments(model):
    model.none_of_these = True
    with pytest.raises(ConfigError, match="--none-of-these: this model tells gestures from its class background"):
        Session(model, StreamOptions(segments=SegmentOptions()), Clock())


def test_thresholds_are_refused_where_the_model_segments(model):
    with pytest.raises(ConfigError, match="--begin-m and the other thresholds of movement: this model tells gestures"):
        Session(model, StreamOptions(segments=SegmentOptions(begin_m=0.2)), Clock())


def test_a_gesture_ends_with_its_body_and_without_segments_there_is_none(model):
    raised_m = np.concatenate([seconds(3), up_and_down(hold_s=3)[: 3 * RATE]])
    for segments, expected in ((SegmentOptions(), ["found", "start", "lost", "end"]), (None, ["found", "lost"])):
        session = Session(model, StreamOptions(segments=segments), Clock())
        events = []
        for number, positions in enumerate(body(raised_m)):
            events += session.take(0.0, LiveFrame(number / RATE, positions))
            session.answer()
            events += session.settle()
        events += [*session.take(0.0, Gone()), *session.settle()]
        assert [each["event"] for each in events] == expected
        assert session.finish() == []


def write_untrimmed(root: Path, raised_m: np.ndarray | float = 0.6) -> np.ndarray:
    """Two people who raise the left wrist twice, which is called walk, then sitDown; returns how they rest."""
    labels: list[str] = []
    rest = np.random.default_rng(0).normal((0, 0, 2), 0.4, (20, 3))
    for person in (1, 2):
        positions = np.repeat(rest[None], 15 * 15, axis=0)
        labels.append(f"s{person:02d}_e01")
        for first, action in ((45, "walk"), (135, "sitDown")):
            positions[first : first + 30, UTKINECT.index("WristLeft"), 1] += raised_m
            labels.append(f"{action}: {2 * first} {2 * first + 58}")
        rows = [" ".join(map(str, [2 * number, *frame.flat])) for number, frame in enumerate(positions.round(4))]
        (root / f"joints_s{person:02d}_e01.txt").write_text("\n".join(rows) + "\n")
    (root / "actionLabel.txt").write_text("\n".join(labels) + "\n")
    return rest


def test_compare_says_how_well_gestures_are_found(tmp_path, monkeypatch, trained_run, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    config = compose(["data=utkinect", f"data.root={tmp_path}"]).data
    facts = {"split": {"test": {"subjects": ["s02"]}}}
    tested = make_model(write_untrimmed(tmp_path), UTKINECT, rate_hz=15.0, facts=facts)
    monkeypatch.setattr("gesturelab.stream.evaluation.load_tested_run", lambda *_: (tested, config, None))
    assert main(["compare", str(trained_run.path), "--segments"]) == 0
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if " model " in line and "50.0" in line)
    an_hour = f"{3600 / (14 + 14 / 15):.0f}"
    # the second is taken for walk
    assert row[-9:] == ["model", "1", "2", "2", "50.0", "50.0", "50.0", an_hour, "0"]


def test_segments_by_motion_are_counted_without_those_that_are_none_of_these_too(
    tmp_path, monkeypatch, trained_run, capsys
):
    monkeypatch.setenv("COLUMNS", "120")
    config = compose(["data=utkinect", f"data.root={tmp_path}"]).data
    facts = {"split": {"test": {"subjects": ["s02"]}}}
    rest = write_untrimmed(tmp_path, 0.6 * np.hanning(30))
    (tmp_path / "actionLabel.txt").write_text("s01_e01\nwalk: 90 148\ns02_e01\nwalk: 90 148\n")  # the other is at rest
    changes = {"rate_hz": 15.0, "facts": facts, "classes": ("walk", "pull", "sitDown"), "unknown_above": 1.0}
    plain, tested = (make_model(rest, UTKINECT, **changes) for _ in range(2))

    def predict(positions: Any, rate_hz: float) -> Any:
        answer = plain.predict(positions, rate_hz)
        return replace(answer, label="none of these") if tested.none_of_these else answer

    monkeypatch.setattr(tested, "predict", predict)
    monkeypatch.setattr("gesturelab.stream.evaluation.load_tested_run", lambda *_: (tested, config, None))
    assert main(["compare", str(trained_run.path), "--segments"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "tiny " in line and " motion" in line]
    rest_s = 14 + 14 / 15 - 58 / 30
    assert rows[0][3:7] == ["motion", "1", "1", "2"]
    assert rows[1][3:9] == ["motion,", "none", "of", "1", "1", "0"]  # these: on the next line
    assert [row[-1] for row in rows] == [f"{3600 / rest_s:.0f}", "0"]


def test_segments_by_motion_are_those_that_a_stream_reports():
    raised_m = np.concatenate([seconds(2), up_and_down(), seconds(2), up_and_down(), seconds(2)])
    positions = body(raised_m).astype(np.float32)
    recording = UntrimmedRecording("made", "Anna", Motion(positions, RATE), KINECT_V2, ())
    options = StreamOptions(segments=SegmentOptions())
    events = [each for each in played(Session(made_model(), options, Clock()), positions) if each.get("event") == "end"]
    found = find_segments(Session(made_model(), options, Clock()), recording)
    assert len(found) == 2
    assert [(each.start_s, each.end_s, each.gesture) for each in found] == [
        (each["start_s"], each["end_s"], each["label"]) for each in events
    ]


def test_a_dataset_of_trimmed_recordings_is_refused(trained_run, capsys):
    assert main(["compare", str(trained_run.path), "--segments"]) == 1
    assert "data=synthetic has no untrimmed recordings of its test people" in capsys.readouterr().err
