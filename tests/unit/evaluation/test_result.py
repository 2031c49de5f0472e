import json

import numpy as np
import pytest

from gesturelab.evaluation.cross_validation import FoldRun, join_folds
from gesturelab.evaluation.result import ONE_FOLD, summarise
from predictions_builder import fold_run, predictions_of


def test_parts_add_up_to_everybody():
    result = summarise(join_folds([fold_run(fold) for fold in range(6)]))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert list(result["by_group"]) == ["healthy", "patient"]
    assert list(result["by_correctness"]) == ["correct", "incorrect"]
    assert list(result["by_posture"]) == ["chair", "stand"]
    assert list(result["by_gesture"]) == ["left", "right", "both"]
    for parts in ("by_group", "by_correctness", "by_posture", "by_gesture", "by_group_and_correctness"):
        sizes = [(part["recordings"], part["accuracy"]["value"]) for part in result[parts].values()]
        assert sum(size for size, _ in sizes) == 72
        assert sum(size * value for size, value in sizes) / 72 == pytest.approx(result["all"]["accuracy"]["value"])
    people = result["by_person"]
    assert np.mean([one["accuracy"] for one in people.values()]) == pytest.approx(
        result["all"]["person_accuracy"]["value"]
    )
    assert people["201"]["group"] == "patient"


def test_seeds_are_scored_apart_and_averaged():
    result = summarise(join_folds([fold_run(fold, seed=seed) for seed in (0, 1, 2) for fold in range(6)]))
    apart = [one["accuracy"] for one in result["seeds"]]
    assert len(set(apart)) == 3
    assert result["all"]["accuracy"]["value"] == pytest.approx(np.mean(apart))
    assert result["seed_deviation"] == pytest.approx(np.std(apart, ddof=1))
    assert result["ensemble"] is not None
    assert result["all"]["recordings"] == 72


def test_one_seed_has_no_spread_and_no_ensemble():
    result = summarise(join_folds([fold_run(fold) for fold in range(6)]))
    assert result["seed_deviation"] is None
    assert result["ensemble"] is None


def test_one_fold_has_no_interval_and_says_so():
    result = summarise(join_folds([fold_run(2)]))
    assert (result["all"]["accuracy"]["low"], result["all"]["accuracy"]["high"]) == (None, None)
    assert ONE_FOLD in result["notes"]
    assert result["partial"]


def test_a_person_with_a_single_recording():
    alone = fold_run(0)
    result = summarise(
        join_folds([FoldRun("a", alone.info, predictions_of([("101", 0, 1)])), fold_run(1), fold_run(2)])
    )
    assert result["by_person"]["101"] == {"group": "healthy", "recordings": 1, "accuracy": 0.0}
    assert result["all"]["person_accuracy"]["low"] is not None


def test_runs_without_groups_are_scored_without_them():
    bare = [fold_run(fold) for fold in range(6)]
    for run in bare:
        del run.info["data"]["groups"], run.info["data"]["postures"]
    result = summarise(join_folds(bare))
    assert result["by_group"] == result["by_posture"] == {}
    assert result["by_person"]["101"]["group"] is None


def test_temperatures_change_the_calibration_error_and_nothing_else():
    runs = [fold_run(fold) for fold in range(6)]
    plain = summarise(join_folds(runs))
    for run in runs:
        run.info["temperature"] = 2.5
    scaled = summarise(join_folds(runs))
    assert plain["calibrated_error"] is None
    assert scaled["calibrated_error"]["value"] != pytest.approx(plain["all"]["calibration_error"]["value"])
    assert scaled["all"] == plain["all"]
    assert sum(one["recordings"] for one in scaled["reliability"]) == 72
    assert [one["coverage"] for one in scaled["answered"]] == [1.0, 0.9, 0.8]
