"""Plans a sweep: for each job its folder, and whether to begin it, go on with it, or leave it as it is."""

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
