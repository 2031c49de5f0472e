"""A model for the person whose recordings a folder holds: ``gesturelab adapt``."""

from pathlib import Path

from gesturelab.config.data import Target
from gesturelab.datasets.folder.labels import FILE, LabelRow, read_labels
from gesturelab.datasets.recording import Recording, repetitions_of
from gesturelab.errors import ConfigError, DataError
from gesturelab.export.adaptation import adapt_to, refuse_adaptation
from gesturelab.export.model import Model
from gesturelab.predict.answers import read_recording, reading_for
from gesturelab.runs.info import CORRECTNESS_CLASSES


def adapt(
    model: Model,
    folder: str | Path,
    *,
    repetitions: int | None = None,
    only: bool = False,
    skeleton: str | None = None,
    rate_hz: float | None = None,
) -> Model:
    """A model for one person: ``adapt(load("model.zip"), "anna")``.

    Args:
        model: Of everybody, as `gesturelab.load` gives it.
        folder: Recordings of one person with their labels.csv, as data=folder reads them: all gestures or some.
        repetitions: Use the earliest so many recordings of each gesture, in order of file names; None uses all.
        only: The person makes no other gestures than these, so that no other is answered.
        skeleton: Whose joints the files name, as data.skeleton; None: the model's.
        rate_hz: Frames a second of files that do not say it; None: that of the training recordings.

    Raises:
        DataError: If the folder holds several people, a gesture that the model does not know, fewer repetitions than
            asked for, or a file that cannot be read; or if the model was trained on the person.
        ConfigError: If the model cannot be adapted, or knows other joints.
    """
    refuse_adaptation(model)
    root = Path(folder).expanduser()
    reading = reading_for(model, skeleton, rate_hz)
    labels = read_labels(root, one_person=True)
    classes = {label: _class(model, root, label) for label in labels}
    person = _only_person(model, root, labels)
    if repetitions is not None:
        labels = _earliest(root, labels, repetitions)
    recordings: list[Recording] = []
    for label in labels:
        recording = read_recording(model, str(root / label.file), reading, label.rate_hz)
        if isinstance(recording, str):
            raise DataError(f"{root / label.file}: {recording}")
        recordings.append(recording)
    return adapt_to(model, recordings, [classes[label] for label in labels], person, only=only)


def _class(model: Model, root: Path, label: LabelRow) -> str:
    if model.contents.target is Target.correctness:
        return CORRECTNESS_CLASSES[int(label.correctness != 1)]
    if label.gesture not in model.classes:
        raise DataError(
            f"{root / FILE}, line {label.line}: the model does not know {label.gesture!r}; it knows "
            f"{', '.join(model.classes)}"
        )
    return label.gesture


def _only_person(model: Model, root: Path, labels: tuple[LabelRow, ...]) -> str:
    person, first = labels[0].subject, {label.subject: label.line for label in reversed(labels)}
    if len(first) > 1:
        other = next(subject for subject in first if subject != person)
        raise DataError(
            f"{root / FILE}, line {first[other]}: {other} is another person than {person}: a model is adapted to one "
            "person; give each a folder"
        )
    for subset in ("train", "validation"):
        if person in model.contents.people(subset):
            raise DataError(
                f"{root / FILE}: the model knows {person} already, from its {subset} people; give somebody else of "
                "that name another id in the column subject"
            )
    return person


def _earliest(root: Path, labels: tuple[LabelRow, ...], count: int) -> tuple[LabelRow, ...]:
    if count < 1:
        raise ConfigError(f"repetitions={count}: must be at least 1")
    numbers = repetitions_of(labels)
    for gesture in dict.fromkeys(label.gesture for label in labels):
        present = sum(label.gesture == gesture for label in labels)
        if present < count:
            raise DataError(
                f"{root / FILE}: {labels[0].subject} has {present} of {gesture}, fewer than the {count} repetitions "
                "asked for: record more, or ask for fewer"
            )
    return tuple(label for label, number in zip(labels, numbers, strict=True) if number <= count)
