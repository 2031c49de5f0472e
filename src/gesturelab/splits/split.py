"""Who trains, validates and tests. No subject is ever in two subsets unless the split says that it is leaky.

A split is a function of the table of recordings that gives folds of test subjects, or a class whose instances are
called with the table. The check for leaks is not its business and always runs.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Bool, Int64

from gesturelab.config.data import Target
from gesturelab.config.options import arguments_of, construct, locate, target_of
from gesturelab.config.split import SplitConfig
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import SplitError
from gesturelab.files import read_json, why
from gesturelab.preprocessing.windows import Windows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RecordingTable:
    """What a split may know of the recordings: one entry a recording in each column, never positions.

    Attributes:
        names: Names of the recordings.
        subjects: Who moves.
        groups: Which kind of person, such as ``patient``.
        gestures: Names of the gestures.
        correctness: 1 correct, 2 incorrect, 3 poorly executed.
        postures: Such as ``chair``.
    """

    names: tuple[str, ...]
    subjects: tuple[str, ...]
    groups: tuple[str, ...]
    gestures: tuple[str, ...]
    correctness: tuple[int, ...]
    postures: tuple[str, ...]

    @property
    def people(self) -> dict[str, str]:
        """Each subject's group, in order of id."""
        return dict(sorted(zip(self.subjects, self.groups, strict=True)))

    def to_frame(self) -> "pd.DataFrame":
        """The columns as a pandas DataFrame, one row a recording."""
        import pandas as pd

        return pd.DataFrame({each.name: getattr(self, each.name) for each in fields(self)})


def recording_table(dataset: Dataset) -> RecordingTable:
    """The table of a dataset's recordings."""
    return RecordingTable(
        names=dataset.names,
        subjects=dataset.subjects,
        groups=dataset.groups,
        gestures=tuple(dataset.gesture_names[gesture] for gesture in dataset.gestures.tolist()),
        correctness=tuple(dataset.correctness.tolist()),
        postures=dataset.postures,
    )


@dataclass(frozen=True)
class Fold:
    """One division of the subjects; all that are neither in test nor in validation train.

    Attributes:
        test: Ids of the test subjects.
        validation: Ids of the validation subjects; None: drawn from the others by ``split.validation_fraction``.
    """

    test: Sequence[str]
    validation: Sequence[str] | None = None


Splitter = Callable[..., Sequence[Fold | Sequence[str]]]
"""A split: called with the `RecordingTable`, it gives folds; a plain list of subjects is a fold's test subjects."""


@dataclass(frozen=True)
class People:
    """Ids of the people in each subset."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Subsets:
    """Indices of the windows in each subset.

    Attributes:
        leaky: Whether people may be in two subsets.
    """

    train: Int64[np.ndarray, " train_windows"]
    validation: Int64[np.ndarray, " validation_windows"]
    test: Int64[np.ndarray, " test_windows"]
    leaky: bool


def split_windows(dataset: Dataset, windows: Windows, config: SplitConfig) -> Subsets:
    """Divides windows as configured, and checks the result.

    Raises:
        SplitError: If people cannot be divided so, a subset is empty, a class is missing from training, or a person is
            in two subsets of a split that is not declared leaky.
        ConfigError: If the split cannot be constructed.
    """
    if config.leaky:
        parts = construct("split", target_of(config), arguments_of(config, SplitConfig), vars(config), windows)
        subsets = Subsets(*parts, leaky=True)
    else:
        people = choose_people(recording_table(dataset), config)
        subjects = np.array(dataset.subjects)
        kept = _draw_repetitions(dataset, config, {*people.train, *people.validation})
        parts = (np.isin(subjects, people.train) & kept, np.isin(subjects, people.validation) & kept)
        parts = (*parts, np.isin(subjects, people.test))
        subsets = Subsets(*(np.flatnonzero(part[windows.recording]) for part in parts), leaky=False)
    _check(dataset, windows, subsets)
    return subsets


def choose_people(recordings: RecordingTable, config: SplitConfig) -> People:
    """Divides people as the fold of a split says.

    Validation people who are not named are drawn from each group, so that patients and healthy people are in every
    subset.

    Raises:
        SplitError: If there are too few people, or a split names people who do not exist, or one in two subsets.
    """
    people, folds = recordings.people, make_folds(recordings, config)
    number = getattr(config, "fold", 0)
    if number >= len(folds):
        raise SplitError(f"split.fold={number}: there are folds 0 to {len(folds) - 1} ({config.kind})")
    fold = folds[number]
    validation = fold.validation
    if config.training_people is not None:
        kept = _draw_training_people(people, fold, config, config.training_people)
        people = {person: group for person, group in people.items() if person in {*kept, *fold.test}}
    if validation is None:
        rng = np.random.default_rng(config.seed)
        validation = _draw(people, config.validation_fraction, rng, but_not=fold.test, turn=number)
        if not validation and config.training_people is not None:  # one person of each group is left
            validation = sorted(people.keys() - set(fold.test))[-1:]
    return _people(people, validation, fold.test)


def _draw_training_people(people: Mapping[str, str], fold: Fold, config: SplitConfig, count: int) -> list[str]:
    """So many people of the others than test people, named validation people first, then one of each group in turn.

    Raises:
        SplitError: If there are not so many.
    """
    rng = np.random.default_rng([config.seed, config.draw])
    first = list(fold.validation or ())
    lines = [
        [person for person in rng.permutation(ids).tolist() if person not in {*first, *fold.test}]
        for ids in _by_group(people)
    ]
    line = first + [person for turn in zip_longest(*lines) for person in turn if person is not None]
    if not len(first) < count <= len(line):
        raise SplitError(
            f"split.training_people={count}: {len(line)} people are no test people"
            + (f", and {len(first)} of them validate" if first else "")
            + f"; choose from {len(first) + 1 if first else 2} to {len(line)}"
        )
    return line[:count]


def _draw_repetitions(
    dataset: Dataset, config: SplitConfig, training: Container[str]
) -> Bool[np.ndarray, " recordings"]:
    """Which recordings are among the first of their person and gesture, in an order that is drawn.

    Raises:
        SplitError: If nobody who trains has so many.
    """
    kept = np.ones(len(dataset), dtype=bool)
    if config.training_repetitions is not None:
        seen: Counter[tuple[str, int]] = Counter()
        for at in np.random.default_rng([config.seed, config.draw]).permutation(len(dataset)).tolist():
            which = (dataset.subjects[at], int(dataset.gestures[at]))
            kept[at] = seen[which] < config.training_repetitions
            seen[which] += 1
        most = max(count for (subject, _), count in seen.items() if subject in training)
        if config.training_repetitions > most:
            raise SplitError(
                f"split.training_repetitions={config.training_repetitions}: nobody who trains has more than {most} "
                "recordings of a gesture"
            )
    return kept


def make_folds(recordings: RecordingTable, config: SplitConfig) -> list[Fold]:
    """The folds that a split makes of the recordings' people, each checked; one fold for a single holdout.

    Raises:
        SplitError: If there are too few people, a file of folds cannot be used, or what a guest gives are no folds.
        ConfigError: If the split cannot be constructed.
    """
    target, people = target_of(config), recordings.people
    splitter, arguments = locate("split", target), arguments_of(config, SplitConfig)
    arguments.pop("fold", None)
    if isinstance(splitter, type):
        instance = construct("split", target, arguments, vars(config))
        if not callable(instance):
            raise SplitError(f"split: an instance of {target} cannot be called with the table of recordings")
        folds: Any = instance(recordings)
    else:
        folds = construct("split", target, arguments, vars(config), recordings)
    if not isinstance(folds, Sequence) or not folds or isinstance(folds, str):
        raise SplitError(f"split: {target} must give a list of folds, each a list of test subjects, not {folds!r:.80}")
    return [_fold(f"split: fold {at} of {target}", each, people) for at, each in enumerate(cast(Sequence[Any], folds))]


def subjects_of_folds(recordings: RecordingTable, config: SplitConfig) -> list[list[str]]:
    """The test people of each fold; empty for a split without folds.

    Raises:
        SplitError: As `make_folds`.
    """
    if not hasattr(config, "fold"):
        return []
    return [sorted(fold.test) for fold in make_folds(recordings, config)]


def _fold(where: str, value: Any, people: Mapping[str, str]) -> Fold:
    """A fold as a split gave it, once its people exist and none of them is in two subsets."""
    fold: Any = value if isinstance(value, Fold) else Fold(value)
    for subset, ids in (("test", fold.test), ("validation", fold.validation or ())):
        if isinstance(ids, str) or not isinstance(ids, Iterable) or not all(isinstance(each, str) for each in ids):
            raise SplitError(f"{where} must be a list of subjects (text), or a Fold of such lists, not {value!r:.80}")
        _check_ids(f"{where}: {subset}", cast(Iterable[str], ids), people)
    if both := sorted(set(fold.test) & set(fold.validation or ())):
        raise SplitError(f"{where}: subject {_list(both)} is in both test and validation")
    return fold


def subject_holdout(
    recordings: RecordingTable, test_fraction: float, seed: int, validation_fraction: float
) -> list[Fold]:
    """A share of the people of each group for test, others for validation."""
    people, rng = recordings.people, np.random.default_rng(seed)
    test = _draw(people, test_fraction, rng)
    return [Fold(test, _draw(people, validation_fraction, rng, but_not=test))]


def subject_kfold(recordings: RecordingTable, folds: int, seed: int) -> list[list[str]]:
    """People dealt into folds, one group after the other, so that folds differ by at most one person in size and group.

    Raises:
        SplitError: If there are fewer people than folds.
    """
    people = recordings.people
    if len(people) < folds:
        raise SplitError(f"split.folds={folds}: there are only {len(people)} people")
    rng = np.random.default_rng(seed)
    line = [person for ids in _by_group(people) for person in rng.permutation(ids).tolist()]
    return [sorted(line[fold::folds]) for fold in range(folds)]


def loso(recordings: RecordingTable) -> list[list[str]]:
    """Leave one subject out: a fold for each person, in order of id."""
    return [[person] for person in sorted(recordings.people)]


def folds_file(recordings: RecordingTable, file: str) -> list[list[str]]:
    """Folds from a JSON file.

    Raises:
        SplitError: If it cannot be used.
    """
    path = Path(file)
    plain = _read_json(path)
    if not isinstance(plain, list) or len(cast(list[Any], plain)) < 2 or not all(_is_fold(fold) for fold in plain):
        raise SplitError(
            f'split.file={path} must hold two or more lists of people, such as [["101", "201"], ["102", "202"]]'
        )
    folds = [sorted(str(person) for person in fold) for fold in cast(list[list[Any]], plain)]
    _check_ids(f"split.file={path}", chain(*folds), recordings.people)
    return folds


def named(recordings: RecordingTable, test: Sequence[str], validation: Sequence[str], file: str | None) -> list[Fold]:
    """Test and validation people by name; without validation people they are drawn.

    Raises:
        SplitError: If a person does not exist or is named twice, or nobody is named for test.
    """
    people = recordings.people
    if file is not None:
        test, validation = _read_people(Path(file))
    for key, ids in (("test", test), ("validation", validation)):
        _check_ids(f"split.{key}" if file is None else f"split.file={file}, {key}", ids, people)
    if both := sorted(set(test) & set(validation)):
        raise SplitError(f"subject {', '.join(both)} is named for both test and validation")
    if not test:
        raise SplitError("split.test is empty: name the test people, as in split.test=[101,201]")
    return [Fold(test, validation or None)]


def random_window(
    windows: Windows, test_fraction: float, validation_fraction: float, seed: int
) -> tuple[Int64[np.ndarray, " _"], ...]:
    """LEAKY: overlapping windows drawn at random for training, validation and test, without regard to people."""
    return _draw_units(np.arange(len(windows)), test_fraction, validation_fraction, seed)


def random_recording(
    windows: Windows, test_fraction: float, validation_fraction: float, seed: int
) -> tuple[Int64[np.ndarray, " _"], ...]:
    """LEAKY: the windows of whole recordings drawn at random, without regard to people."""
    parts = _draw_units(np.unique(windows.recording), test_fraction, validation_fraction, seed)
    return tuple(np.flatnonzero(np.isin(windows.recording, part)) for part in parts)


def _draw_units(
    units: Int64[np.ndarray, " _"], test_fraction: float, validation_fraction: float, seed: int
) -> tuple[Int64[np.ndarray, " _"], ...]:
    line = np.random.default_rng(seed).permutation(units)
    test = round(test_fraction * len(line))
    validation = round(validation_fraction * (len(line) - test))
    return tuple(np.sort(part) for part in (line[test + validation :], line[test : test + validation], line[:test]))


def _read_people(path: Path) -> tuple[list[str], list[str]]:
    plain = _read_json(path)
    named: dict[str, Any] = plain if isinstance(plain, dict) else {}
    test, validation = named.get("test", []), named.get("validation", [])
    if not _is_fold(test) or not (validation == [] or _is_fold(validation)):
        example = '{"test": ["101"], "validation": ["102"]}'
        raise SplitError(f"split.file={path} must hold lists of people, such as {example}")
    return [str(person) for person in test], [str(person) for person in validation]


def _read_json(path: Path) -> Any:
    try:
        return read_json(path)
    except OSError as error:
        raise SplitError(f"split.file={path} cannot be read: {why(error)}") from error
    except ValueError as error:
        raise SplitError(f"split.file={path} is not JSON: {error}") from error


def _check_ids(where: str, ids: Iterable[str], people: Mapping[str, str]) -> None:
    """Refuses people of whom there is no recording, or who are named twice."""
    counts = Counter(ids)
    if unknown := counts.keys() - people.keys():
        raise SplitError(f"{where}: no recording of subject {_list(unknown)}; subjects are {_list(people)}")
    if twice := [person for person, count in counts.items() if count > 1]:
        raise SplitError(f"{where}: subject {_list(twice)} is named more than once")


def _is_fold(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(each, str | int) for each in cast(list[Any], value))
    )


def _people(people: Iterable[str], validation: Sequence[str], test: Sequence[str]) -> People:
    train = sorted(set(people) - set(validation) - set(test))
    for subset, ids in (("training", train), ("validation", validation), ("test", test)):
        if not ids:
            raise SplitError(
                f"no {subset} people are left: there are {len(set(people))} people "
                f"({len(validation)} for validation, {len(test)} for test); use more people or smaller fractions"
            )
    return People(tuple(train), tuple(sorted(validation)), tuple(sorted(test)))


def _by_group(people: Mapping[str, str]) -> list[list[str]]:
    groups = sorted(set(people.values()))
    return [sorted(person for person, group in people.items() if group == wanted) for wanted in groups]


def _draw(
    people: Mapping[str, str], share: float, rng: np.random.Generator, *, but_not: Iterable[str] = (), turn: int = 0
) -> list[str]:
    """A share of each group, rounded, at least one where the group has two or more.

    Turns take what follows in one shuffled circle of the group: over all folds everybody is drawn about equally often.
    """
    drawn: list[str] = []
    for ids in _by_group(people):
        line = [person for person in rng.permutation(ids).tolist() if person not in set(but_not)]
        count = max(round(share * len(line)), 1 if len(line) > 1 else 0)
        start = turn * count
        drawn += [line[(start + offset) % len(line)] for offset in range(count)]
    return sorted(drawn)


def _check(dataset: Dataset, windows: Windows, subsets: Subsets) -> None:
    subjects = np.array(dataset.subjects)[windows.recording]
    people: Counter[str] = Counter()
    for name, index in (("training", subsets.train), ("validation", subsets.validation), ("test", subsets.test)):
        if not len(index):
            raise SplitError(f"the {name} subset has no window; use more people or shorter windows")
        people.update(set(subjects[index].tolist()))
    if not subsets.leaky and (twice := [person for person, count in people.items() if count > 1]):
        raise SplitError(f"subject {', '.join(sorted(twice))} is in two subsets of a split that promises unseen people")
    untrained = np.setdiff1d(dataset.classes, dataset.classes[windows.recording[subsets.train]])
    if missing := [dataset.class_names[number] for number in untrained.tolist()]:
        what = "does" if dataset.target is Target.gesture else "has a recording that is"
        raise SplitError(
            f"no training person {what} {', '.join(missing)}, so it cannot be learned; use more people or "
            "another split.seed, or leave fewer files out (data.max_files, data.subjects)"
        )


def _list(ids: Iterable[str]) -> str:
    ordered = sorted(ids)
    return ", ".join(ordered) if len(ordered) <= 40 else f"{', '.join(ordered[:40])} and {len(ordered) - 40} more"
