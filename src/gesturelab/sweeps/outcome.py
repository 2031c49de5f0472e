"""What became of a sweep's jobs, read from their own files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gesturelab.runs.status import State, is_alive, read_status
from gesturelab.sweeps.plan import Action, Job

MOST_ROWS = 30


class JobResult(StrEnum):
    """How a job ended."""

    done = "done"
    resumed = "resumed"
    skipped = "skipped"
    running = "running"
    queued = "queued"
    stopped = "stopped"
    failed = "failed"
    not_begun = "not begun"

    @property
    def good(self) -> bool:
        """Whether the job's run is finished."""
        return self in (JobResult.done, JobResult.resumed, JobResult.skipped)


@dataclass(frozen=True)
class Outcome:
    """How a job ended, why if not well, and where to read on."""

    name: str
    result: JobResult
    reason: str = ""
    log: Path | None = None


def outcome_of(job: Job) -> Outcome:
    """How a job ended: finished is only what left all its files."""
    if job.action is Action.skip:
        return Outcome(job.name, JobResult.skipped)
    if job.run.complete:
        return Outcome(job.name, JobResult.resumed if job.action is Action.resume else JobResult.done)
    status = read_status(job.folder)
    state, reason = status.get("state"), status.get("reason", "")
    log = job.run.log if job.run.log.exists() else None
    if is_alive(job.folder, status):
        if state == State.queued:
            return Outcome(job.name, JobResult.queued, reason or f"in Slurm as {status.get('slurm_name')}")
        return Outcome(job.name, JobResult.running, f"process {status.get('pid')} on {status.get('host')}", log)
    if state == State.stopped:
        return Outcome(job.name, JobResult.stopped, reason, log)
    reasons = {
        State.running: "killed: it could not write how it ended",
        State.done: "some of its files are gone",
        State.failed: reason,
    }
    if state in reasons:
        return Outcome(job.name, JobResult.failed, reasons[State(state)], log)
    return Outcome(job.name, JobResult.not_begun, reason, log)


def outcome_table(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines to print: a row a job, skipped ones only while there are few, and the sum of it."""
    many = len(outcomes) > MOST_ROWS
    rows = [outcome for outcome in outcomes if not (many and outcome.result.good)]
    width = max((len(row.name) for row in rows), default=0)
    lines: list[str] = []
    for row in rows:
        lines.append(f"{row.result:<10} {row.name:<{width}}  {row.reason}".rstrip())
        if row.log is not None and not row.result.good:
            lines.append(f"{'':<10} log: {row.log}")
    counts = Counter(outcome.result for outcome in outcomes)
    summary = ", ".join(f"{counts[result]} {result}" for result in JobResult if counts[result])
    return [*lines, f"{len(outcomes)} jobs: {summary}"]
