import pytest

from gesturelab.errors import JoinError
from gesturelab.evaluation.cross_validation import FoldRun, join_folds
from predictions_builder import GESTURES, PEOPLE, fold_run, predictions_of


def test_folds_and_seeds_become_one_result():
    joined = join_folds([fold_run(fold, seed=seed) for seed in (1, 0) for fold in range(6)])
    assert joined.people == PEOPLE
    assert (joined.seeds, joined.folds, joined.planned, joined.partial) == ((0, 1), tuple(range(6)), 6, False)
    assert [len(one) for one in joined.by_seed] == [72, 72]
    assert joined.missing == joined.notes == ()
    assert joined.groups["203"] == "patient"


def test_missing_folds_are_named():
    joined = join_folds([fold_run(fold) for fold in (0, 2, 3, 4)])
    assert joined.partial
    assert joined.missing == ("102", "203")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda info: info["data"].update(fingerprint="f2"), r"data\.fingerprint differs \(f2, not f1\)"),
        (lambda info: info["features"].update(centre="window"), r"features\.centre differs \(window, not frame\)"),
        (lambda info: info["split"]["options"].update(seed=7), r"split\.options\.seed differs \(7, not 0\)"),
        (lambda info: info["split"].update(kind="subject_kfold"), r"split\.kind differs"),
        (lambda info: info["window"].update(stride_frames=3), r"window\.stride_frames differs \(3, not None\)"),
        (lambda info: info["model"]["hyperparameters"].update(dropout=0.1), r"model\.hyperparameters\.dropout differs"),
    ],
)
def test_runs_that_differ_are_refused_and_the_key_is_named(change, key):
    other = fold_run(1)
    change(other.info)
    with pytest.raises(JoinError, match=key):
        join_folds([fold_run(0), other])


def test_a_seed_that_lacks_a_fold_is_left_out_and_named():
    runs = [fold_run(fold, seed=0) for fold in range(6)] + [fold_run(fold, seed=1) for fold in range(4)]
    joined = join_folds(runs)
    assert joined.seeds == (0,)
    assert joined.notes == ("seed 1 is left out: it lacks fold 4, 5",)
    assert not joined.partial


def test_of_two_runs_of_a_fold_the_last_one_counts():
    old, new = fold_run(0), fold_run(0)
    old.info["finished"], new.info["finished"] = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
    right = FoldRun("again", new.info, predictions_of([("101", 0, 0), ("101", 1, 1)]))
    joined = join_folds([right, old, fold_run(1)])
    assert joined.by_seed[0].right[:2].all()
    assert len(joined.by_seed[0]) == 2 + 12
    assert joined.notes == ("fold 0, seed 0, was run again: again is used, the last one",)


def test_a_person_tested_in_two_folds_is_refused():
    odd = fold_run(1)
    twice = FoldRun("odd", odd.info, predictions_of([("101", 0, 0)]))
    with pytest.raises(JoinError, match="subject 101 was tested in folds 0 and 1"):
        join_folds([fold_run(0), twice])


def test_the_folds_of_a_file_are_all_that_is_planned():
    first, second = fold_run(0), fold_run(1)
    for run in (first, second):
        run.info["split"]["kind"] = "folds_file"
        run.info["split"]["options"]["people"] = [["101"], ["102", "103"]]
    joined = join_folds([first, second])
    assert (joined.planned, joined.partial, joined.missing) == (2, False, ("103",))


def test_predictions_of_a_fold_keep_their_gestures():
    assert join_folds([fold_run(0)]).by_seed[0].gestures == GESTURES
