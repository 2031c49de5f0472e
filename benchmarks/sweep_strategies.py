"""How long a short leave-one-subject-out sweep of tiny takes, by strategy, as a share of one process after another.

python benchmarks/sweep_strategies.py                                   made-up people, 6 folds of 2 epochs
python benchmarks/sweep_strategies.py --data data=irds data.root=ROOT   real ones
python benchmarks/sweep_strategies.py --folds 24 --epochs 20            longer
python benchmarks/sweep_strategies.py --goal 0.8                        exit status 1 if stacking takes more than that
                                                                        of the best separate strategy
CPU seconds are of all processes together: unlike the wall time they hardly depend on who else uses the machine.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

CORES = len(os.sched_getaffinity(0))
STRATEGIES = {
    "one process after another": ("hydra/launcher=local", "hydra.launcher.n_jobs=1"),
    "one after another in the sweep's own process": (),
    f"{CORES} processes at a time, 1 thread each": (
        "hydra/launcher=local",
        f"hydra.launcher.n_jobs={CORES}",
        "hydra.launcher.threads=1",
    ),
    "stacked": ("hydra/launcher=stacked",),
    "stacked, steps together": ("hydra/launcher=stacked", "hydra.launcher.together=true"),
}
"""Option of each by its name; those that begin with "stacked" are compared with the best of the others."""


@dataclass
class Cost:
    """Seconds."""

    wall: float
    cpu: float


def sweep(strategy, options):
    """The cost of a whole sweep in a folder of its own."""
    command = [sys.executable, "-m", "gesturelab", "train", "-m", "split=loso", f"split.fold=range({options.folds})"]
    command += ["model=tiny", "trainer=cpu", f"trainer.max_epochs={options.epochs}", *options.data]
    with tempfile.TemporaryDirectory() as folder:
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*command, *STRATEGIES[strategy]], cwd=folder, capture_output=True, text=True, check=False
        )
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--data", nargs="+", default=["data.people=12"], help="which recordings")
    parser.add_argument("--only", nargs="+", type=int, help="strategies by number, from 1")
    parser.add_argument("--goal", type=float, help="fail above this ratio")
    options = parser.parse_args()
    names = [name for number, name in enumerate(STRATEGIES, 1) if not options.only or number in options.only]
    print(f"{options.folds} folds of {options.epochs} epochs, {CORES} cores, {' '.join(options.data)}")
    print("| strategy | wall s | ratio | CPU s | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    costs = {}
    for name in names:
        cost = costs[name] = sweep(name, options)
        first = costs[names[0]]
        cells = [f"{cost.wall:.0f}", f"{cost.wall / first.wall:.2f}", f"{cost.cpu:.0f}", f"{cost.cpu / first.cpu:.2f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    separate = [cost for name, cost in costs.items() if not name.startswith("stacked")]
    if separate and "stacked" in costs:
        ratio = costs["stacked"].wall / min(cost.wall for cost in separate)
        ratio_cpu = costs["stacked"].cpu / min(cost.cpu for cost in separate)
        print(f"stacked against the best separate strategy: wall {ratio:.2f}, CPU {ratio_cpu:.2f}")
        if options.goal is not None and ratio > options.goal:
            sys.exit(f"more than {options.goal}")


if __name__ == "__main__":
    main()
