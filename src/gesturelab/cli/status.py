"""``gesturelab status``: the progress of a sweep's jobs, by their own files and by Slurm."""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gesturelab.errors import RunError
from gesturelab.runs.status import State
from gesturelab.sweeps.local import Task
from gesturelab.sweeps.plan import find_jobs
from gesturelab.sweeps.progress import job_states, status_table

REFRESH_S = 2.0


def run(arguments: list[str]) -> int:
    """Prints a line a job.

    Returns:
        1 if a job failed, died or was stopped, else 0.

    Raises:
        RunError: If there is no such sweep.
    """
    parser = argparse.ArgumentParser(prog="gesturelab status", description="Show what the jobs of a sweep are doing.")
    parser.add_argument("sweep", nargs="?", type=Path, metavar="SWEEP", help="its folder; the last one in multirun/")
    parser.add_argument("--watch", action="store_true", help="refresh until all jobs have ended")
    options = parser.parse_args(arguments)
    sweep = cast(Path | None, options.sweep) or find_last_sweep(Path("multirun"))
    folders = job_folders(sweep)
    console = Console(width=None if sys.stdout.isatty() else 200)
    if options.watch and sys.stdout.isatty():
        with Live(console=console, auto_refresh=False) as live:
            while True:
                states = job_states(folders)
                live.update(_table(sweep, folders, states), refresh=True)
                if not _are_active(states):
                    break
                time.sleep(REFRESH_S)
                folders = job_folders(sweep)
    else:
        while _are_active(states := job_states(folders)) and options.watch:
            time.sleep(REFRESH_S)
        console.print(_table(sweep, folders, states))
    return int(any(state in ("died", State.failed, State.stopped) for state, _ in states))


def find_last_sweep(root: Path) -> Path:
    """The sweep that was begun last.

    Raises:
        RunError: If there is none.
    """
    begun = list(root.glob("*/multirun.yaml"))
    if not begun:
        raise RunError(f"there is no sweep in {root}/; name its folder: gesturelab status SWEEP")
    return max(begun, key=lambda path: path.stat().st_mtime).parent


def job_folders(sweep: Path) -> list[Path]:
    """The folders of a sweep's jobs, in order of name.

    Raises:
        RunError: If there is none.
    """
    folders = find_jobs(sweep, "status.json")
    if not folders:
        raise RunError(f"{sweep} is no sweep: none of its folders holds a status.json")
    return folders


def _table(sweep: Path, folders: list[Path], states: list[tuple[str, str]]) -> Table:
    counts = ", ".join(f"{count} {state}" for state, count in Counter(state for state, _ in states).items())
    tasks = [Task(folder.relative_to(sweep).as_posix(), folder) for folder in folders]
    return status_table(tasks, f"{sweep}: {len(folders)} jobs, {counts}", states)


def _are_active(states: list[tuple[str, str]]) -> bool:
    return any(state in (State.running, State.queued, "pending") for state, _ in states)
