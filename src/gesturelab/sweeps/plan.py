"""The jobs of a sweep: the folder of each, what is to be done about it, and afterwards how it ended."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from gesturelab.config.saved import MAX_BYTES, Difference, differences
from gesturelab.errors import ConfigError, RunError
from gesturelab.files import read_text, write_text
from gesturelab.runs.folder import RunDir
from gesturelab.runs.status import State, is_alive, read_status
from gesturelab.sweeps.hydra_job import HYDRA

MOST_DIFFERENCES = 5
MOST_REFUSED = 5
MOST_ROWS = 30


class Action(StrEnum):
    """What is to be done about a job."""

    start = "start"
    resume = "resume"
    again = "again"
    """It failed before it had a checkpoint."""
    skip = "skip"
    """It is finished."""
    busy = "busy"
    """Another process is working on it."""


class OnChange(StrEnum):
    """What to do when a job's folder holds a run of another configuration."""

    refuse = "refuse"
    beside = "beside"


@dataclass(frozen=True)
class Composed:
    """A job as composed.

    Attributes:
        overrides: What Hydra was given, without ``hydra.`` keys.
        varying: Those of them that vary over the sweep.
        root: The sweep's folder.
        name: The name that the job's folder has by rights.
        size: The model option's name.
        device: ``trainer.device``.
        devices: ``trainer.devices``.
        nodes: ``trainer.num_nodes``.
        number: The job's place in the sweep, from 0.
        text: The configuration as YAML, as ``config.yaml`` will hold it.
        hydra: What Hydra is asked to do around the job, as YAML; empty where it is asked for nothing.
    """

    overrides: tuple[str, ...]
    varying: str
    root: Path
    name: str
    size: str
    device: str
    devices: int
    nodes: int
    number: int
    text: str
    hydra: str = ""


@dataclass(frozen=True)
class Job:
    """A job with its folder."""

    composed: Composed
    folder: Path
    action: Action

    @property
    def run(self) -> RunDir:
        """The files of the job."""
        return RunDir(self.folder, self.composed.size)

    @property
    def name(self) -> str:
        """What varies, or the folder's name if nothing does."""
        return self.composed.varying or self.folder.name

    @property
    def subfolder(self) -> str:
        """The folder within that of the sweep."""
        return self.folder.relative_to(self.composed.root).as_posix()

    def write_config(self) -> None:
        """Writes what the process that trains will read.

        Raises:
            RunError: If the folder cannot be written.
        """
        write_text(self.run.config, self.composed.text)
        if self.composed.hydra:
            write_text(self.folder / HYDRA, self.composed.hydra)
        else:
            (self.folder / HYDRA).unlink(missing_ok=True)

    @property
    def in_slurm(self) -> bool:
        """Whether a Slurm array that we submitted has it."""
        return self.action is Action.busy and "slurm_name" in read_status(self.folder)

    @property
    def to_do(self) -> bool:
        """Whether it must be launched."""
        return self.action in (Action.start, Action.resume, Action.again)


def plan(sweep: Sequence[Composed], on_change: OnChange) -> list[Job]:
    """Finds each job's folder, and what there is to do; equal jobs become one.

    A job belongs into the folder whose ``config.yaml`` equals its configuration, whatever that folder's name; else into
    the one of its own name, if nothing is lost there.

    Raises:
        RunError: If folders hold runs of other configurations and `on_change` is refuse; nothing was touched.
        ConfigError: If two different jobs want the same folder.
    """
    taken: dict[Path, Composed] = {}
    read_folders = cache(_folders_by_config)
    jobs: list[Job] = []
    refused: list[tuple[Path, list[Difference]]] = []
    for composed in sweep:
        folder = composed.root / composed.name
        text = _read_config(folder)
        if text is None or (text != composed.text and differences(text, composed.text)):
            equal = read_folders(composed.root).get(composed.text)
            if equal is None and _is_worth_keeping(folder):
                if on_change is OnChange.refuse:
                    refused.append((folder, differences(text, composed.text)))
                    continue
                number = 2
                while _is_worth_keeping(beside := folder.with_name(f"{folder.name}-{number}")) or beside in taken:
                    number += 1
                equal = beside
            folder = equal or folder
        first = taken.setdefault(folder, composed)
        if first is composed:
            jobs.append(Job(composed, folder, _choose_action(folder, composed.size)))
        elif first.text != composed.text:
            raise ConfigError(
                f"the jobs {first.varying!r} and {composed.varying!r} want the same folder {folder}; "
                "leave hydra.sweep.subdir as it is, or let it hold all that varies"
            )
    if refused:
        raise RunError(_describe_refusal(refused))
    return jobs


def find_jobs(root: Path, file: str) -> list[Path]:
    """The folders of a sweep's jobs that hold a file; ``hydra.sweep.subdir`` may have two levels."""
    return sorted(path.parent for pattern in (f"[!.]*/{file}", f"[!.]*/[!.]*/{file}") for path in root.glob(pattern))


def require_sweep_folder(root: Path) -> None:
    """Makes sure that a sweep's jobs go nowhere else.

    Raises:
        RunError: If the folder holds something, but no sweep.
    """
    if root.is_dir() and any(root.iterdir()) and not (root / "multirun.yaml").exists():
        raise RunError(f"{root} is not a sweep's folder, but it is not empty; choose another name=NAME")


def _folders_by_config(root: Path) -> dict[str, Path]:
    """The folders of a sweep's jobs by the text of their ``config.yaml``; the first of equal ones."""
    return {_read_config(folder) or "": folder for folder in reversed(find_jobs(root, "config.yaml"))}


def _choose_action(folder: Path, size: str) -> Action:
    run, status = RunDir(folder, size), read_status(folder)
    if run.complete:
        return Action.skip
    if is_alive(folder, status):
        return Action.busy
    if run.begun:
        return Action.resume
    return Action.again if status.get("state") == State.failed else Action.start


def _is_worth_keeping(folder: Path) -> bool:
    """Whether the folder holds more than a run without a checkpoint."""
    if not folder.exists():
        return False
    if not folder.is_dir() or any(folder.glob("info_*.json")) or any(folder.glob("model_*.pth")):
        return True
    return RunDir(folder).begun or is_alive(folder)


def _read_config(folder: Path) -> str | None:
    try:
        return read_text(RunDir(folder).config, MAX_BYTES)
    except (OSError, ValueError):
        return None


def _describe_refusal(refused: list[tuple[Path, list[Difference]]]) -> str:
    lines = [
        f"{len(refused)} of the jobs would go where a run of another configuration is; nothing was begun"
        if len(refused) > 1
        else "a job would go where a run of another configuration is; nothing was begun"
    ]
    for folder, changed in refused[:MOST_REFUSED]:
        lines.append(f"  {folder}" + ("" if changed else ": no config.yaml that could be compared"))
        lines += [f"    {change}" for change in changed[:MOST_DIFFERENCES]]
        if len(changed) > MOST_DIFFERENCES:
            lines.append(f"    and {len(changed) - MOST_DIFFERENCES} more")
    if len(refused) > MOST_REFUSED:
        lines.append(f"  and {len(refused) - MOST_REFUSED} more")
    lines.append("Give the sweep another name with name=NAME, or keep both with hydra.sweeper.on_change=beside")
    return "\n".join(lines)


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
