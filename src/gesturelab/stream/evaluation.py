"""Finished runs, evaluated on the untrimmed recordings of their test people as a live stream would play them."""

from collections.abc import Collection

import numpy as np

from gesturelab.datasets.source import open_source
from gesturelab.datasets.untrimmed import BACKGROUND, Interval, UntrimmedRecording
from gesturelab.errors import ConfigError
from gesturelab.evaluation.detection import Detections, count_at_rest, count_right, rest_seconds
from gesturelab.evaluation.unknown import NONE_OF_THESE
from gesturelab.export.load import Datasets, load_tested_run
from gesturelab.progress import show_progress
from gesturelab.runs.folder import RunDir
from gesturelab.stream.segments import SegmentOptions
from gesturelab.stream.session import Event, Session, StreamOptions
from gesturelab.stream.sources import LiveFrame

EVERY_S = 0.2
"""Seconds from answer to answer of a model that segments by them."""


def evaluate_segments(
    run: RunDir, trust: Collection[str] = (), root: str | None = None, datasets: Datasets | None = None
) -> list[Detections]:
    """What a run's model finds in each untrimmed recording of its test people.

    Where motion thresholds segment and the model can tell unknown movements, each recording is played twice: as it is,
    and with segments that are "none of these" left out.

    Args:
        run: A finished run.
        trust: Classes from outside gesturelab that the run may name.
        root: Where the data are, if not where the run found them.
        datasets: Loaded for other runs; what is not among them is loaded and added.

    Raises:
        RunError: If the run is leaky, or its data are not those it was made from.
        ConfigError: If its dataset has no untrimmed recordings of them.
        GesturelabError: If the run cannot be read.
    """
    model, config, _ = load_tested_run(run, trust, root, datasets)
    people = model.contents.people("test")
    recordings = [each for each in open_source(config).untrimmed() if each.subject in people]
    if not recordings:
        raise ConfigError(
            f"{run.path}: data={config.source} has no untrimmed recordings of its test people; data=utkinect and "
            "data=utkinect_untrimmed have"
        )
    detections: list[Detections] = []
    for recording in show_progress(recordings, "finding gestures in untrimmed recordings"):
        for way in ("", NONE_OF_THESE):
            model.none_of_these = bool(way)
            session = Session(
                model,
                StreamOptions(recording.motion.rate_hz, every_s=EVERY_S, segments=SegmentOptions()),
                lambda: 0.0,
            )
            segments = find_segments(session, recording)
            by = "motion" if session.decoder is None else "model"
            detections.append(
                Detections(
                    subject=recording.subject,
                    true=len(recording.intervals),
                    found=len(segments),
                    right=count_right(recording.intervals, segments),
                    at_rest=count_at_rest(recording.intervals, segments),
                    seconds=recording.seconds,
                    rest_seconds=rest_seconds(recording.intervals, recording.seconds),
                    way=f"{by}, {way}" if way else by,
                )
            )
            if session.decoder is not None or model.contents.unknown_above is None:
                break
    return detections


def find_segments(session: Session, recording: UntrimmedRecording) -> list[Interval]:
    """The gestures that ``gesturelab stream --replay`` finds in a recording."""
    events: list[Event] = []
    for frame, positions in enumerate(recording.motion.positions):
        session.take(0.0, LiveFrame(frame / recording.motion.rate_hz, positions.astype(np.float64)))
        if session.decoder is not None:  # movements are found without answers to windows
            session.answer()
        events += session.settle()
    return [
        Interval(event["start_s"], event["end_s"], event["label"])
        for event in [*events, *session.finish()]
        if event["event"] == "end" and event["label"] not in (BACKGROUND, NONE_OF_THESE, None)
    ]
