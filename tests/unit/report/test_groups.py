from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturelab.report.collect import Finished
from gesturelab.report.groups import Group, best, differences, group_runs
from info_builder import make_info


def grouped(*infos: dict[str, Any]) -> list[Group]:
    return group_runs([Finished(Path(f"r/{at}"), str(at), info) for at, info in enumerate(infos)])  # type: ignore[arg-type]


def test_the_recommended_size_has_the_best_validation_accuracy():
    (one,) = grouped(
        make_info("tiny", 1, validation=0.8, test=0.95),
        make_info("small", 2, validation=0.9, test=0.7),
    )
    assert best(one.candidates, "validation").size == "small"
    assert best(one.candidates, "test").size == "tiny"


@pytest.mark.parametrize("order", [1, -1])
def test_a_tie_goes_to_the_smaller_size(order: int):
    (one,) = grouped(*[make_info("small", 2, test=0.99), make_info("tiny", 1, test=0.5)][::order])
    assert best(one.candidates, "validation").size == "tiny"


def test_seeds_are_averaged_before_choosing():
    (one,) = grouped(
        make_info("tiny", 1, seed=0, validation=0.9, test=0.8),
        make_info("tiny", 1, seed=7, validation=0.7, test=0.6),
        make_info("small", 2, seed=0, validation=0.85),
    )
    tiny, small = one.candidates
    assert (tiny.score("validation"), tiny.score("test"), tiny.seeds) == (0.8, 0.7, [0, 7])
    assert best(one.candidates, "validation") is small


def test_equal_means_tie_whatever_their_rounding():
    parts = (0.1, 0.2, 0.3)  # sums to 0.6000000000000001 in this order
    infos = [make_info("small", 2, seed=seed, validation=value) for seed, value in enumerate(parts)]
    (one,) = grouped(*infos, make_info("tiny", 1, validation=0.2))
    assert best(one.candidates, "validation").size == "tiny"


def test_runs_with_other_settings_are_not_averaged():
    (one,) = grouped(
        make_info(name="slow", learning_rate=1e-4, validation=0.7),
        make_info(name="fast", learning_rate=1e-2, validation=0.9),
    )
    assert [candidate.label for candidate in one.candidates] == ["tiny (fast)", "tiny (slow)"]
    assert best(one.candidates, "validation").label == "tiny (fast)"


def test_settings_of_one_name_are_told_apart_by_folder():
    (one,) = grouped(make_info(learning_rate=1e-4), make_info(learning_rate=1e-2))
    assert [candidate.label for candidate in one.candidates] == ["tiny (0)", "tiny (1)"]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"fingerprint": "f2"}, "other recordings (data fingerprint)"),
        ({"kind": "loso"}, "another split (loso, not subject_holdout)"),
        ({"options": {"seed": 1, "test_fraction": 0.2}}, "other split options (seed 1, not 0)"),
        ({"test_people": ("301", "303")}, "other people"),
    ],
)
def test_what_makes_runs_incomparable_is_said(other: dict[str, Any], why: str):
    first, second = grouped(make_info(), make_info("small", **other))
    assert differences(first.basis, second.basis) == [why]


def test_other_numbers_of_recordings_are_not_compared():
    fewer = make_info()
    fewer["split"]["validation"]["recordings"] = 150
    first, second = grouped(make_info(), fewer)
    assert differences(first.basis, second.basis) == ["other numbers of recordings"]


def test_the_order_in_which_people_are_listed_does_not_matter():
    assert len(grouped(make_info(test_people=("301", "302")), make_info(test_people=("302", "301")))) == 1


def test_folds_of_one_split_are_one_group():
    folds = [make_info(kind="subject_kfold", options={"folds": 2, "fold": fold}, seed=7) for fold in (0, 1)]
    three = [make_info(kind="subject_kfold", options={"folds": 3, "fold": fold}) for fold in (0, 1)]
    first, second = grouped(*folds, *three)
    assert (first.folded, first.split, len(first.candidates)) == (True, "subject_kfold", 1)
    assert first.candidates[0].seeds == [7]
    assert differences(first.basis, second.basis) == ["other split options (folds 3, not 2)"]


def test_honest_groups_come_first():
    groups = grouped(make_info(kind="random_window"), make_info(source="synthetic", fingerprint="f2"), make_info())
    assert [one.flags for one in groups] == [[], ["SYNTHETIC"], ["LEAKY"]]


accuracies = st.floats(0, 1)
runs = st.lists(
    st.tuples(st.sampled_from([("tiny", 1), ("small", 2), ("large", 3)]), st.integers(0, 2), accuracies), min_size=1
)


@settings(deadline=None, max_examples=60)
@given(runs=runs, data=st.data())
def test_the_recommended_size_never_depends_on_test_values(runs: list[Any], data: st.DataObject):
    def recommended() -> str:
        infos = []
        for (size, parameters), seed, validation in runs:
            info = make_info(size, parameters, seed=seed, validation=validation, epochs=0)
            for level in ("window", "recording"):
                for name in ("accuracy", "loss"):
                    info["metrics"]["test"][level][name] = data.draw(accuracies)
            infos.append(info)
        (one,) = grouped(*infos)
        return best(one.candidates, "validation").label

    assert recommended() == recommended()


def test_sizes_are_chosen_on_the_folds_that_all_have():
    def fold(size: str, number: int, validation: float) -> dict[str, Any]:
        return make_info(size, validation=validation, kind="loso", options={"seed": 0, "fold": number})

    both = [fold("tiny", 0, 0.9), fold("tiny", 1, 0.5), fold("small", 0, 0.8)]
    (one,) = grouped(*both)
    assert best(one.on_shared_folds, "validation").size == "tiny"  # fold 1 is tiny's only, and counts for nothing
    (apart,) = grouped(fold("tiny", 0, 0.9), fold("small", 1, 0.8))
    assert apart.on_shared_folds == ()
