import collections
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import dataset_of, walker
from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.config.split import (
    FoldsFileConfig,
    GuestSplitConfig,
    LosoConfig,
    NamedSplitConfig,
    RandomRecordingConfig,
    RandomWindowConfig,
    SubjectHoldoutConfig,
    SubjectKfoldConfig,
)
from gesturelab.errors import ConfigError, SplitError
from gesturelab.preprocessing.windows import cut_windows
from gesturelab.splits.split import (
    Fold,
    RecordingTable,
    choose_people,
    recording_table,
    split_windows,
    subject_kfold,
    subjects_of_folds,
)

WINDOW = WindowConfig(Span.sliding, 10, 2, None, Short.pad)


def holdout(seed=0, validation=0.2, test=0.2):
    return SubjectHoldoutConfig(seed=seed, validation_fraction=validation, test_fraction=test)


def loso(fold):
    return LosoConfig(seed=0, validation_fraction=0.2, fold=fold)


def named(test=(), validation=(), file=None):
    return NamedSplitConfig(
        seed=0, validation_fraction=0.2, test=list(test), validation=list(validation), file=file and str(file)
    )


def table_of(people):
    """One recording a person (id to group)."""
    names, groups = tuple(people), tuple(people.values())
    return RecordingTable(names, names, groups, ("wave",) * len(names), (1,) * len(names), ("",) * len(names))


def three_people(gestures):
    """Recordings of people 101, 102 and 103, who do these gestures."""
    return [
        walker(f"{person}_{gesture}", 20, subject=str(person), gesture=gesture)
        for person in (101, 102, 103)
        for gesture in gestures
    ]


def subjects(dataset, windows, index):
    return {dataset.subjects[number] for number in windows.recording[index].tolist()}


people_strategy = st.dictionaries(st.integers(100, 299).map(str), st.sampled_from(["healthy", "patient"]), min_size=6)


@given(people_strategy, st.integers(0, 5))
def test_a_holdout_never_puts_a_person_on_two_sides(people, seed):
    sides = choose_people(table_of(people), holdout(seed))
    everyone = [*sides.train, *sides.validation, *sides.test]
    assert sorted(everyone) == sorted(people)
    for group in ("healthy", "patient"):
        if sum(kind == group for kind in people.values()) >= 4:
            for side in (sides.train, sides.validation, sides.test):
                assert any(people[person] == group for person in side)


@given(people_strategy, st.integers(2, 6), st.integers(0, 3))
def test_each_person_is_test_in_exactly_one_fold(people, folds, seed):
    dealt = subject_kfold(table_of(people), folds, seed)
    assert sorted(person for fold in dealt for person in fold) == sorted(people)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    patients = [sum(people[person] == "patient" for person in fold) for fold in dealt]
    assert max(patients) - min(patients) <= 1


def test_the_run_of_a_fold_tests_the_people_of_that_fold(people_dataset):
    for fold in range(3):
        config = SubjectKfoldConfig(seed=4, validation_fraction=0.2, folds=3, fold=fold)
        assert (
            list(choose_people(recording_table(people_dataset), config).test)
            == subject_kfold(recording_table(people_dataset), 3, 4)[fold]
        )


def test_leave_one_subject_out_tests_each_person_once(people_dataset):
    tested = [choose_people(recording_table(people_dataset), loso(fold)).test for fold in range(12)]
    assert tested == [(person,) for person in people_dataset.people]
    with pytest.raises(SplitError, match=r"split.fold=12: there are folds 0 to 11"):
        choose_people(recording_table(people_dataset), loso(12))


@pytest.mark.parametrize("folds", [5, 8])
def test_over_the_folds_everybody_has_a_turn_in_validation(folds):
    people = {str(number): "patient" if number >= 200 else "healthy" for number in [*range(101, 113), *range(201, 213)]}
    turns = collections.Counter[str]()
    for fold in range(folds):
        turns.update(
            choose_people(
                table_of(people), SubjectKfoldConfig(seed=1, validation_fraction=0.2, folds=folds, fold=fold)
            ).validation
        )
    assert len(turns) >= 18  # of 24
    assert max(turns.values()) <= 3


def test_windows_follow_their_people(people_dataset):
    windows = cut_windows(people_dataset, WINDOW)
    sides = split_windows(people_dataset, windows, named(test=["101", "201"], validation=["102"]))
    assert subjects(people_dataset, windows, sides.test) == {"101", "201"}
    assert subjects(people_dataset, windows, sides.validation) == {"102"}
    assert len(sides.train) + len(sides.validation) + len(sides.test) == len(windows)
    assert not sides.leaky


def test_named_people_can_come_from_a_file(people_dataset, tmp_path):
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"test": [103], "validation": ["203"]}))
    people = choose_people(recording_table(people_dataset), named(file=file))
    assert people.test == ("103",)
    assert people.validation == ("203",)
    file.write_text('["103"]')
    with pytest.raises(SplitError, match=r"people\.json must hold lists of people, such as"):
        choose_people(recording_table(people_dataset), named(file=file))


def test_without_named_validation_people_some_are_drawn(people_dataset):
    people = choose_people(recording_table(people_dataset), named(test=["101"]))
    assert people.validation
    assert not {"101"} & {*people.validation, *people.train}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (named(test=["999"]), r"split.test: no recording of subject 999; subjects are 101, 102"),
        (named(test=["101"], validation=["101"]), "subject 101 is named for both"),
        (named(), r"split.test is empty"),
        (named(test=[str(n) for n in (*range(101, 107), *range(201, 206))], validation=["206"]), "no training people"),
        (SubjectKfoldConfig(seed=0, validation_fraction=0.2, folds=13, fold=0), "only 12 people"),
    ],
)
def test_a_refusal_says_why(people_dataset, config, message):
    with pytest.raises(SplitError, match=message):
        choose_people(recording_table(people_dataset), config)


def test_two_people_cannot_fill_three_sides():
    with pytest.raises(SplitError, match="people are left: there are 2 people"):
        choose_people(table_of({"101": "healthy", "102": "healthy"}), holdout())


def test_random_windows_are_declared_leaky_and_really_leak(people_dataset):
    windows = cut_windows(people_dataset, WINDOW)
    sides = split_windows(
        people_dataset, windows, RandomWindowConfig(seed=1, validation_fraction=0.1, test_fraction=0.2)
    )
    assert sides.leaky
    assert subjects(people_dataset, windows, sides.train) & subjects(people_dataset, windows, sides.test)
    assert len(sides.test) == round(0.2 * len(windows))
    together = np.concatenate([sides.train, sides.validation, sides.test])
    assert sorted(together.tolist()) == list(range(len(windows)))


def test_random_recordings_keep_a_recording_on_one_side(people_dataset):
    windows = cut_windows(people_dataset, WINDOW)
    config = RandomRecordingConfig(seed=1, validation_fraction=0.1, test_fraction=0.2)
    sides = split_windows(people_dataset, windows, config)
    assert sides.leaky
    parts = [set(windows.recording[index].tolist()) for index in (sides.train, sides.validation, sides.test)]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]


def test_a_gesture_that_no_training_person_does_is_refused():
    dataset = dataset_of(
        [
            walker(f"{person}_{gesture}", 20, subject=str(person), gesture=gesture)
            for person in (101, 102, 103)
            for gesture in (0, 1)
        ]
        + [walker("104_2", 20, subject="104", gesture=2)]
    )
    with pytest.raises(SplitError, match="no training person does both"):
        split_windows(dataset, cut_windows(dataset, WINDOW), named(test=["104"], validation=["103"]))


def test_a_person_with_one_gesture_only_can_be_tested():
    dataset = dataset_of(
        [
            walker(f"{person}_{gesture}", 20, subject=str(person), gesture=gesture)
            for person in (101, 102, 103)
            for gesture in range(3)
        ]
        + [walker("104_2", 20, subject="104", gesture=2)]
    )
    sides = split_windows(dataset, cut_windows(dataset, WINDOW), named(test=["104"], validation=["103"]))
    assert len(sides.test) > 0


def test_the_same_seed_divides_alike_and_another_differently(people_dataset):
    assert choose_people(recording_table(people_dataset), holdout(3)) == choose_people(
        recording_table(people_dataset), holdout(3)
    )
    assert len({choose_people(recording_table(people_dataset), holdout(seed)) for seed in range(6)}) > 1


def from_file(path, fold=0, seed=0):
    return FoldsFileConfig(seed=seed, validation_fraction=0.2, file=str(path), fold=fold)


def test_folds_come_from_a_file(people_dataset, tmp_path):
    path = tmp_path / "folds.json"
    path.write_text('[["101", "201"], [202, "102"]]')
    people = choose_people(recording_table(people_dataset), from_file(path, 1))
    assert people.test == ("102", "202")
    assert set(people.train + people.validation) == set(people_dataset.people) - {"102", "202"}


def test_the_folds_of_a_split_can_be_read_back_as_a_file(people_dataset, tmp_path):
    config = SubjectKfoldConfig(seed=3, validation_fraction=0.2, folds=4, fold=2)
    path = tmp_path / "folds.json"
    path.write_text(json.dumps(subjects_of_folds(recording_table(people_dataset), config)))
    same = choose_people(recording_table(people_dataset), from_file(path, 2, seed=3))
    assert same == choose_people(recording_table(people_dataset), config)


def test_a_split_without_folds_has_none(people_dataset):
    assert subjects_of_folds(recording_table(people_dataset), holdout()) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[["101"], ["231", "777"]]', "no recording of subject 231, 777; subjects are 101, 102"),
        ('[["101", "201"], ["202", "101"]]', "subject 101 is named more than once"),
        ("[[", "is not JSON"),
        ('{"test": ["101"]}', "must hold two or more lists"),
        ('["101", "102"]', "must hold two or more lists"),
        ('[["101"]]', "must hold two or more lists"),
        ('[["101"], []]', "must hold two or more lists"),
    ],
)
def test_a_bad_file_of_folds_is_refused(people_dataset, tmp_path, text, why):
    path = tmp_path / "folds.json"
    path.write_text(text)
    with pytest.raises(SplitError, match=why) as caught:
        choose_people(recording_table(people_dataset), from_file(path))
    assert "folds.json" in str(caught.value)


def test_a_fold_that_a_file_does_not_have_is_refused(people_dataset, tmp_path):
    path = tmp_path / "folds.json"
    path.write_text('[["101"], ["102"]]')
    with pytest.raises(SplitError, match="there are folds 0 to 1"):
        choose_people(recording_table(people_dataset), from_file(path, 2))
    with pytest.raises(SplitError, match="cannot be read"):
        choose_people(recording_table(people_dataset), from_file(tmp_path / "nowhere.json"))


class GuestSplits:
    """What a user's own module may hold."""

    @staticmethod
    def by_group(recordings, second="patient"):
        frame = recordings.to_frame()
        return [sorted(set(frame.subjects[frame.groups == group])) for group in ("healthy", second)]

    class Named:
        def __init__(self, group):
            self.group = group

        def __call__(self, recordings):
            chosen = [person for person, group in recordings.people.items() if group == self.group]
            return [Fold(test=chosen[:2], validation=chosen[2:3])]

    @staticmethod
    def in_two_subsets(recordings):
        return [Fold(test=["101"], validation=["101", "102"])]

    @staticmethod
    def unknown(recordings):
        return [["101"], ["nobody"]]

    @staticmethod
    def text(recordings):
        return ["101", "102"]

    @staticmethod
    def nothing(recordings):
        return []


def guest(name, fold=0, **arguments):
    return GuestSplitConfig(_target_=f"{__name__}.GuestSplits.{name}", fold=fold, arguments=arguments)


def test_a_function_of_a_guest_gives_the_folds(people_dataset):
    people = choose_people(recording_table(people_dataset), guest("by_group", fold=1, second="patient"))
    assert people.test == ("201", "202", "203", "204", "205", "206")
    assert people.validation
    assert not set(people.validation) & set(people.train)


def test_a_class_of_a_guest_may_name_validation_people(people_dataset):
    people = choose_people(recording_table(people_dataset), guest("Named", group="patient"))
    assert (people.test, people.validation) == (("201", "202"), ("203",))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("in_two_subsets", r"split: fold 0 of .*in_two_subsets: subject 101 is in both test and validation"),
        ("unknown", r"split: fold 1 of .*unknown: test: no recording of subject nobody; subjects are 101"),
        ("text", r"split: fold 0 of .*must be a list of subjects"),
        ("nothing", r"split: .*nothing must give a list of folds"),
    ],
)
def test_a_guest_that_gives_no_folds_is_refused_by_name(people_dataset, name, message):
    with pytest.raises(SplitError, match=message):
        choose_people(recording_table(people_dataset), guest(name))


def test_a_guest_that_is_not_there_is_refused_by_key(people_dataset):
    config = GuestSplitConfig(_target_="no_such_package.BySite")
    with pytest.raises(ConfigError, match=r"split\._target_=no_such_package\.BySite: cannot be imported"):
        choose_people(recording_table(people_dataset), config)


@given(draw=st.integers(0, 5), fold=st.integers(0, 4))
def test_fewer_training_people_are_part_of_more_from_both_groups_and_no_test_person(draw: int, fold: int):
    people = {str(100 + at): "healthy" for at in range(9)} | {str(200 + at): "patient" for at in range(6)}
    full = choose_people(table_of(people), kfold(fold))
    before: set[str] = set()
    for count in range(2, 13):
        chosen = choose_people(table_of(people), kfold(fold, training_people=count, draw=draw))
        used = {*chosen.train, *chosen.validation}
        assert len(used) == len(chosen.train) + len(chosen.validation) == count
        assert chosen.test == full.test
        assert before < used
        assert not used & set(chosen.test)
        kinds = collections.Counter(people[person] for person in used)
        assert min(kinds["healthy"], kinds["patient"]) >= min(count // 2, 4)
        before = used
    assert before == {*full.train, *full.validation}


def kfold(fold: int, **keys: int) -> SubjectKfoldConfig:
    return SubjectKfoldConfig(folds=5, fold=fold, **keys)


def test_draws_differ_and_named_validation_people_are_always_among_the_training_people():
    people = {str(at): "" for at in range(20)}
    table = table_of(people)
    drawn = {choose_people(table, kfold(0, training_people=5, draw=draw)).train for draw in range(4)}
    assert len(drawn) > 1
    config = NamedSplitConfig(test=["1"], validation=["7"], training_people=4)
    chosen = choose_people(table, config)
    assert (chosen.test, chosen.validation, len(chosen.train)) == (("1",), ("7",), 3)


def test_more_training_people_than_there_are_or_a_leaky_split_are_refused():
    table = table_of({str(at): "" for at in range(10)})
    with pytest.raises(SplitError, match=r"split\.training_people=9: 8 people are no test people; choose from 2 to 8"):
        choose_people(table, kfold(0, training_people=9))
    with pytest.raises(SplitError, match=r"1 of them validate; choose from 2 to 9"):
        choose_people(table, NamedSplitConfig(test=["1"], validation=["2"], training_people=1 + 9))
    with pytest.raises(ConfigError, match=r"split\.training_people=3"):
        RandomWindowConfig(training_people=3)
    with pytest.raises(ConfigError, match=r"split\.training_people=1: must be at least 2"):
        kfold(0, training_people=1)


def test_repetitions_are_limited_for_those_who_train_and_nested():
    walkers = [
        walker(f"{person}_{gesture}_{turn}", 20, subject=str(person), gesture=gesture)
        for person in (101, 102, 103)
        for gesture in (0, 1)
        for turn in range(4)
    ]
    dataset = dataset_of(walkers)
    windows = cut_windows(dataset, WINDOW)
    before: set[int] = set()
    for count in (1, 2, 3, 4):
        split = NamedSplitConfig(test=["103"], validation=["102"], training_repetitions=count)
        subsets = split_windows(dataset, windows, split)
        train, validation, test = (set(windows.recording[part].tolist()) for part in
                                   (subsets.train, subsets.validation, subsets.test))  # fmt: skip
        assert (len(train), len(validation), len(test)) == (2 * count, 2 * count, 8)
        assert before <= train
        before = train
    with pytest.raises(SplitError, match=r"training_repetitions=5: nobody who trains has more than 4 recordings"):
        split_windows(dataset, windows, NamedSplitConfig(test=["103"], validation=["102"], training_repetitions=5))


def test_a_draw_without_a_limit_is_refused():
    with pytest.raises(ConfigError, match=r"split\.draw=1: only with split\.training_people"):
        kfold(0, draw=1)
