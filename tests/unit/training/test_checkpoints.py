"""Which checkpoint a run goes on from, whatever became of its files."""

import errno
import logging
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturelab.config.training import Keep
from gesturelab.errors import RunError
from gesturelab.training.checkpoints import (
    BEST,
    LAST,
    PREVIOUS,
    SECOND,
    WITHIN,
    DamagedError,
    VerifiedCheckpoints,
    find_checkpoint,
    read_checkpoint,
    remember_best,
)

LOSSES = (0.9, 0.5, 0.7, 0.4)
"""The validation loss of each epoch: the second and the last were the best when they ended."""


def checkpoint(epochs, *, within=False):
    """After so many epochs; the weights tell how many."""
    history = [{"epoch": number, "validation_loss": LOSSES[number]} for number in range(epochs)]
    return {
        "epoch": epochs if within else epochs - 1,
        "gesturelab": {"history": history},
        "state_dict": {"weights": torch.full((1000,), epochs + 0.5 * within)},
    }


def train(folder, epochs, first=1):
    """Writes what a training writes."""
    for number in range(first, epochs + 1):
        VerifiedCheckpoints().save_checkpoint(checkpoint(number), folder / LAST)
        if min(LOSSES[:number]) == LOSSES[number - 1]:
            remember_best(folder)


def weights(path):
    return read_checkpoint(path)["state_dict"]["weights"][0].item()


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip, cut, empty])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_and_names_both(tmp_path, damage, caplog):
    train(tmp_path, 3)
    damage(tmp_path / LAST)
    with caplog.at_level(logging.WARNING):
        assert find_checkpoint(tmp_path, Keep.best, within=True) == tmp_path / LAST
    assert weights(tmp_path / LAST) == 2
    assert weights(tmp_path / BEST) == 2
    assert f"{tmp_path / LAST} is damaged" in caplog.text
    assert f"going on from {tmp_path / PREVIOUS}, after epoch 2" in caplog.text
    assert (tmp_path / "last.ckpt.damaged").exists()


def test_falling_back_takes_the_best_epoch_of_then(tmp_path):
    """The fourth epoch was the best; when it is lost, the second one is, also where it has its own file."""
    train(tmp_path, 4)
    best = (tmp_path / BEST).read_bytes()
    (tmp_path / BEST).unlink()
    (tmp_path / BEST).write_bytes(best)  # a copy, as on a file system without links: it outlives the other
    cut(tmp_path / LAST)
    find_checkpoint(tmp_path, Keep.best, within=True)
    assert weights(tmp_path / LAST) == 3
    assert weights(tmp_path / BEST) == 2
    train(tmp_path, 4, first=4)
    assert weights(tmp_path / BEST) == 4
    assert weights(tmp_path / SECOND) == 2


def test_a_kill_between_the_last_and_the_best_is_made_good(tmp_path):
    train(tmp_path, 3)
    VerifiedCheckpoints().save_checkpoint(checkpoint(4), tmp_path / LAST)
    assert weights(tmp_path / BEST) == 2
    find_checkpoint(tmp_path, Keep.best, within=True)
    assert weights(tmp_path / LAST) == 4
    assert weights(tmp_path / BEST) == 4


def test_a_damaged_best_checkpoint_falls_back_to_where_it_can_be_made_again(tmp_path, caplog):
    train(tmp_path, 3)
    (tmp_path / PREVIOUS).unlink()  # the second epoch is in best.ckpt only
    cut(tmp_path / BEST)
    assert find_checkpoint(tmp_path, Keep.best, within=True) == tmp_path / LAST
    assert weights(tmp_path / LAST) == weights(tmp_path / BEST) == 1
    assert f"{tmp_path / BEST} is damaged" in caplog.text
    assert f"going on from {tmp_path / SECOND}" in caplog.text


def test_the_best_epoch_does_not_matter_where_the_last_is_kept(tmp_path):
    train(tmp_path, 3)
    for name in (BEST, SECOND, PREVIOUS):
        (tmp_path / name).unlink()
    find_checkpoint(tmp_path, Keep.last, within=True)
    assert weights(tmp_path / LAST) == 3


def test_all_damaged_is_a_clear_error(tmp_path):
    train(tmp_path, 3)
    for path in tmp_path.iterdir():
        cut(path)
    with pytest.raises(RunError, match=r"no checkpoint is left(.|\n)*rm -r(.|\n)*last.ckpt(.|\n)*previous.ckpt"):
        find_checkpoint(tmp_path, Keep.best, within=True)


def test_a_checkpoint_within_an_epoch_is_used_until_the_epoch_is_over(tmp_path):
    train(tmp_path, 2)
    VerifiedCheckpoints().save_checkpoint(checkpoint(2, within=True), tmp_path / WITHIN)
    assert find_checkpoint(tmp_path, Keep.best, within=True) == tmp_path / WITHIN
    assert weights(tmp_path / WITHIN) == 2.5
    VerifiedCheckpoints().save_checkpoint(checkpoint(3), tmp_path / LAST)  # killed before the other was removed
    assert find_checkpoint(tmp_path, Keep.best, within=True) == tmp_path / LAST
    assert not (tmp_path / WITHIN).exists()


def test_a_training_that_cannot_go_on_within_an_epoch_begins_it_again(tmp_path):
    train(tmp_path, 2)
    VerifiedCheckpoints().save_checkpoint(checkpoint(2, within=True), tmp_path / WITHIN)
    assert find_checkpoint(tmp_path, Keep.best, within=False) == tmp_path / LAST


def test_a_checkpoint_within_the_first_epoch_is_enough_and_a_damaged_one_costs_the_epoch(tmp_path):
    VerifiedCheckpoints().save_checkpoint(checkpoint(0, within=True), tmp_path / WITHIN)
    assert find_checkpoint(tmp_path, Keep.best, within=True) == tmp_path / WITHIN
    train(tmp_path, 1)
    VerifiedCheckpoints().save_checkpoint(checkpoint(1, within=True), tmp_path / WITHIN)
    cut(tmp_path / WITHIN)
    assert find_checkpoint(tmp_path, Keep.best, within=True) == tmp_path / LAST


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    train(tmp_path, 2)
    (tmp_path / ".last.ckpt.abcd1234.ckpt").write_bytes(b"half")
    find_checkpoint(tmp_path, Keep.best, within=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, LAST, PREVIOUS, SECOND]


def test_no_checkpoint_means_to_begin(tmp_path):
    assert find_checkpoint(tmp_path / "nothing", Keep.best, within=True) is None


class Payload:
    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return self.witness.touch, ()


def test_a_checkpoint_with_code_in_it_is_refused_also_when_the_one_before_is_whole(tmp_path):
    train(tmp_path, 2)
    torch.save({**checkpoint(2), "more": Payload(tmp_path / "it-ran")}, tmp_path / LAST)
    with pytest.raises(RunError, match=r"last.ckpt is damaged or carries code"):
        find_checkpoint(tmp_path, Keep.best, within=True)
    assert not (tmp_path / "it-ran").exists()


def test_a_checkpoint_that_could_not_be_read_again_is_not_written(tmp_path):
    train(tmp_path, 1)
    with pytest.raises(RunError, match="keeps more in it than plain values"):
        VerifiedCheckpoints().save_checkpoint({**checkpoint(2), "more": random.Random()}, tmp_path / LAST)
    assert weights(tmp_path / LAST) == 1
    assert not (tmp_path / PREVIOUS).exists()


def test_without_links_files_are_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    train(tmp_path, 3)
    cut(tmp_path / LAST)
    find_checkpoint(tmp_path, Keep.best, within=True)
    assert weights(tmp_path / LAST) == weights(tmp_path / BEST) == 2


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / LAST
    VerifiedCheckpoints().save_checkpoint(checkpoint(2), path)
    return path, path.read_bytes()


def test_a_checkpoint_that_the_disk_has_lost_falls_back_too(tmp_path, monkeypatch, caplog):
    train(tmp_path, 3)
    given = Path.read_bytes

    def lost(path):
        if path.name == LAST:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return given(path)

    monkeypatch.setattr(Path, "read_bytes", lost)
    assert find_checkpoint(tmp_path, Keep.last, within=False) == tmp_path / LAST
    monkeypatch.undo()
    assert weights(tmp_path / LAST) == 2
    assert "Input/output error; going on from" in caplog.text


@settings(max_examples=60)
@given(st.data())
def test_any_damage_is_seen(written, data):
    path, content = written
    where = data.draw(st.integers(0, len(content) - 1))
    spoilt = bytearray(content)
    if data.draw(st.booleans()):
        spoilt[where] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del spoilt[where:]
    path.write_bytes(spoilt)
    try:
        found = read_checkpoint(path)
    except (DamagedError, RunError):
        return
    assert torch.equal(found["state_dict"]["weights"], torch.full((1000,), 2.0)), "what was hit holds no value"
