"""The example gives a fold for each site; nobody is on two sides of one."""

from pathlib import Path

import pytest

from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.errors import SplitError
from gesturelab.splits.split import choose_people, recording_table

HERE = Path(__file__).parent
FEW = ("data.people=6", "data.repetitions=1")


def test_the_people_of_one_site_are_tested_and_those_of_the_other_train(tmp_path: Path) -> None:
    config = compose(["split=by_site", "split.fold=1", *FEW, f"data.cache_dir={tmp_path}"], HERE)
    people = choose_people(recording_table(load(config.data)), config.split)
    assert people.test == ("201", "202", "203")
    assert set(people.train) | set(people.validation) == {"101", "102", "103"}


def test_a_fold_that_is_not_there_is_refused(tmp_path: Path) -> None:
    config = compose(["split=by_site", "split.fold=2", *FEW, f"data.cache_dir={tmp_path}"], HERE)
    with pytest.raises(SplitError, match=r"split\.fold=2: there are folds 0 to 1"):
        choose_people(recording_table(load(config.data)), config.split)
