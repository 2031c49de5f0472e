"""Waits for jobs in Slurm; and what Slurm says of them, joined with their own status files."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gesturelab.runs.signals import defer_signals, sleep
from gesturelab.runs.slurm import SlurmTask, ended_tasks, find_task, my_tasks
from gesturelab.runs.status import OVER, State, Status, read_status, settle_status
from gesturelab.sweeps.local import Task, Watcher
from gesturelab.sweeps.slurm.submission import job_id

log = logging.getLogger("gesturelab.sweeps")

LOOKS = 3
"""So often in a row Slurm must not have a job before it is taken for ended: files and accounting need a moment."""
ENDINGS = {
    "TIMEOUT": "met its time limit",
    "DEADLINE": "met its deadline",
    "OUT_OF_MEMORY": "ran out of memory",
    "NODE_FAIL": "its node was lost",
    "BOOT_FAIL": "its node did not start",
    "PREEMPTED": "was preempted",
}


@defer_signals()
def wait(tasks: Sequence[Task], poll_s: float, watcher: Watcher) -> None:
    """Returns when Slurm has none of the jobs any more; ended ones that could not say how get it said for them.

    Args:
        tasks: Folders of jobs that were submitted.
        poll_s: Time between looks.
        watcher: Is told what happens.

    Raises:
        KeyboardInterrupt: If a signal asks to leave; the jobs go on.
    """
    waiting = list(tasks)
    begun: list[Task] = []
    missing: Counter[Task] = Counter()
    silent = False
    while waiting:
        queue = my_tasks()
        if (queue is None) != silent:
            silent = not silent
            log.info("Slurm does not answer; still waiting" if silent else "Slurm answers again")
        for task in list(waiting):
            status = read_status(task.folder) or Status()
            state = status.get("state")
            here = queue is None or in_queue(status, queue) is not None
            missing[task] = 0 if here else missing[task] + 1
            if task not in begun and state != State.queued:
                begun.append(task)
                watcher.began(task)
            if state == State.done or (state in OVER and not here) or missing[task] >= LOOKS:
                settle(task.folder)
                waiting.remove(task)
                begun = [other for other in begun if other != task]
                watcher.ended(task)
        watcher.tick(begun)
        if waiting:
            sleep(poll_s)


def settle(folder: Path) -> None:
    """Completes the status file of a job that was killed before it could write how it ended."""
    settle_status(folder, lambda: ending(folder, read_status(folder) or Status()))


def ending(folder: Path, status: Status) -> tuple[State, str]:
    """How a job ended that Slurm no longer has, and that did not say so itself."""
    task = job_id(folder, status)
    found = ended_tasks([task]).get(task) if task is not None else None
    return (State.failed, "Slurm no longer has it, and does not say why") if found is None else in_words(found)


def in_words(task: SlurmTask) -> tuple[State, str]:
    """How an ended job ended; `SlurmTask.reason` is its exit code.

    >>> in_words(SlurmTask("7_1", "s", "FAILED", "node2", "9:0"))[1]
    'Slurm job 7_1 was killed by SIGKILL on node2 (memory, or a person)'
    >>> in_words(SlurmTask("7", "s", "TIMEOUT", "node2", "0:15"))[1]
    'Slurm job 7 met its time limit on node2'
    """
    where = f" on {task.node}" if task.node not in ("", "None assigned", "(null)") else ""
    word = task.state.split()[0]
    code, _, number = task.reason.partition(":")
    if word == "CANCELLED":
        return State.stopped, f"Slurm job {task.id} was cancelled"
    if word in ENDINGS:
        return State.failed, f"Slurm job {task.id} {ENDINGS[word]}{where}"
    if number == "9" or code in ("9", "137"):  # srun passes a task's signal on in either way
        return State.failed, f"Slurm job {task.id} was killed by SIGKILL{where} (memory, or a person)"
    return State.failed, f"Slurm job {task.id} ended as {word}, exit code {task.reason}{where}, and did not say why"


def in_queue(status: Status, queue: Sequence[SlurmTask]) -> SlurmTask | None:
    """What Slurm says of a job that it still has."""
    return find_task(queue, None, status.get("slurm_name"), status.get("slurm_index"))
