"""Losses that are not finite: what is said, and when it is looked at."""

import pytest
import torch

from gesturelab.preprocessing.frame_store import Batch
from gesturelab.training.nonfinite import FiniteCheck, NonFiniteError, Step
from gesturelab.training.nonfinite import explain as explain_with

NAMES = tuple("abcdefgh")
NAN, INF = float("nan"), float("inf")


def as_they_are(positions):
    """Features that are the positions."""
    return positions.flatten(2)


def explain(one, names):
    return explain_with(one, names, as_they_are)


def step(number=1, *, loss=1.0, norm=2.0, bad=(), recordings=(0, 1, 1, 2)):
    """A step of four windows, some of whose logits are not finite."""
    logits = torch.zeros(len(recordings), 3)
    logits[list(bad)] = NAN
    windows = len(recordings)
    batch = Batch(torch.zeros(windows, 2, 25, 3), torch.zeros(windows, dtype=torch.int64), torch.tensor(recordings))
    return Step(4, number, 40, 1e-3, torch.tensor(loss), torch.tensor(norm), [logits], [batch])


def test_recordings_whose_own_windows_have_no_finite_loss_are_named():
    said = explain(step(7, loss=NAN, norm=NAN, bad=(1, 2)), NAMES)
    assert said.startswith(
        "the loss is not finite in epoch 5 (step 7 of 40, loss nan, learning rate 0.001, gradient norm nan): "
        "nor that of windows of b; look at these"
    )
    assert "trainer.on_not_finite=skip" in said
    assert "\n" not in said


def test_of_many_recordings_some_are_named_and_the_rest_counted():
    many = step(loss=NAN, bad=range(7), recordings=range(8))
    assert "windows of a, b, c, d, e and 2 more; look" in explain(many, NAMES)


def test_where_every_window_is_broken_the_weights_are_to_blame_and_no_recording():
    said = explain(step(loss=NAN, bad=range(4)), NAMES)
    assert "the weights were broken before it" in said
    assert "lower optimizer.lr" in said
    assert "look at" not in said


def test_where_features_are_not_finite_their_recordings_are_to_blame_though_the_whole_batch_suffers():
    """Batch normalisation takes the mean over all windows, so that one spoils them all."""
    one = step(loss=NAN, bad=range(4))
    one.batches[0].positions[3, 1, 7, 2] = INF
    assert "features of c are not; look at these recordings" in explain(one, NAMES)


def test_a_gradient_alone_may_overflow():
    said = explain(step(norm=INF), NAMES)
    assert said.startswith("the gradient is not finite in epoch 5 (step 1 of 40, loss 1, learning rate 0.001")
    assert "the step is too long" in said


def test_a_large_finite_logit_can_have_an_infinite_loss():
    """The difference of two such logits is beyond float32."""
    one = step(loss=INF)
    one.logits[0][3] = torch.tensor([-3e38, 3e38, 0])
    assert "windows of c; look" in explain(one, NAMES)


@pytest.mark.parametrize(("every", "noticed_at"), [(1, 3), (5, 5), (2, 4)])
def test_a_look_now_and_then_still_names_the_first_bad_step(every, noticed_at):
    check = FiniteCheck(NAMES, as_they_are, every=every)
    for number in range(1, noticed_at):
        check.add(step(number, norm=NAN if number >= 3 else 1.0))
    with pytest.raises(NonFiniteError, match="step 3 of 40") as found:
        check.add(step(noticed_at, norm=NAN))
    assert (found.value.epoch, found.value.step, found.value.learning_rate) == (4, 3, 1e-3)


def test_what_nobody_has_looked_at_is_found_when_a_look_is_asked_for():
    check = FiniteCheck(NAMES, as_they_are, every=1000)
    for number in range(1, 200):
        check.add(step(number))
    check.check()
    check.add(step(1, loss=INF))
    with pytest.raises(NonFiniteError):
        check.check()
    check.check()  # it was told


def test_all_processes_stop_when_one_does():
    check = FiniteCheck(NAMES, as_they_are, every=1000, agree=lambda here: True)
    check.add(step())
    with pytest.raises(NonFiniteError, match="on another device"):
        check.check()


def test_the_process_that_found_it_tells_the_others_before_it_leaves():
    told = []
    check = FiniteCheck(NAMES, as_they_are, every=1000, agree=lambda here: told.append(here) or here)
    check.add(step())
    check.check()
    check.add(step(loss=NAN))
    with pytest.raises(NonFiniteError, match="step 1 of 40"):
        check.check()
    assert told == [False, True]


def test_float16_may_overflow_in_a_gradient():
    check = FiniteCheck(NAMES, as_they_are, of_gradient=False)
    check.add(step(norm=INF))
    with pytest.raises(NonFiniteError):
        check.add(step(loss=NAN))
