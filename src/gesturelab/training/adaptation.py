"""Finished runs, adapted to each of their test people: the earliest repetitions calibrate, the later ones test."""

import csv
from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Bool, Int64

from gesturelab.datasets.recording import Dataset, Recording, RecordingLabel, frame_marks, repetitions_of
from gesturelab.evaluation.adaptation import (
    CALIBRATION,
    COLUMNS,
    NEAREST,
    ONLY,
    SHARED,
    TEST,
    WITHOUT,
    AdaptedRecording,
    ways_of,
)
from gesturelab.evaluation.baselines import warped_distances
from gesturelab.export.adaptation import adapt_to
from gesturelab.export.load import Datasets, load_tested_run
from gesturelab.export.model import Model
from gesturelab.files import atomic_write
from gesturelab.progress import show_progress
from gesturelab.runs.folder import RunDir


def evaluate_adaptation(
    run: RunDir, counts: Sequence[int], datasets: Datasets, trust: Collection[str] = (), root: str | None = None
) -> list[AdaptedRecording]:
    """Adapts a run's model to each test person, and writes what it says of that person's later recordings.

    The test recordings are those after the largest number of repetitions, whatever the number that calibrates.

    Args:
        run: A finished run; ``adaptation_<size>.csv`` is written into its folder, if anything is tested.
        counts: How many repetitions of each gesture calibrate; 0 is the model as it is, and one is above 0.
        datasets: Loaded for other runs; what is not among them is loaded and added.
        trust: Classes from outside gesturelab that the run may name.
        root: Where the data are, if not where the run found them.

    Raises:
        RunError: If the run is leaky, or its data are not those it was made from.
        GesturelabError: If the run cannot be read, or its model not adapted.
    """
    model, _, dataset = load_tested_run(run, trust, root, datasets)
    people = model.contents.people("test")
    repetitions, most = number_repetitions(dataset), max(counts)
    chosen = np.flatnonzero([subject in people for subject in dataset.subjects])
    tested = without_shared_frames(dataset, chosen, repetitions <= most)
    answers: dict[int, dict[str, str]] = {}
    for person in show_progress(sorted(people), "adapting to each test person"):
        own = chosen[[dataset.subjects[number] == person for number in chosen.tolist()]]
        if len(later := np.intersect1d(own, tested)):
            answers |= _answers(model, dataset, own, later, repetitions, sorted(counts))
    untested = dict.fromkeys(ways_of(counts), "")
    rows = [
        AdaptedRecording(
            name=dataset.names[number],
            subject=dataset.subjects[number],
            group=dataset.groups[number],
            gesture=dataset.gesture_names[dataset.gestures[number]],
            correctness=int(dataset.correctness[number]),
            repetition=int(repetitions[number]),
            use=CALIBRATION if repetitions[number] <= most else TEST if number in answers else SHARED,
            truth=dataset.class_names[dataset.classes[number]],
            answers=answers.get(number, untested),
        )
        for number in chosen.tolist()
    ]
    if not answers:  # nobody here has so many repetitions, but test people of other folds may
        return rows
    with atomic_write(run.adaptation) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([[*COLUMNS, *ways_of(counts)], *(row.cells for row in rows)])
    return rows


def number_repetitions(dataset: Dataset) -> Int64[np.ndarray, " recordings"]:
    """The number of each recording among those of its person and gesture, from 1."""
    gestures = [dataset.gesture_names[number] for number in dataset.gestures.tolist()]
    labels = [RecordingLabel(*each) for each in zip(dataset.names, dataset.subjects, gestures, strict=True)]
    return np.array(repetitions_of(labels), dtype=np.int64)


def without_shared_frames(
    dataset: Dataset, chosen: Int64[np.ndarray, " recordings"], calibrates: Bool[np.ndarray, " all_recordings"]
) -> Int64[np.ndarray, " tested"]:
    """Of the later recordings those that have no frame in common with one that calibrates."""
    marks = [marks.tolist() for marks in np.split(frame_marks(dataset), dataset.offsets[1:-1])]
    seen = {mark for number in chosen[calibrates[chosen]].tolist() for mark in marks[number]}
    later = chosen[~calibrates[chosen]]
    return later[[seen.isdisjoint(marks[number]) for number in later.tolist()]]


def _answers(
    model: Model,
    dataset: Dataset,
    own: Int64[np.ndarray, " own"],
    tested: Int64[np.ndarray, " tested"],
    repetitions: Int64[np.ndarray, " recordings"],
    counts: Sequence[int],
) -> dict[int, dict[str, str]]:
    """For each test recording of a person the answer of each adapted model, and of the baseline."""
    answers = {number: dict.fromkeys(ways_of(counts), "") for number in tested.tolist()}

    def recordings_of(numbers: Int64[np.ndarray, " some"]) -> list[Recording]:
        return [dataset[number] for number in numbers.tolist()]

    def answer(
        way: str, calibrating: Int64[np.ndarray, " some"], numbers: Int64[np.ndarray, " others"], *, only: bool = False
    ) -> None:
        adapted = model
        if len(calibrating):
            recordings = recordings_of(calibrating)
            classes = [dataset.class_names[number] for number in dataset.classes[calibrating].tolist()]
            adapted = adapt_to(model, recordings, classes, recordings[0].subject, only=only)
        predictions = adapted.answer(recordings_of(numbers))
        for number, prediction in zip(numbers.tolist(), predictions, strict=True):
            answers[number][way] = prediction.label

    templates = own[repetitions[own] <= counts[-1]]
    distances = warped_distances(recordings_of(tested), recordings_of(templates))
    for count in counts:
        calibrates = repetitions[templates] <= count
        answer(str(count), templates[calibrates], tested)
        if count:
            answer(f"{count}{ONLY}", templates[calibrates], tested, only=True)
            nearest = templates[np.where(calibrates, distances, np.inf).argmin(axis=1)]
            for number, class_ in zip(tested.tolist(), dataset.classes[nearest].tolist(), strict=True):
                answers[number][f"{count}{NEAREST}"] = dataset.class_names[class_]
    gestures = np.unique(dataset.gestures[own])
    for half in (gestures[::2], gestures[1::2]):
        calibrating = templates[np.isin(dataset.gestures[templates], half)]
        answer(f"{counts[-1]}{WITHOUT}", calibrating, tested[~np.isin(dataset.gestures[tested], half)])
    return answers
