"""``benchmarks/gpu.py`` on the CPU, so that the first GPU that it meets finds no mistake of ours."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
UNMEASURED = True  # tracing would be measured too
MACHINE = {
    **{"trainer": "gpu", "name": "a GPU (9.0)", "cpu": "a CPU", "cores": 8, "torch": "2.13", "library": "CUDA 12.8"},
    **{"memory_gib": 80.0, "native_bf16": True, "largest_batch": None, "tflops": {"bf16": 600.0}, "copy_gb": 2000.0},
}


@pytest.fixture(scope="module", autouse=True)
def benchmarks():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield


class Here:
    """A worker without a process of its own: this one has imported all that is slow."""

    def __init__(self, log):
        pass

    def ask(self, task, seconds):
        from suite.gpu_worker import perform

        return perform(task)

    def end(self):
        pass


def instead_of_commands(command, **options):
    """A sweep is composed, not trained; doctor has an answer ready."""
    if "doctor" in command:
        findings = [
            {"name": "computing tiny", "verdict": "failure", "found": "WRONG", "do": "trainer.cudnn=false"},
            {"name": "folder outputs", "verdict": "warning", "found": "/home/me is full", "do": "make room"},
        ]
        return SimpleNamespace(returncode=1, stdout=json.dumps({"verdict": "failure", "findings": findings}), stderr="")
    return really_run([*command, "--dry-run"], **options)


really_run = subprocess.run


def test_all_parts_are_measured_on_a_cpu(tmp_path, monkeypatch, capsys):
    import gpu
    import torch

    out = tmp_path / "mine.md"
    monkeypatch.setattr(gpu, "Worker", Here)
    monkeypatch.setattr(subprocess, "run", instead_of_commands)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--short", "--out", str(out)])
    assert gpu.main() == 0
    measured = json.loads(out.with_suffix(".json").read_text())
    assert [result for result in measured["results"] if "error" in result] == []
    assert {result["part"] for result in measured["results"]} == set(gpu.EXPECTED_S)
    steps = [result for result in measured["results"] if result["part"] == "steps"]
    assert {(result["precision"], result["batch"]) for result in steps} >= {("bf16", 8), ("float32", 32)}
    assert all(result["windows_per_s"] > 0 and result["flops_per_window"] > 0 for result in steps)
    answers = measured["answers"]
    assert "trainer.cudnn=false" in answers[1], "what is wrong comes first"
    assert any("model=tiny" in answer and "trainer.batch_size=" in answer for answer in answers)
    text = out.read_text()
    assert text.index(answers[1]) < text.index("## Training steps")
    assert "/home/me" not in text, "the report is to be published"
    assert capsys.readouterr().out.strip() == text.strip()
    assert torch.backends.cudnn.enabled, "trainer.cudnn=false ends with its training"


def test_the_sweep_of_a_gpu_is_composed(tmp_path, monkeypatch):
    import gpu

    monkeypatch.setattr(subprocess, "run", instead_of_commands)
    assert gpu.train_at_once(4, gpu.Plan(), "gpu", tmp_path, 60)["trainings_per_minute"] > 0


def measure(tmp_path, ask, minutes=8.0, machine=MACHINE, **changes):
    """The report of a plan whose tasks are performed by a function; no time passes but what it says."""
    import gpu
    from suite.gpu_report import Report

    now = [0.0]

    def timed(task, *_):
        seconds, result = ask(task)
        now[0] += seconds
        return result

    report = Report(tmp_path / "gpu.md", machine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "perform", timed)
        patch.setattr(gpu.time, "monotonic", lambda: now[0])
        gpu.measure(report, gpu.Plan(**changes), gpu.Budget(60 * minutes, lambda: now[0]), Here(None), tmp_path)
    return report, now[0]


def rate(task):
    """Rates that grow with the batch up to 512, and are out of memory from 2048 on."""
    batch = task.get("batch", 0)
    if task["part"] in ("steps", "native"):
        if batch >= 2048:
            return 4.0, {"error": "out of memory"}
        rates = {"windows_per_s": 100.0 * min(batch, 512) - batch / 1000, "flops_per_window": 10**9}
        return 4.0, rates | {"memory_gib": 1.0, "lstm": "float16"}
    if task["part"] == "loops":
        names = ("against_bare", "against_original", "windows_per_s", "bare_windows_per_s", "original_windows_per_s")
        return 10.0, dict.fromkeys(names, 1.0)
    if task["part"] == "inference":
        return 4.0, dict.fromkeys(("p50_ms", "p99_ms", "windows_per_s"), 1.0)
    if task["part"] == "folds":
        return 20.0, {"trainings_per_minute": 5.0 * task["jobs"] ** 0.5, "wall_s": 20.0}
    return 60.0, {"verdict": "all ok"}


def test_the_smallest_batch_close_to_the_best_is_recommended_and_larger_ones_than_fit_are_not_tried(tmp_path):
    tried: list[tuple[str, str, int]] = []

    def ask(task):
        if task["part"] == "steps":
            tried.append((task["size"], task["precision"], task["batch"]))
        return rate(task)

    report, seconds = measure(tmp_path, ask)
    assert seconds <= 480
    assert any("`model=tiny` in bf16: `trainer.batch_size=512`" in answer for answer in report.answers())
    assert ("tiny", "bf16", 4096) in tried, "the coarse batches come first"
    full = measure(tmp_path, ask, coarse=(64, 2048), fine=(4096,))[0].of("steps", size="tiny", batch=4096)
    assert [result["error"] for result in full] == ["out of memory"] * 2
    assert "out of memory" in (tmp_path / "gpu.md").read_text()
    assert ("large", "bf16", 4096) in tried
    assert tried.count(("large", "bf16", 4096)) == 1, "as 2048 did not fit"


def test_what_there_was_no_time_for_is_named_and_the_most_informative_is_measured(tmp_path):
    report, seconds = measure(tmp_path, rate, minutes=2.5)
    assert seconds <= 150
    assert {"doctor", "steps"} <= {result["part"] for result in report.results}
    assert "folds jobs 8" in report.left_out
    assert "- folds jobs 8" in (tmp_path / "gpu.md").read_text()


def test_a_gpu_without_bf16_is_measured_in_float16_and_an_amd_one_within_miopens_limit(tmp_path):
    machine = MACHINE | {"native_bf16": False, "largest_batch": 2046}
    report, _ = measure(tmp_path, rate, machine=machine, minutes=60)
    steps = report.of("steps")
    assert {result["precision"] for result in steps} == {"float16", "float32"}
    assert sorted({result["batch"] for result in steps}) == [64, 128, 256, 512, 1024, 2046]
    assert any("trainer.precision=float16" in answer for answer in report.answers())


def test_memory_that_is_short_ends_a_training_with_that_answer(tmp_path):
    """A training halves its micro-batches by itself: its rate would not be the batch's."""
    import torch
    from suite.gpu_callbacks import MeasureSteps
    from suite.training_step import EnoughError

    module = SimpleNamespace(micro_batches=SimpleNamespace(size=512))
    batch = SimpleNamespace(positions=torch.zeros(1), classes=torch.zeros(1))
    with pytest.raises(EnoughError):
        MeasureSteps(str(tmp_path / "found.json"), 1.0).on_train_batch_end(None, module, None, batch, 0)
    assert json.loads((tmp_path / "found.json").read_text())["error"] == "out of memory"


def test_errors_are_told_apart():
    from suite.gpu_worker import perform

    def fail(message):
        def part(task):
            raise RuntimeError(message)

        return perform({"part": "steps"}, {"steps": part})

    assert fail("HIP out of memory. Tried to allocate 20 GiB")["error"] == "out of memory"
    assert fail("CUDA error: an illegal memory access was encountered")["broken"]
    assert not fail("shapes differ")["broken"]


def dies_or_stalls(connection, log):
    """Stands in for a process that uses a GPU."""
    log.write_text("MIOpen(HIP): Error\n")
    while True:
        task = connection.recv()
        if task == "die":
            os.abort()
        if task == "stall":
            time.sleep(1000)
        connection.send({"answer": task})


def test_a_process_that_dies_or_stalls_costs_one_measurement(tmp_path):
    from suite.gpu_worker import Worker

    worker = Worker(tmp_path / "log", dies_or_stalls)
    try:
        assert worker.ask("one", 60) == {"answer": "one"}
        died = worker.ask("die", 60)
        assert (died["error"], died["detail"]) == ("its process died (-6)", "MIOpen(HIP): Error")
        assert worker.ask("two", 60) == {"answer": "two"}
        assert worker.ask("stall", 0.2)["error"] == "no answer within 0 s"
        assert worker.ask("three", 60) == {"answer": "three"}
    finally:
        worker.end()
