"""Who is on which side. Pure functions; no person is ever on two sides unless the split says that it is leaky."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from gesturelab.config.data import Target
from gesturelab.config.split import (
    FoldsFileConfig,
    LosoConfig,
    NamedSplitConfig,
    RandomRecordingConfig,
    RandomSplitConfig,
    SplitConfig,
    SubjectHoldoutConfig,
    SubjectKfoldConfig,
)
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import SplitError
from gesturelab.files import read_json, why
from gesturelab.preprocessing.windows import Windows


@dataclass(frozen=True)
class People:
    """Ids of the people on each side."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sides:
    """Indices of the windows on each side.

    Attributes:
        leaky: Whether people may be on two sides.
    """

    train: Int64[np.ndarray, " train_windows"]
    validation: Int64[np.ndarray, " validation_windows"]
    test: Int64[np.ndarray, " test_windows"]
    leaky: bool


def split_windows(dataset: Dataset, windows: Windows, config: SplitConfig) -> Sides:
    """Divides windows as configured, and checks the result.

    Raises:
        SplitError: If people cannot be divided so, a side is empty, a class is missing from training, or a person is
            on two sides of a split that is not declared leaky.
    """
    if isinstance(config, RandomSplitConfig):
        sides = _deal_at_random(windows, config)
    else:
        people = choose_people(dataset.people, config)
        side_of = {
            person: side for side, ids in enumerate((people.train, people.validation, people.test)) for person in ids
        }
        side = np.array([side_of[subject] for subject in dataset.subjects])[windows.recording]
        sides = Sides(*(np.flatnonzero(side == number) for number in range(3)), leaky=False)
    _check(dataset, windows, sides)
    return sides


def choose_people(people: Mapping[str, str], config: SplitConfig) -> People:
    """Divides people (id to group), each group by itself, so that patients and healthy people are on every side.

    Raises:
        SplitError: If there are too few people, or a named person does not exist.
    """
    rng = np.random.default_rng(config.seed)
    match config:
        case SubjectHoldoutConfig():
            test = _draw(people, config.test_fraction, rng)
        case SubjectKfoldConfig() | LosoConfig() | FoldsFileConfig():
            folds = make_folds(people, config)
            if config.fold >= len(folds):
                raise SplitError(f"split.fold={config.fold}: there are folds 0 to {len(folds) - 1} ({config.kind})")
            test = folds[config.fold]
            validation = _draw(people, config.validation_fraction, rng, but_not=test, turn=config.fold)
            return _people(people, validation, test)
        case NamedSplitConfig():
            return _named(people, config, rng)
        case _:
            raise SplitError(f"split {config.kind} does not divide people")
    return _people(people, _draw(people, config.validation_fraction, rng, but_not=test), test)


def make_folds(people: Mapping[str, str], config: SplitConfig) -> list[list[str]]:
    """The test people of each fold; empty for a split without folds.

    Raises:
        SplitError: If there are too few people, or a file of folds cannot be used.
    """
    match config:
        case SubjectKfoldConfig():
            return deal_folds(people, config.folds, config.seed)
        case LosoConfig():
            return [[person] for person in sorted(people)]
        case FoldsFileConfig():
            return _read_folds(Path(config.file), people)
        case _:
            return []


def _read_folds(path: Path, people: Mapping[str, str]) -> list[list[str]]:
    try:
        folds = read_json(path)
    except OSError as error:
        raise SplitError(f"split.file={path} cannot be read: {why(error)}") from error
    except ValueError as error:
        raise SplitError(f"split.file={path} is not JSON: {error}") from error
    if not isinstance(folds, list) or len(cast(list[Any], folds)) < 2 or not all(_is_fold(fold) for fold in folds):
        raise SplitError(
            f'split.file={path} must hold two or more lists of people, such as [["101", "201"], ["102", "202"]]'
        )
    found = [sorted(str(person) for person in fold) for fold in cast(list[list[Any]], folds)]
    named = [person for fold in found for person in fold]
    if unknown := sorted(set(named) - set(people)):
        who = _list(unknown)
        raise SplitError(f"split.file={path}: no recording of subject {who}; subjects are {_list(people)}")
    if twice := sorted(person for person, count in Counter(named).items() if count > 1):
        raise SplitError(f"split.file={path}: subject {', '.join(twice)} is named more than once")
    return found


def _is_fold(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str | int) for one in cast(list[Any], value))


def deal_folds(people: Mapping[str, str], folds: int, seed: int) -> list[list[str]]:
    """Deals people into folds, one group after the other, so that folds differ by at most one person in size and group.

    Raises:
        SplitError: If there are fewer people than folds.
    """
    if len(people) < folds:
        raise SplitError(f"split.folds={folds}: there are only {len(people)} people")
    rng = np.random.default_rng(seed)
    line = [person for ids in _by_group(people) for person in rng.permutation(ids).tolist()]
    return [sorted(line[fold::folds]) for fold in range(folds)]


def _people(people: Iterable[str], validation: Sequence[str], test: Sequence[str]) -> People:
    train = sorted(set(people) - set(validation) - set(test))
    for side, ids in (("training", train), ("validation", validation), ("test", test)):
        if not ids:
            raise SplitError(
                f"no {side} people are left: there are {len(set(people))} people "
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


def _named(people: Mapping[str, str], config: NamedSplitConfig, rng: np.random.Generator) -> People:
    test, validation = list(config.test), list(config.validation)
    if config.file is not None:
        test, validation = _read_people(Path(config.file))
    for key, ids in (("test", test), ("validation", validation)):
        where = key if config.file is None else f"file={config.file}, {key}"
        if unknown := sorted(set(ids) - set(people)):
            raise SplitError(f"split.{where}: no recording of subject {_list(unknown)}; subjects are {_list(people)}")
        if twice := sorted(person for person, count in Counter(ids).items() if count > 1):
            raise SplitError(f"split.{where}: subject {_list(twice)} is named more than once")
    if both := sorted(set(test) & set(validation)):
        raise SplitError(f"subject {', '.join(both)} is named for both test and validation")
    if not test:
        raise SplitError("split.test is empty: name the test people, as in split.test=[101,201]")
    if not validation:
        return _people(people, _draw(people, config.validation_fraction, rng, but_not=test), test)
    return _people(people, validation, test)


def _read_people(path: Path) -> tuple[list[str], list[str]]:
    try:
        named = cast(dict[str, list[Any]], read_json(path))
        sides = named["test"], named.get("validation", [])
        if not all(not side or _is_fold(side) for side in sides):
            raise TypeError("not a list of people")
        return [str(person) for person in sides[0]], [str(person) for person in sides[1]]
    except OSError as error:
        raise SplitError(f"split.file={path} cannot be read: {why(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SplitError(
            f'split.file={path} must hold JSON such as {{"test": ["101"], "validation": ["102"]}}: {error!r}'
        ) from error


def _deal_at_random(windows: Windows, config: RandomSplitConfig) -> Sides:
    rng = np.random.default_rng(config.seed)
    by_recording = isinstance(config, RandomRecordingConfig)
    units = np.unique(windows.recording) if by_recording else np.arange(len(windows))
    line = rng.permutation(units)
    test = round(config.test_fraction * len(line))
    validation = round(config.validation_fraction * (len(line) - test))
    parts = (line[test + validation :], line[test : test + validation], line[:test])
    if by_recording:
        parts = tuple(np.flatnonzero(np.isin(windows.recording, part)) for part in parts)
    return Sides(*(np.sort(part) for part in parts), leaky=True)


def _check(dataset: Dataset, windows: Windows, sides: Sides) -> None:
    subjects = np.array(dataset.subjects)[windows.recording]
    people = [set(subjects[index].tolist()) for index in (sides.train, sides.validation, sides.test)]
    for name, index, chosen in zip(
        ("training", "validation", "test"), (sides.train, sides.validation, sides.test), people, strict=True
    ):
        if not len(index):
            raise SplitError(
                f"the {name} side has no window ({len(chosen)} people); use more people or shorter windows"
            )
    if not sides.leaky and (twice := (people[0] & people[1]) | (people[0] & people[2]) | (people[1] & people[2])):
        raise SplitError(f"subject {', '.join(sorted(twice))} is on two sides of a split that promises unseen people")
    classes = dataset.classes
    trained = set(classes[windows.recording[sides.train]].tolist())
    missing = [dataset.class_names[one] for one in sorted(set(classes.tolist()) - trained)]
    if missing:
        what = "does" if dataset.target is Target.gesture else "has a recording that is"
        raise SplitError(
            f"no training person {what} {', '.join(missing)}, so it cannot be learned; use more people or "
            "another split.seed, or leave fewer files out (data.max_files, data.subjects)"
        )


def _list(ids: Iterable[str]) -> str:
    ordered = sorted(ids)
    return ", ".join(ordered) if len(ordered) <= 40 else f"{', '.join(ordered[:40])} and {len(ordered) - 40} more"
