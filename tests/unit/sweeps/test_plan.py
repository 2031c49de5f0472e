"""Which folder a job gets, and what is to be done about it."""

import pytest
from run_builder import begin, composed, finish

from gesturelab.errors import ConfigError, RunError
from gesturelab.runs.lifecycle import report_status
from gesturelab.runs.status import State, end_status, mark_queued
from gesturelab.sweeps.plan import Action, OnChange, plan


def plan_one(job, on_change=OnChange.refuse):
    (planned,) = plan([job], on_change)
    return planned


def test_a_new_job_starts_in_the_folder_of_its_name(tmp_path):
    planned = plan_one(composed(tmp_path))
    assert (planned.action, planned.folder) == (Action.start, tmp_path / "seed=1")


def test_a_finished_run_is_skipped_and_one_that_lost_a_file_goes_on(tmp_path):
    run = finish(composed(tmp_path))
    assert plan_one(composed(tmp_path)).action is Action.skip
    run.predictions.unlink()
    assert plan_one(composed(tmp_path)).action is Action.resume


def test_a_run_with_a_checkpoint_goes_on_even_after_it_failed(tmp_path):
    run = begin(composed(tmp_path))
    end_status(run.path, State.failed, "out of memory")
    assert plan_one(composed(tmp_path)).action is Action.resume


def test_a_run_that_failed_at_once_runs_again_also_with_another_configuration(tmp_path):
    run = begin(composed(tmp_path), epochs=0)
    end_status(run.path, State.failed, "no such folder")
    assert plan_one(composed(tmp_path)).action is Action.again
    changed = plan_one(composed(tmp_path, text="seed: 2\n"))
    assert (changed.action, changed.folder) == (Action.again, run.path)


def test_a_job_that_only_waited_starts(tmp_path):
    mark_queued(tmp_path / "seed=1")
    assert plan_one(composed(tmp_path)).action is Action.start


def test_a_run_that_another_process_works_on_is_left_alone(tmp_path):
    run = begin(composed(tmp_path))
    with report_status(run.path, 3):
        assert plan_one(composed(tmp_path)).action is Action.busy
    assert plan_one(composed(tmp_path)).action is Action.resume


def test_a_changed_configuration_is_refused_with_the_difference_and_nothing_is_touched(tmp_path):
    finish(composed(tmp_path, text="model:\n  hidden: 8\nseed: 1\nold: 3\n"))
    before = sorted(tmp_path.rglob("*"))
    changed = composed(tmp_path, text="model:\n  hidden: 16\nseed: 1\nnew: null\n")
    with pytest.raises(RunError) as refused:
        plan([changed, composed(tmp_path, "seed=2", "seed: 2\n")], OnChange.refuse)
    message = str(refused.value)
    assert "seed=1" in message
    assert "model.hidden: 8 -> 16" in message
    assert "old: 3 -> (not there)" in message
    assert "new: (not there) -> null" in message
    assert "hydra.sweeper.on_change=beside" in message
    assert sorted(tmp_path.rglob("*")) == before


def test_beside_keeps_both_and_is_found_again(tmp_path):
    finish(composed(tmp_path, text="lr: 1\n"))
    second = plan_one(composed(tmp_path, text="lr: 2\n"), OnChange.beside)
    assert (second.action, second.folder.name) == (Action.start, "seed=1-2")
    finish(composed(tmp_path, "seed=1-2", "lr: 2\n"))
    assert plan_one(composed(tmp_path, text="lr: 2\n")).action is Action.skip  # no option needed
    assert plan_one(composed(tmp_path, text="lr: 3\n"), OnChange.beside).folder.name == "seed=1-3"
    assert plan_one(composed(tmp_path, text="lr: 1\n")).action is Action.skip


def test_a_run_is_known_by_its_configuration_whatever_its_folder_is_called(tmp_path):
    finish(composed(tmp_path, "seed=1", "model: tiny\nseed: 1\n"))
    planned = plan_one(composed(tmp_path, "model=tiny,seed=1", "model: tiny\nseed: 1\n"))
    assert (planned.action, planned.folder.name) == (Action.skip, "seed=1")


def test_another_way_to_write_the_same_configuration_is_no_change(tmp_path):
    finish(composed(tmp_path, text="{seed: 1, model: {layers: 2}}"))
    assert plan_one(composed(tmp_path, text="model:\n  layers: 2\nseed: 1\n")).action is Action.skip


def test_equal_jobs_become_one(tmp_path):
    assert len(plan([composed(tmp_path), composed(tmp_path)], OnChange.refuse)) == 1


def test_two_different_jobs_for_one_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="want the same folder"):
        plan([composed(tmp_path, "0", "seed: 1"), composed(tmp_path, "0", "seed: 2")], OnChange.refuse)


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "seed=1").write_text("mine")
    with pytest.raises(RunError, match=r"seed=1"):
        plan_one(composed(tmp_path))
