"""``gesturelab reproduce``: a table is measured, measured again elsewhere, and with another seed."""

import re
from importlib.metadata import version

import pytest
from command import gesturelab

TABLE = """\
title: a table of mine
sweep: [model=minirocket, data.people=7, data.repetitions=1, split.test_fraction=0.5, trainer=cpu, trainer.threads=1,
  logger=none, seed=0]
tolerance: 0.5
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with a table's run and, in ``mine.yaml``, its numbers."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "table.yaml").write_text(TABLE)
    done = gesturelab("reproduce", "table.yaml", "--write", "mine.yaml", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the table has no numbers to compare with" in done.stdout
    return folder


def rows(output):
    """Published, measured, difference and tolerated of each printed cell, in per cent."""
    return [
        [float(text) for text in re.findall(r"[-+]?\d+\.\d+", line)] for line in output.splitlines() if " all " in line
    ]


def test_the_same_experiment_has_the_same_numbers_to_the_digit(measured, tmp_path):
    again = gesturelab("reproduce", str(measured / "mine.yaml"), folder=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    ((published, got, difference, tolerated),) = rows(again.stdout)
    assert published == got > 30  # of nine gestures, a chance of 11
    assert difference == tolerated == 0
    assert "SYNTHETIC" in again.stdout


def test_another_seed_is_another_experiment(measured):
    other = gesturelab("reproduce", "mine.yaml", "seed=1", folder=measured)
    assert other.returncode == 1, other.stdout + other.stderr
    assert "another experiment than the published one: seed=1" in other.stdout
    ((published, got, difference, tolerated),) = rows(other.stdout)
    assert abs(difference - (got - published)) < 0.011
    assert abs(difference) > tolerated == 0


def test_the_versions_in_a_run_are_a_pip_command(measured):
    (run,) = (measured / "multirun" / "reproduce").glob("table-????????")
    shown = gesturelab("reproduce", str(run), "--environment", folder=measured)
    assert shown.returncode == 0, shown.stderr
    pinned = dict(re.findall(r" ([\w.-]+)==([\w.]+)", shown.stdout))
    for package in ("numpy", "scipy", "filelock", "submitit", "cloudpickle", "sympy"):  # the last two: what others need
        assert pinned[package] == version(package)
    assert "pytest" not in pinned


def test_a_table_that_is_not_there_is_one_sentence(tmp_path):
    wrong = gesturelab("reproduce", "best", folder=tmp_path)
    assert wrong.returncode == 1
    assert "there is no such table or file; tables are" in wrong.stderr
