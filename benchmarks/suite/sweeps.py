"""Item 6: a leave-one-subject-out sweep of tiny by strategy, as shares of the first one.

CPU seconds are of all processes of a sweep together: unlike the time on the wall they hardly depend on who else uses
the machine. The best strategy of separate processes is what shared processes are judged against.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from suite.row import Row
from suite.settings import Form, Settings

CORES = len(os.sched_getaffinity(0))
AT_ONCE = f"{CORES} processes at a time, 1 thread each"
SEPARATE = {
    "one process after another": ("hydra/launcher=local", "hydra.launcher.n_jobs=1"),
    "one after another in the sweep's own process": (),
    AT_ONCE: (
        "hydra/launcher=local",
        f"hydra.launcher.n_jobs={CORES}",
        "hydra.launcher.threads=1",
    ),
}
SHARED = {"shared processes": ("hydra/launcher=shared_process",)}
GOAL = 0.8


@dataclass(frozen=True)
class Cost:
    """Seconds of a whole sweep: on the wall, and of the processors."""

    wall: float
    cpu: float


def sweep(
    options: tuple[str, ...],
    source: list[str],
    folds: int,
    epochs: int,
    trainer: str = "cpu",
    timeout: float | None = None,
) -> Cost:
    """The cost of a whole sweep in a folder of its own.

    Raises:
        RuntimeError: If the sweep fails.
        TimeoutExpired: If it takes longer than ``timeout`` seconds.
    """
    command = [sys.executable, "-m", "gesturelab", "train", "-m", "split=loso", f"split.fold=range({folds})"]
    command += ["model=tiny", f"trainer={trainer}", f"trainer.max_epochs={epochs}", *source, *options]
    with tempfile.TemporaryDirectory() as folder:
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=timeout)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def rows(settings: Settings) -> list[Row]:
    """A row for each strategy; in the short form, which has no time for sweeps, none."""
    if settings.form is Form.short:
        return []
    full = settings.form is Form.full
    folds, epochs = (24 if settings.root else 12, 5) if full else (6, 2)
    every = SEPARATE | SHARED
    wanted = every if full else {name: every[name] for name in (AT_ONCE, *SHARED)}
    return compare(wanted, settings.source, folds, epochs)


def compare(wanted: dict[str, tuple[str, ...]], source: list[str], folds: int, epochs: int) -> list[Row]:
    """Sweeps by each strategy, as shares of the first one's CPU seconds; shared ones of the best separate one's."""
    costs: dict[str, Cost] = {}
    found: list[Row] = []
    for name, options in wanted.items():
        cost = costs[name] = sweep(options, source, folds, epochs)
        first = next(iter(costs.values()))
        note = f"{cost.cpu:.0f} s of the processors, {cost.wall:.0f} s on the wall"
        found.append(Row("sweeps", f"{folds} folds of {epochs} epochs: {name}", cost.cpu / first.cpu, note=note))
    apart = [cost for name, cost in costs.items() if name in SEPARATE]
    for name, cost in costs.items():
        if name in SHARED and apart:
            of_cpu, of_wall = (cost.cpu / min(one.cpu for one in apart)), (cost.wall / min(one.wall for one in apart))
            what = f"{folds} folds of {epochs} epochs: {name} against the best of separate processes"
            found.append(Row("sweeps", what, of_cpu, GOAL, note=f"on the wall {of_wall:.2f}"))
    return found
