"""What one GPU (NVIDIA or AMD) does with gesturelab, in at most eight minutes: Markdown and JSON.

    python benchmarks/gpu.py                              on the GPU, eight minutes
    python benchmarks/gpu.py --minutes 3 --out mine.md    the most informative first, as far as the time reaches
    python benchmarks/gpu.py --device cpu --short         the whole path on a CPU, in less than a minute

Measures training steps of six sizes by batch and precision, Lightning against a bare loop and the original's way,
inference, several trainings at once on the GPU, and what `gesturelab doctor` says. Recordings are made up. The
files are written anew after each measurement. Exit status 1 when nothing could be measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from suite.gpu_report import Report, half_precision, name_of
from suite.gpu_worker import Result, Task, Worker
from suite.settings import SIZES
from suite.sweeps import sweep

EXPECTED_S = {"doctor": 60.0, "steps": 5.0, "native": 5.0, "loops": 12.0, "inference": 5.0, "folds": 25.0}
"""What a measurement takes, before one of its kind was made."""
PATIENCE_S = 200.0
"""How long the first measurement of a process may take: AMD's libraries compile for minutes."""
ABOUT_GPUS = ("torch", "driver", "visible", "devices", "MIOpen", "computing", "not computed", "largest")
"""What the names of doctor's findings about GPUs begin with."""
COARSE = (64, 512, 4096)
FINE = (128, 256, 1024, 2048)


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        sizes: Whose steps.
        coarse: Batches that are measured first.
        fine: Batches that are measured last.
        seconds: Of a training's steps, and of batches without gradients.
        count: How often one window is computed.
        some_sizes: Whose loops are compared, and whose inference is measured.
        turns: Steps in a turn, and turns.
        jobs: Trainings at once.
        epochs: Of each of these.
        source: Overrides that make recordings up, many windows for steps.
        folds_source: Overrides for the trainings at once.
        width: Of the matrices whose product is the device's limit.
        doctor: Arguments of `gesturelab doctor`.
    """

    sizes: tuple[str, ...] = SIZES
    coarse: tuple[int, ...] = COARSE
    fine: tuple[int, ...] = FINE
    seconds: float = 1.2
    count: int = 200
    some_sizes: tuple[str, ...] = ("tiny", "medium", "xxlarge")
    turns: tuple[int, int] = (10, 12)
    jobs: tuple[int, ...] = (1, 2, 4, 8)
    epochs: int = 8
    source: tuple[str, ...] = (
        *("data=synthetic", "data.people=24", "data.repetitions=8"),
        *("window.rate_hz=30", "window.stride_frames=1"),
    )
    folds_source: tuple[str, ...] = ("data=synthetic", "data.people=12", "data.repetitions=4", "window.rate_hz=30")
    width: int = 8192
    doctor: tuple[str, ...] = ("--seconds", "45")


TINY = ("window.length_frames=4", "model.hidden=8")
SHORT = Plan(
    sizes=("tiny",),
    coarse=(8, 32),
    fine=(),
    seconds=0.2,
    count=20,
    some_sizes=("tiny",),
    turns=(1, 2),
    jobs=(2,),
    epochs=1,
    source=("data=synthetic", "data.people=5", "data.repetitions=2", "window.rate_hz=30", *TINY),
    folds_source=("data=synthetic", "data.people=5", "data.repetitions=1", "trainer.batches_per_epoch=2", *TINY),
    width=128,
    doctor=("--seconds", "1", "trainer.batch_size=4", *TINY),
)


@dataclass
class Budget:
    """The time that is left.

    Attributes:
        seconds: In all.
        clock: Seconds, from anywhere.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _took: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def left(self) -> float:
        """Seconds."""
        return self.seconds - (self.clock() - self._began)

    def allows(self, part: str) -> bool:
        """Whether there is time for another measurement of a part."""
        return self._took.get(part, EXPECTED_S[part]) <= self.left

    def note(self, part: str, seconds: float) -> None:
        """Remembers how long a measurement took; a first one may have taken long for reasons that do not return."""
        self._took[part] = min(seconds, 2 * EXPECTED_S[part])


def ask_doctor(trainer: str, arguments: tuple[str, ...], seconds: float) -> Result:
    """What `gesturelab doctor` says of the device."""
    command = [sys.executable, "-m", "gesturelab", "doctor", f"trainer={trainer}", "--json", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return {"error": (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}")[-300:]}
    findings = [each for each in found["findings"] if each["name"].startswith(ABOUT_GPUS)]
    texts = {each["name"]: f"{each['verdict']}: {each['name']}: {each['found']}" for each in findings}
    bad = [f"{texts[each['name']]} -> {each['do']}" for each in findings if each["verdict"] != "ok"]
    return {"verdict": f"{len(bad)} of {len(findings)} findings about the GPU are not ok", "bad": bad} | {
        "lines": list(texts.values())
    }


def train_at_once(jobs: int, plan: Plan, trainer: str, scratch: Path, seconds: float) -> Result:
    """So many folds at once, each in a process of its own, on one GPU."""
    options = ["hydra/launcher=local", f"hydra.launcher.n_jobs={jobs}"]
    if trainer != "cpu":
        options += [f"hydra.launcher.jobs_per_gpu={jobs}", "hydra.launcher.gpus=[0]"]
    source = [*plan.folds_source, f"data.cache_dir={scratch / 'cache'}"]
    cost = sweep(tuple(options), source, jobs, plan.epochs, trainer, seconds)
    return {"trainings_per_minute": 60 * jobs / cost.wall, "wall_s": round(cost.wall, 1)}


def tasks(plan: Plan, machine: Result, scratch: Path) -> Iterator[Task]:
    """All that is to be measured, the most informative first."""
    half = half_precision(machine)
    common = {
        "trainer": machine["trainer"],
        "scratch": str(scratch),
        "source": [*plan.source, f"data.cache_dir={scratch / 'cache'}"],
    }
    most = machine["largest_batch"] or max(plan.coarse + plan.fine, default=0)
    coarse, fine = (tuple(dict.fromkeys(min(batch, most) for batch in each)) for each in (plan.coarse, plan.fine))

    def steps(precision: str, batches: tuple[int, ...]) -> Iterator[Task]:
        for batch in batches:
            for size in plan.sizes:
                task = {"part": "steps", "size": size, "batch": batch, "precision": precision}
                yield common | task | {"options": {"seconds": plan.seconds}}

    yield {"part": "doctor"}
    yield from steps(half, coarse)
    for size in plan.some_sizes:
        task = {"part": "loops", "size": size, "batch": coarse[0], "precision": half if half == "bf16" else "float32"}
        yield common | task | {"options": {"steps": plan.turns[0], "turns": plan.turns[1], "seconds": 8.0}}
    for size in plan.some_sizes:
        for precision in (half, "float32"):
            task = {"part": "inference", "size": size, "batch": coarse[1], "precision": precision}
            yield common | task | {"count": plan.count, "seconds": plan.seconds}
    for size in plan.some_sizes:
        task = {"part": "native", "size": size, "batch": coarse[1], "precision": half}
        yield common | task | {"options": {"seconds": plan.seconds}}
    yield from steps("float32", coarse)
    yield from ({"part": "folds", "jobs": jobs} for jobs in plan.jobs)
    for precision in (half, "float32"):
        yield from steps(precision, tuple(batch for batch in fine if batch not in coarse))


def measure(report: Report, plan: Plan, budget: Budget, worker: Worker, scratch: Path) -> None:
    """Performs what there is time for."""
    too_large: dict[tuple[str, str], int] = {}
    for task in tasks(plan, report.machine, scratch):
        part, of = task["part"], (task.get("size", ""), task.get("precision", ""))
        if part == "steps" and task["batch"] > too_large.get(of, task["batch"]):
            report.add(task, {"error": "out of memory", "detail": f"as with a batch of {too_large[of]}"})
        elif not budget.allows(part):
            report.left_out.append(name_of(task))
        else:
            began = time.monotonic()
            result = perform(task, plan, report.machine["trainer"], worker, scratch, min(budget.left, PATIENCE_S))
            budget.note(part, time.monotonic() - began)
            if part == "steps" and result.get("error") == "out of memory":
                too_large[of] = min(task["batch"], too_large.get(of, task["batch"]))
            report.add(task, result)
    report.write()


def perform(task: Task, plan: Plan, trainer: str, worker: Worker, scratch: Path, seconds: float) -> Result:
    """A task's result; an ``error`` where it fails, or takes longer than so many seconds."""
    try:
        if task["part"] == "doctor":
            return ask_doctor(trainer, plan.doctor, seconds)
        if task["part"] == "folds":
            worker.end()  # the GPU is for the trainings alone
            return train_at_once(task["jobs"], plan, trainer, scratch, seconds)
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {seconds:.0f} s"}
    except RuntimeError as error:
        return {"error": next(reversed(str(error).strip().splitlines()), "failed")[:300]}
    return worker.ask(task, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--short", action="store_true", help="a little of each part, to see that all of them run")
    parser.add_argument("--minutes", type=float, default=8.0, help="stop measuring after so long (8)")
    parser.add_argument("--out", type=Path, default=Path("gpu.md"), help="the Markdown file; the JSON lies beside it")
    options = parser.parse_args()
    if options.out.suffix == ".json":
        parser.error("--out names the Markdown file; the JSON file lies beside it")
    plan, budget = SHORT if options.short else Plan(), Budget(60 * options.minutes)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        worker = Worker(scratch / "worker.log")
        try:
            width = plan.width if options.device == "gpu" else SHORT.width
            machine = worker.ask(
                {"part": "machine", "trainer": options.device, "width": width}, min(budget.left, PATIENCE_S)
            )
            if "error" in machine:
                print(f"nothing can be measured: {machine['error']} (here: --device cpu --short)", file=sys.stderr)
                return 1
            report = Report(options.out, machine)
            print(f"{machine['name']}, {machine['library']}, torch {machine['torch']}", file=sys.stderr, flush=True)
            measure(report, plan, budget, worker, scratch)
        finally:
            worker.end()
    print(report.render())
    print(f"{options.out} and {options.out.with_suffix('.json')} are written", file=sys.stderr)
    return 0 if any("error" not in result for result in report.results) else 1


if __name__ == "__main__":
    sys.exit(main())
