"""``gesturelab cancel``: ends the jobs of a sweep that Slurm has."""

import argparse
from pathlib import Path
from typing import cast

from gesturelab.cli.status import job_folders
from gesturelab.errors import RunError
from gesturelab.runs.locking import is_locked
from gesturelab.runs.slurm import cancel_jobs, my_tasks, require_slurm
from gesturelab.runs.status import State, end_status, find_slurm_task, read_status


def run(arguments: list[str]) -> int:
    """Cancels what waits or runs.

    Returns:
        0.

    Raises:
        ConfigError: If there is no Slurm here.
        RunError: If there is no such sweep, or Slurm does not answer.
    """
    parser = argparse.ArgumentParser(
        prog="gesturelab cancel",
        description="End the jobs of a sweep that wait or run in Slurm. Checkpoints stay: the sweep's command goes on.",
    )
    parser.add_argument("sweep", type=Path, metavar="SWEEP", help="its folder, such as multirun/gestures")
    folders = job_folders(cast(Path, parser.parse_args(arguments).sweep))
    require_slurm()
    if (queue := my_tasks()) is None:
        raise RunError("Slurm does not answer; look at squeue")
    tasks = {folder: task for folder in folders if (task := find_slurm_task(read_status(folder), queue)) is not None}
    if tasks:
        cancel_jobs([task.id for task in tasks.values()])
    for folder, task in tasks.items():
        if task.state == "PENDING":  # nobody else will write it
            end_status(folder, State.stopped, "cancelled while it waited")
    waiting = sum(task.state == "PENDING" for task in tasks.values())
    print(f"cancelled {len(tasks)} of {len(folders)} jobs: {waiting} were waiting, {len(tasks) - waiting} running")
    local = [folder.name for folder in folders if folder not in tasks and is_locked(folder)]
    if local:
        print(f"not in Slurm, but running: {', '.join(local)}; end these with Ctrl-C where they were begun")
    return 0
