"""Schemas of who is on which side: training, validation, test."""

from dataclasses import dataclass

from omegaconf import MISSING

from gesturelab.config.rules import at_least, fraction
from gesturelab.errors import ConfigError


@dataclass
class SplitConfig:
    """Who is on which side; every split has these keys."""

    kind: str = MISSING
    """The split's own name; choose another split with split=NAME."""
    seed: int = MISSING
    """Who goes where; apart from the run's seed, so that a sweep over seeds keeps the people."""
    validation_fraction: float = MISSING
    """Share of the people that are not test people (of each group) to hold out for validation; at least one."""

    def __post_init__(self) -> None:
        if SPLITS.get(self.kind) is not type(self):
            raise ConfigError(f"split.kind={self.kind}: is what the split is; choose another with split=NAME")
        at_least("split.seed", self.seed, 0)
        fraction("split.validation_fraction", self.validation_fraction)

    @property
    def leaky(self) -> bool:
        """Whether the same person may be on two sides, so that test numbers say nothing about new people."""
        return False


@dataclass
class SubjectHoldoutConfig(SplitConfig):
    """Whole people held out for test, other people for validation."""

    kind: str = "subject_holdout"
    test_fraction: float = MISSING
    """Share of the people of each group to hold out for test; at least one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        fraction("split.test_fraction", self.test_fraction)


@dataclass
class SubjectKfoldConfig(SplitConfig):
    """People dealt into folds; one fold is the test."""

    kind: str = "subject_kfold"
    folds: int = MISSING
    """How many folds."""
    fold: int = MISSING
    """Which fold is the test, from 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("split.folds", self.folds, 2)
        if not 0 <= self.fold < self.folds:
            raise ConfigError(f"split.fold={self.fold}: must be from 0 to {self.folds - 1} (split.folds={self.folds})")


@dataclass
class LosoConfig(SplitConfig):
    """Leave one subject out: one person is the test."""

    kind: str = "loso"
    fold: int = MISSING
    """Which person is the test, from 0, in order of id."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("split.fold", self.fold, 0)


@dataclass
class FoldsFileConfig(SplitConfig):
    """Folds from a file; one fold is the test."""

    kind: str = "folds_file"
    file: str = MISSING
    """A JSON file with a list of people for each fold, such as [["101", "201"], ["102", "202"]]. Every run with folds
    writes such a file, folds.json. People in no fold are never tested; they train, or validate, in every fold."""
    fold: int = MISSING
    """Which fold is the test, from 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("split.fold", self.fold, 0)


@dataclass
class NamedSplitConfig(SplitConfig):
    """Test and validation people given by name."""

    kind: str = "named"
    test: list[str] = MISSING
    """People for test."""
    validation: list[str] = MISSING
    """People for validation; when empty they are drawn from the others by validation_fraction."""
    file: str | None = MISSING
    """A JSON file with the lists ``test`` and ``validation``, used in place of the two keys above."""


@dataclass
class RandomSplitConfig(SplitConfig):
    """LEAKY: windows, or recordings, dealt at random without regard to people."""

    test_fraction: float = MISSING
    """Share of windows or recordings for test."""

    def __post_init__(self) -> None:
        super().__post_init__()
        fraction("split.test_fraction", self.test_fraction)

    @property
    def leaky(self) -> bool:
        """Always: the same person is on both sides."""
        return True


@dataclass
class RandomWindowConfig(RandomSplitConfig):
    """LEAKY: overlapping windows dealt at random, as the original scripts did."""

    kind: str = "random_window"


@dataclass
class RandomRecordingConfig(RandomSplitConfig):
    """LEAKY: whole recordings dealt at random; the same people are on both sides."""

    kind: str = "random_recording"


SPLITS: dict[str, type[SplitConfig]] = {
    "subject_holdout": SubjectHoldoutConfig,
    "subject_kfold": SubjectKfoldConfig,
    "loso": LosoConfig,
    "folds_file": FoldsFileConfig,
    "named": NamedSplitConfig,
    "random_window": RandomWindowConfig,
    "random_recording": RandomRecordingConfig,
}
"""The splits by their kind."""
