"""How well the start and end of gestures are found in streams that hold several, with rest between them.

    python benchmarks/segments.py multirun/irds_best --root data/irds

Each stream is ten real recordings of people that the model was neither trained nor validated on, with two seconds of
rest before, between and after them: the last pose is held, becomes the next one's first pose within half a second, and
that is held, all with a sensor's noise. A gesture that was found is right if it and a recording share at least half of
the time that either takes (intersection over union), and it is right with its label if that is right too. Two kinds of
stream: of one person in one posture, and of ten people one after another.

`--tune 200` tries so many options, at random, on streams of the training people alone, and prints the best.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Dataset
from gesturelab.export.load import load as load_model
from gesturelab.export.model import Model
from gesturelab.runs.folder import find_runs
from gesturelab.stream.segments import Segmenter, SegmentOptions
from gesturelab.stream.session import Session, StreamOptions
from gesturelab.stream.sources import LiveFrame

RECORDINGS, REST_S, BLEND_S, NOISE_M = 10, 2.0, 0.5, 0.003
OVERLAP = 0.5
KINDS = ("one person", "ten people")
CHOICES = {
    "begin_mps": (0.2, 0.25, 0.3, 0.4),
    "begin_m": (0.12, 0.16, 0.2, 0.25),
    "rest_mps": (0.1, 0.15, 0.2, 0.25),
    "rest_m": (0.1, 0.14, 0.18),
    "rest_s": (0.2, 0.3, 0.4),
    "still_s": (0.4, 0.5, 0.6, 0.8),
    "pause_s": (0.2, 0.3, 0.4, 0.6),
    "least_s": (0.6, 0.7, 0.8),
    "margin_s": (0.0, 0.1, 0.2),
    "smooth_s": (0.05, 0.1, 0.15),
}


@dataclass(frozen=True)
class Event:
    """A gesture: seconds and class."""

    start_s: float
    end_s: float
    label: str | None


@dataclass
class Score:
    """What was there, what was found, and what of it is right."""

    true: int = 0
    found: int = 0
    placed: int = 0
    right: int = 0

    def add(self, true: list[Event], found: list[Event]) -> None:
        """Counts a stream's."""
        self.true += len(true)
        self.found += len(found)
        free = list(true)
        for one in found:
            best = max(free, key=lambda other: overlap(one, other), default=None)
            if best is not None and overlap(one, best) >= OVERLAP:
                free.remove(best)
                self.placed += 1
                self.right += one.label == best.label

    @property
    def f1(self) -> float:
        """Of the places."""
        return 2 * self.placed / max(1, self.true + self.found)

    def __str__(self) -> str:
        cells = [part / max(1, whole) for part in (self.placed, self.right) for whole in (self.found, self.true)]
        return " | ".join([str(self.true), str(self.found), *(f"{cell:.3f}" for cell in cells)])


def overlap(one: Event, other: Event) -> float:
    """Intersection over union of their times."""
    both = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    return max(0.0, both) / (max(one.end_s, other.end_s) - min(one.start_s, other.start_s))


def chosen(dataset: Dataset, people: set[str], kind: str, draws: np.random.Generator) -> list[int]:
    """Recordings of a stream."""
    mine = [at for at, subject in enumerate(dataset.subjects) if subject in people]
    if kind == "one person":
        first = int(draws.choice(mine))
        mine = [at for at in mine if (dataset.subjects[at], dataset.postures[at])
                == (dataset.subjects[first], dataset.postures[first])]  # fmt: skip
    else:
        order = draws.permutation(sorted(people)).tolist()
        return [int(draws.choice([at for at in mine if dataset.subjects[at] == person]))
                for person in (order * RECORDINGS)[:RECORDINGS]]  # fmt: skip
    return draws.permutation(mine)[:RECORDINGS].tolist()


def joined(dataset: Dataset, those: list[int], draws: np.random.Generator) -> tuple[np.ndarray, list[Event]]:
    """Positions of a stream, and where its gestures are."""
    rate_hz = float(dataset.rates_hz[those[0]])
    parts: list[np.ndarray] = []
    true: list[Event] = []
    frames = 0
    recordings = [dataset[at] for at in those]
    for before, now in zip([None, *recordings], [*recordings, None], strict=True):
        last = now.positions[0] if before is None else before.positions[-1]
        first = last if now is None else now.positions[0]
        share = np.clip((np.arange(round(REST_S * rate_hz)) / rate_hz - (REST_S - BLEND_S) / 2) / BLEND_S, 0, 1)
        share = (share**2 * (3 - 2 * share))[:, None, None]
        rest = last * (1 - share) + first * share
        parts.append(rest + draws.normal(0, NOISE_M, rest.shape))
        frames += len(rest)
        if now is not None:
            parts.append(now.positions)
            label = dataset.class_names[dataset.classes[those[len(true)]]]
            true.append(Event(frames / rate_hz, (frames + len(now.positions)) / rate_hz, label))
            frames += len(now.positions)
    return np.concatenate(parts).astype(np.float64), true


def streams(
    dataset: Dataset, people: set[str], kind: str, count: int, seed: int
) -> Iterator[tuple[np.ndarray, list[Event]]]:
    """Positions, and where their gestures are."""
    for number in range(count):
        draws = np.random.default_rng([seed, KINDS.index(kind), number])
        yield joined(dataset, chosen(dataset, people, kind, draws), draws)


def recognised(model: Model, positions: np.ndarray, rate_hz: float, options: SegmentOptions) -> list[Event]:
    """The gestures that a live session finds."""
    session = Session(model, StreamOptions(rate_hz, every_s=1e9, segments=options), time.monotonic)
    found: list[Event] = []
    for number, frame in enumerate(positions):
        said = session.take(0.0, LiveFrame(number / rate_hz, frame))
        found += [Event(each["start_s"], each["end_s"], each["label"])
                  for each in [*said, *session.settle()] if each["event"] == "end"]  # fmt: skip
    return found + [Event(each["start_s"], each["end_s"], each["label"]) for each in session.finish()]


def places(dataset: Dataset, positions: np.ndarray, rate_hz: float, options: SegmentOptions) -> list[Event]:
    """As `recognised`, without labels."""
    segmenter = Segmenter(dataset.skeleton, options)
    found = [segmenter.take(number / rate_hz, frame) for number, frame in enumerate(positions)]
    margin = options.margin_s
    return [Event(one.start_s - margin, one.end_s + margin, None)
            for one in [*found, segmenter.stop()] if one is not None and one.end_s is not None]  # fmt: skip


def tune(dataset: Dataset, people: set[str], count: int, tries: int) -> None:
    """Prints the best of so many options, by the mean F1 of both kinds of stream."""
    made = {kind: list(streams(dataset, people, kind, count, seed=1)) for kind in KINDS}
    rate_hz = float(dataset.rates_hz[0])
    draws = np.random.default_rng(0)
    results: list[tuple[float, SegmentOptions]] = []
    for number in range(tries):
        options = SegmentOptions() if not number else SegmentOptions(
            **{name: float(draws.choice(values)) for name, values in CHOICES.items()})  # fmt: skip
        if options.rest_mps > options.begin_mps or options.rest_m > options.begin_m:
            continue
        scores = {kind: Score() for kind in KINDS}
        for kind, those in made.items():
            for positions, true in those:
                scores[kind].add(true, places(dataset, positions, rate_hz, options))
        mean = float(np.mean([score.f1 for score in scores.values()]))
        results.append((mean, options))
        if mean == max(value for value, _ in results):
            print(
                f"{number}: F1 {mean:.3f}",
                {kind: round(score.f1, 3) for kind, score in scores.items()},
                options,
                flush=True,
            )
    print("the ten best:")
    for value, options in sorted(results, key=lambda one: -one[0])[:10]:
        print(f"{value:.3f}", options)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs, or of a sweep over folds")
    parser.add_argument("--root", default="data/irds", help="IntelliRehabDS")
    parser.add_argument("--streams", type=int, default=20, help="of each kind, for each run")
    parser.add_argument("--tune", type=int, default=0, metavar="TRIES")
    given = parser.parse_args()
    dataset = load(compose(["data=irds", f"data.root={given.root}"]).data)
    runs = [run for folder in given.runs for run in find_runs(folder)]
    if given.tune:
        people = set.intersection(*(set(load_model(run.path).contents.people("train")) for run in runs))
        tune(dataset, people, given.streams, given.tune)
        return
    total = {kind: Score() for kind in KINDS}
    print("| model | streams | gestures | found | precision | recall | precision with label | recall with label |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for run in runs:
        model = load_model(run.path)
        people = set(model.contents.people("test")) & set(dataset.subjects)
        for kind in KINDS:
            score = Score()
            for positions, true in streams(dataset, people, kind, given.streams, seed=0):
                score.add(true, recognised(model, positions, float(dataset.rates_hz[0]), SegmentOptions()))
            print(f"| {run.path.name} | {given.streams} of {kind} | {score} |", flush=True)
            for name in (field.name for field in dataclasses.fields(Score)):
                setattr(total[kind], name, getattr(total[kind], name) + getattr(score, name))
    for kind, score in total.items():
        print(f"| all | {len(runs) * given.streams} of {kind} | {score} |")


if __name__ == "__main__":
    main()
