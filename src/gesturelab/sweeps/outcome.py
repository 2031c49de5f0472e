"""What became of a sweep's jobs, read from their own files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gesturelab.runs.status import State, is_alive, read_status
from gesturelab.sweeps.plan import Action, Job

MOST_ROWS = 30


class Result(StrEnum):
    """How a job ended, as the table says it."""

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
        return self in (Result.done, Result.resumed, Result.skipped)


@dataclass(frozen=True)
class Outcome:
    """How a job ended, why if not well, and where to read on."""

    name: str
    result: Result
    reason: str = ""
    log: Path | None = None


def outcome_of(job: Job) -> Outcome:
    """How a job ended: finished is only what left all its files."""
    if job.action is Action.skip:
        return Outcome(job.name, Result.skipped)
    if job.run.complete:
        return Outcome(job.name, Result.resumed if job.action is Action.resume else Result.done)
    status = read_status(job.folder)
    if status is not None and is_alive(job.folder, status):
        if status.get("state") == State.queued:
            return Outcome(job.name, Result.queued, status.get("reason") or f"in Slurm as {status.get('slurm_name')}")
        return Outcome(job.name, Result.running, f"process {status.get('pid')} on {status.get('host')}", _log(job))
    state = status.get("state") if status is not None else None
    reason = (status or {}).get("reason", "")
    if state == State.stopped:
        return Outcome(job.name, Result.stopped, reason, _log(job))
    if state == State.running:
        return Outcome(job.name, Result.failed, "killed: it never said how it ended", _log(job))
    if state == State.done:
        return Outcome(job.name, Result.failed, "some of its files are gone", _log(job))
    if state == State.failed:
        return Outcome(job.name, Result.failed, reason, _log(job))
    return Outcome(job.name, Result.not_begun, reason, _log(job))


def table(outcomes: Sequence[Outcome]) -> list[str]:
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
    summary = ", ".join(f"{counts[result]} {result}" for result in Result if counts[result])
    return [*lines, f"{len(outcomes)} jobs: {summary}"]


def _log(job: Job) -> Path | None:
    return job.run.log if job.run.log.exists() else None
