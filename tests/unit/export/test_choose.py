"""The best run of a sweep is chosen by validation people alone."""

import pytest

from gesturelab.errors import RunError
from gesturelab.export.best_run import best_run
from info_builder import make_info, write_run


def sweep(folder, *infos):
    for at, info in enumerate(infos):
        write_run(folder / str(at), info)
    return folder


def test_validation_people_choose_the_size_and_the_run_and_test_people_do_not(tmp_path):
    choice = best_run(
        sweep(
            tmp_path,
            make_info("tiny", 1, validation=0.8, test=0.99),
            make_info("small", 2, seed=0, validation=0.85, test=0.95),
            make_info("small", 2, seed=1, validation=0.95, test=0.5),
            make_info("small", 2, seed=2, validation=0.9, test=0.9),
        )
    )
    assert (choice.run.path, choice.run.size) == (tmp_path / "2", "small")
    said = " ".join(choice.why)
    assert "small is recommended: 90.0 % accuracy of validation recordings (tiny 80.0 %)" in said
    assert "Of its 3 runs, 2 (subject_holdout, seed 1) has the best: 95.0 %" in said
    assert "Test people had no say" in said


def test_of_folds_it_is_said_that_it_is_one_of_them(tmp_path):
    folds = [
        make_info("tiny", 1, kind="loso", options={"seed": 0, "fold": fold}, validation=0.8 + fold / 100)
        for fold in range(3)
    ]
    choice = best_run(sweep(tmp_path, *folds))
    assert choice.run.path == tmp_path / "2"
    assert "one of the models that the sweep tested" in choice.why[-1]


def test_runs_that_cannot_be_compared_have_no_best(tmp_path):
    sweep(tmp_path, make_info("tiny", 1), make_info("tiny", 1, fingerprint="other"))
    with pytest.raises(RunError, match="cannot all be compared"):
        best_run(tmp_path)


def test_no_run(tmp_path):
    with pytest.raises(RunError, match="no finished run in"):
        best_run(tmp_path)
