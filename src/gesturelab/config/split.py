"""Schemas of who is in which subset: training, validation, test."""

from dataclasses import dataclass, field
from typing import ClassVar

from gesturelab.config.options import GuestOptions, target_of
from gesturelab.config.rules import COUNT, FRACTION, NOT_NEGATIVE, Checked, Rule, key
from gesturelab.errors import ConfigError


@dataclass
class SplitConfig(Checked):
    """Who is in which subset; every split has these keys."""

    GROUP: ClassVar[str] = "split"

    _target_: str = ""
    """The splitter's class or function."""
    seed: int = key(0, NOT_NEGATIVE)
    """Who goes where; apart from the run's seed, so that a sweep over seeds keeps the people."""
    validation_fraction: float = key(0.2, FRACTION)
    """Share of the people that are not test people (of each group) to hold out for validation; at least one."""
    training_people: int | None = key(None, Rule(minimum=2))
    """Train on that many people only, those for validation among them; they are drawn from each group in turn, and are
    part of every larger number. null: on everybody who is no test person. For learning curves."""
    training_repetitions: int | None = key(None, COUNT)
    """Use that many recordings only of each gesture of each of these people; null: all. Test people keep theirs."""
    draw: int = key(0, NOT_NEGATIVE)
    """Which of the possible draws of people, or repetitions, that is; draws are averaged like seeds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draw and not self.limits:
            raise ConfigError(f"split.draw={self.draw}: only with split.training_people or split.training_repetitions")

    @property
    def limits(self) -> dict[str, int]:
        """The keys that make a learning curve, as far as they are in use."""
        keys = ("training_people", "training_repetitions")
        return {name: getattr(self, name) for name in keys if getattr(self, name) is not None}

    @property
    def kind(self) -> str:
        """The split's name, as info files and tables have it."""
        return target_of(self).rpartition(".")[2]

    @property
    def leaky(self) -> bool:
        """Whether the same person may be in two subsets, so that test numbers say nothing about new people."""
        return False


@dataclass
class GuestSplitConfig(GuestOptions, SplitConfig):
    """A split from outside gesturelab."""

    fold: int = key(0, NOT_NEGATIVE)
    """Which of its folds is the test, from 0."""


@dataclass
class SubjectHoldoutConfig(SplitConfig):
    """Whole people held out for test, other people for validation."""

    _target_: str = "gesturelab.splits.split.subject_holdout"
    test_fraction: float = key(0.2, FRACTION)
    """Share of the people of each group to hold out for test; at least one."""


@dataclass
class SubjectKfoldConfig(SplitConfig):
    """People dealt into folds; one fold is the test."""

    _target_: str = "gesturelab.splits.split.subject_kfold"
    folds: int = key(5, Rule(minimum=2))
    """How many folds."""
    fold: int = key(0, NOT_NEGATIVE)
    """Which fold is the test, from 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.fold < self.folds:
            raise ConfigError(f"split.fold={self.fold}: must be from 0 to {self.folds - 1} (split.folds={self.folds})")


@dataclass
class LosoConfig(SplitConfig):
    """Leave one subject out: one person is the test."""

    _target_: str = "gesturelab.splits.split.loso"
    fold: int = key(0, NOT_NEGATIVE)
    """Which person is the test, from 0, in order of id."""


@dataclass
class FoldsFileConfig(SplitConfig):
    """Folds from a file; one fold is the test."""

    _target_: str = "gesturelab.splits.split.folds_file"
    file: str = "folds.json"
    """A JSON file with a list of people for each fold, such as [["101", "201"], ["102", "202"]]. Every run with folds
    writes such a file, folds.json. People in no fold are never tested; they train, or validate, in every fold."""
    fold: int = key(0, NOT_NEGATIVE)
    """Which fold is the test, from 0."""


@dataclass
class NamedSplitConfig(SplitConfig):
    """Test and validation people given by name."""

    _target_: str = "gesturelab.splits.split.named"
    test: list[str] = field(default_factory=list[str])
    """People for test."""
    validation: list[str] = field(default_factory=list[str])
    """People for validation; when empty they are drawn from the others by validation_fraction."""
    file: str | None = None
    """A JSON file with the lists ``test`` and ``validation``, used in place of the two keys above."""


@dataclass
class RandomSplitConfig(SplitConfig):
    """LEAKY: windows, or recordings, dealt at random without regard to people."""

    test_fraction: float = key(0.2, FRACTION)
    """Share of windows or recordings for test."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in self.limits.items():
            raise ConfigError(f"split.{name}={value}: {self.kind} does not divide people; take split=subject_kfold")

    @property
    def leaky(self) -> bool:
        """Always: the same person is in both subsets."""
        return True


@dataclass
class RandomWindowConfig(RandomSplitConfig):
    """LEAKY: overlapping windows dealt at random, as the original scripts did."""

    _target_: str = "gesturelab.splits.split.random_window"


@dataclass
class RandomRecordingConfig(RandomSplitConfig):
    """LEAKY: whole recordings dealt at random; the same people are in both subsets."""

    _target_: str = "gesturelab.splits.split.random_recording"


SPLITS: tuple[type[SplitConfig], ...] = (
    SubjectHoldoutConfig,
    SubjectKfoldConfig,
    LosoConfig,
    FoldsFileConfig,
    NamedSplitConfig,
    RandomWindowConfig,
    RandomRecordingConfig,
)
"""The splits that come with a schema."""
