"""What no change may make slow: ratios with margins for a noisy machine, and counts of modules beside libraries'."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
UNMEASURED = True  # tracing would be measured too


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        from suite.settings import Form, Settings

        yield Settings(None, Form.short, tmp_path_factory.mktemp("speed"))


def test_lightning_is_nearly_as_fast_as_a_bare_loop(settings):
    from suite.training_step import LOOP_BOUND, measure

    config = settings.config("model=tiny", "trainer.max_epochs=1000", "callbacks=none")
    turn, _ = measure(settings, config, steps=2, turns=4, seconds=30.0, original=False)
    assert turn.faster_than("bare") >= LOOP_BOUND, (turn.lightning, turn.other["bare"])


def test_data_are_prepared_faster_than_the_original_did(settings):
    from suite import data

    found = {row.what: row for row in data.rows(settings, turns=1)}
    late = [row.what for row in found.values() if row.within is False]
    assert not late, found
    assert found["cold start against the original's way"].within, "there is such a row, and it has a bound"


def test_a_configuration_is_composed_without_anything_heavy(settings):
    from suite.startup import CFG_MODULES, count_cfg_modules

    count, heavy = count_cfg_modules()
    assert not heavy
    assert count <= CFG_MODULES


def test_a_training_imports_nothing_that_it_does_not_need(settings):
    from suite.startup import FIRST_STEP_MODULES, count_first_step_modules

    count, unneeded = count_first_step_modules(settings)
    assert not unneeded
    assert count <= FIRST_STEP_MODULES


def test_scipy_signal_is_the_real_one_afterwards():
    from gesturelab.training.device import import_torchmetrics

    import_torchmetrics()
    import scipy.signal

    assert scipy.signal.windows.hamming(3).tolist() == pytest.approx([0.08, 1, 0.08])
    assert "torchmetrics" in sys.modules


def test_a_missed_goal_is_told_and_counted(capsys, monkeypatch, settings):
    import bench
    from suite.machine import Machine
    from suite.row import Row

    monkeypatch.setattr(bench.machine, "measure", lambda: Machine("a test", 1, 1.0, 1.0, 1.0))
    monkeypatch.setattr(bench, "ITEMS", {"step": lambda *_: [Row("step", "slow", 0.5, 0.9, 0.4, higher=True)]})
    monkeypatch.setattr(sys, "argv", ["bench.py", "--short"])
    assert bench.main() == 1
    assert "| step | slow | >= 0.9 | 0.5 | **missed** |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["bench.py", "--short", "--bounds"])
    assert bench.main() == 0
