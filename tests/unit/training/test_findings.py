"""Findings after a training, from histories made by hand."""

import re
from pathlib import Path

import pytest

from gesturelab.config.training import Keep
from gesturelab.training.findings import RULES, find

MANUAL = (Path(__file__).parents[3] / "docs" / "guide" / "robustness.md").read_text(encoding="utf-8")
CLASSES = ("left", "right", "both")
RIGHT = [[5, 0, 0], [0, 5, 0], [0, 0, 5]]


def history(train, validation):
    return [
        {
            "epoch": epoch,
            "train_loss": ours,
            "train_accuracy": 0.5,
            "validation_loss": theirs,
            "validation_accuracy": 0.5,
            "learning_rate": 1e-3,
        }
        for epoch, (ours, theirs) in enumerate(zip(train, validation, strict=True))
    ]


def metrics(train=0.9, validation=0.88, test=0.87, key="accuracy"):
    def side(value):
        level = {"loss": 0.5, "accuracy": 0.5, "balanced_accuracy": 0.5, "macro_f1": 0.5, "count": 9, key: value}
        return {"window": level, "recording": level}

    return {"train": side(train), "validation": side(validation), "test": side(test)}


GOOD = ([1.0, 0.6, 0.4, 0.3, 0.25, 0.25], [1.0, 0.7, 0.5, 0.45, 0.46, 0.47])


def found(train=GOOD[0], validation=GOOD[1], *, max_epochs=6, keep=Keep.best, scores=None, matrix=RIGHT, **more):
    target = more.pop("target", "gesture")
    info = {
        "gestures": list(CLASSES),
        "data": {"options": {"target": target}},
        "training": {"history": history(train, validation), "max_epochs": max_epochs, "keep": str(keep), **more},
        "metrics": scores or metrics(),
    }
    return {finding["name"]: f"{finding['text']} {finding['advice']}" for finding in find(info, matrix)}


def test_a_good_training_has_none():
    assert found() == {}


def test_a_loss_that_stays_where_it_was():
    said = found([1.10, 1.09, 1.06, 1.05], [1.1, 1.05, 1.1, 1.1])
    assert list(said) == ["loss-never-fell"]
    assert "was 1.100 in the first epoch, and 1.050 at its lowest" in said["loss-never-fell"]
    assert "optimizer.lr" in said["loss-never-fell"]


@pytest.mark.parametrize(
    ("train", "why"),
    [
        ([1.10, 1.09, 1.04, 1.10], "5.5 % lower once"),
        ([0.54, 0.54, 0.54, 0.54], "below half of ln(3) = 1.099: most was learned in the first epoch"),
        ([1.10, 1.10], "two epochs say nothing"),
    ],
)
def test_a_loss_that_did_fall_or_need_not(train, why):
    assert "loss-never-fell" not in found(train, [1.0, 0.9, 1.0, 1.0][: len(train)]), why


def test_a_class_that_is_never_said():
    said = found(matrix=[[5, 0, 0], [3, 0, 2], [0, 0, 5]])
    assert list(said) == ["class-never-predicted"]
    assert said["class-never-predicted"].startswith("right: never predicted for validation people")


def test_a_class_that_validation_people_did_not_perform_need_not_be_said():
    assert found(matrix=[[5, 0, 0], [0, 0, 0], [0, 0, 5]]) == {}


@pytest.mark.parametrize(
    ("validation", "test", "sides"),
    [(0.79, 0.80, None), (0.78, 0.80, "validation"), (0.85, 0.5, "test"), (0.7, 0.7, "both")],
)
def test_training_people_recognised_far_better_than_others(validation, test, sides):
    """A gap of 20 points is moderate, as in the verdict of compare; severe is above."""
    said = found(scores=metrics(0.99, validation, test)).get("overfits", "")
    assert ("validation people" in said, "test people" in said) == (
        sides in ("validation", "both"),
        sides in ("test", "both"),
    )


def test_of_correctness_balanced_accuracy_counts_where_there_is_one():
    assert "overfits" in found(scores=metrics(0.9, 0.6, 0.8, key="balanced_accuracy"), target="correctness")
    assert "overfits" not in found(scores=metrics(0.9, None, None, key="balanced_accuracy"), target="correctness")


def test_a_training_that_was_cut_short():
    falling = [1.0, 0.8, 0.7, 0.6, 0.5, 0.4]
    said = found(validation=falling)
    assert list(said) == ["not-finished"]
    assert "from 0.500 to 0.400" in said["not-finished"]
    assert "trainer.max_epochs=12" in said["not-finished"]
    assert found(validation=falling, max_epochs=7) == {}, "it stopped early, so it was finished"
    assert found(validation=[1.0, 0.8, 0.7, 0.6, 0.5, 0.48]) == {}, "4 % is the end of a curve"


def test_the_last_tenth_of_many_epochs_is_judged_together():
    noisy = [2.0] * 16 + [1.0, 0.9, 0.8, 0.9]  # 20 epochs: mean of the last two 0.85, of the two before 0.95
    assert "not-finished" in found([1 / (1 + epoch) for epoch in range(20)], noisy, max_epochs=20)


def test_the_first_epoch_was_best():
    rising = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert "its weights were kept" in found(validation=rising)["best-epoch-first"]
    assert "all the same" in found(validation=rising, keep=Keep.last)["best-epoch-first"]
    assert found(GOOD[0][:2], rising[:2]) == {}


def test_steps_left_out_and_restarts_are_told():
    said = found(
        skipped=[{"epoch": 1, "steps": 2}, {"epoch": 3, "steps": 1}],
        restarts=[{"epoch": 2, "step": 7, "learning_rate": 0.1, "reason": "the loss ..."}] * 2,
    )
    assert said["steps-left-out"].startswith("3 steps of 2 epochs")
    assert "epoch 3, 3 and went back; it ended with 1/4" in said["restarted"]


def test_the_manual_explains_every_finding():
    assert set(RULES) <= set(re.findall(r"^\| `([a-z-]+)` \| \w", MANUAL, re.MULTILINE))
