"""How much a sweep of many small jobs costs beside the trainings, and how fast a finished one is skipped.

python benchmarks/sweep.py            200 trainings of two epochs
python benchmarks/sweep.py --stub     200 jobs that do nothing: the launcher's own cost
python benchmarks/sweep.py --jobs 20  fewer
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gesturelab.sweeps.local import Task, Watcher, run_tasks

GESTURELAB = (sys.executable, "-m", "gesturelab")
QUICK = ("trainer=debug", "data.people=7", "data.repetitions=1", "model.hidden=16", "hydra/launcher=local")


def stub(jobs, n_jobs):
    with tempfile.TemporaryDirectory() as folder:
        tasks = [Task(str(number), Path(folder) / str(number)) for number in range(jobs)]
        began = time.perf_counter()
        run_tasks(tasks, [{}] * n_jobs, Watcher(), lambda _: ["true"])
        seconds = time.perf_counter() - began
    print(f"{jobs} jobs that do nothing, {n_jobs} at a time: {seconds:.1f} s, {1000 * seconds / jobs:.0f} ms a job")


def trainings(jobs, n_jobs):
    with tempfile.TemporaryDirectory() as folder:
        command = [*GESTURELAB, "train", "-m", *QUICK, f"hydra.launcher.n_jobs={n_jobs}", f"seed=range({jobs})"]
        for what in ("trained", "skipped"):
            began = time.perf_counter()
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - began
            said = done.stdout.strip().splitlines()[-1:]
            print(f"{jobs} jobs {what}: {seconds:.1f} s, {1000 * seconds / jobs:.0f} ms a job;", *said)
            if done.returncode:
                sys.exit(done.stdout[-2000:] + done.stderr[-2000:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--stub", action="store_true")
    options = parser.parse_args()
    (stub if options.stub else trainings)(options.jobs, options.n_jobs)


if __name__ == "__main__":
    main()
