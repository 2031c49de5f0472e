"""``gesturelab reproduce``: a table of the manual, run again and put beside the published numbers."""

import argparse
import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gesturelab.errors import ConfigError, RunError


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="gesturelab reproduce",
        description="Run a table of the manual again, as a sweep that goes on where it was stopped, and print each "
        "number beside the published one. On the same processor and with the same versions they must be equal.",
    )
    add = command.add_argument
    add(
        "name",
        nargs="?",
        help="a table (see --list), a file with one of your own, or with --environment a run's folder",
    )
    add("overrides", nargs="*", metavar="KEY=VALUE", help="changes, as in train -m: seed=1, hydra/launcher=slurm")
    add("--list", action="store_true", help="say which tables there are, and how long each takes")
    add("--data-root", metavar="DIR", help="where the recordings are (data.root)")
    add("--write", metavar="FILE", type=Path, help="write the table with the numbers of this machine")
    add("--environment", action="store_true", help="print the pip command that installs what a run was made with")
    return command


def run(arguments: list[str]) -> int:
    """Reproduces a table.

    Returns:
        0 if each number is within what is tolerated, else 1.

    Raises:
        GesturelabError: If there is no such table or run, or the recordings cannot be read.
        SystemExit: With status 1 if trainings failed.
    """
    command = build_parser()
    options = command.parse_intermixed_args(arguments)
    if options.list:
        return list_tables()
    if options.name is None:
        command.error("name a table (gesturelab reproduce --list), or a run's folder with --environment")
    if options.environment:
        return print_environment(Path(options.name))
    return reproduce(options.name, options.overrides, options.data_root, options.write)


def list_tables() -> int:
    """Prints the tables of the manual; returns 0."""
    from gesturelab.report.published import list_published, read_published

    for name in list_published():
        table = read_published(name)
        print(f"{name:14}{table.minutes:6.1f} minutes  {table.title} ({table.page})")
    print("\nMinutes of one thread of the processor that the numbers are from; gesturelab reproduce NAME runs one.")
    return 0


def reproduce(name: str, overrides: Sequence[str], data_root: str | None, write: Path | None) -> int:
    """Runs a table and prints each cell beside the published one; see `run`."""
    from gesturelab.cli import train
    from gesturelab.config.store import job_folder
    from gesturelab.report.comparison import compare
    from gesturelab.report.published import (
        compare_cells,
        list_published,
        other_conditions,
        published_again,
        read_published,
    )
    from gesturelab.runs.info import PACKAGES, SYNTHETIC

    table = read_published(name)
    changes = [text for text in overrides if not text.startswith(("hydra/", "hydra.", "launcher."))]
    if not table.cells and write is None:
        raise ConfigError(f"{name}: it publishes no number (cells); --write FILE measures some")
    own = [] if name in list_published() else [hashlib.sha256(str(Path(name).absolute()).encode()).hexdigest()[:8]]
    folder = Path("multirun", "reproduce", "-".join([Path(name).stem, *own, *[job_folder(text) for text in changes]]))
    roots = [] if data_root is None else [f"data.root={Path(data_root).absolute()}"]
    train.run(["-m", *table.sweep, *roots, *overrides, f"hydra.sweep.dir='{folder}'"])
    comparison = compare([folder])
    infos = [run.info for group in comparison.groups for run in group.group.runs]
    if not infos:
        raise RunError(f"{folder} holds no finished run (yet): call the same command again")
    conditions = other_conditions(table, infos)
    if not (table.cpu and table.recordings and table.versions):
        conditions.append("the table does not say on which processor, of which recordings, with which versions")
    cells = list(compare_cells(table, comparison, exact=not conditions))
    print(f"\n{table.title}\n\n{'':18}{'':12}published  measured  difference  tolerated   (per cent of recordings)")
    for cell in cells:
        measured = "missing" if cell.measured is None else f"{100 * cell.measured:.2f}"
        numbers = (
            f"{100 * cell.published:9.2f}  {measured:>8}  {100 * cell.difference:+10.2f}  {100 * cell.tolerated:9.2f}"
        )
        print(f"{cell.model:18}{cell.part:12}{numbers}{'' if cell.good else '   OUTSIDE'}")
    print()
    if any(SYNTHETIC in info["warnings"] for info in infos):
        print(SYNTHETIC)
    if changes:
        print(f"this is another experiment than the published one: {' '.join(changes)}")
    print(
        f"other conditions: {'; '.join(conditions)}"
        if conditions
        else "same processor, recordings and versions: nothing is tolerated"
    )
    outside = sum(not cell.good for cell in cells)
    verdict = (
        f"{outside} of {len(cells)} numbers are outside" if outside else f"all {len(cells)} numbers are reproduced"
    )
    print(verdict if cells else "the table has no numbers to compare with")
    if write is not None:
        again = published_again(table, comparison, infos, ("python", *PACKAGES))
        replace(again, sweep=[*table.sweep, *changes]).write(write)
    return 1 if outside else 0


def print_environment(folder: Path) -> int:
    """Prints the command that installs the versions a run was made with; returns 0.

    Raises:
        RunError: If there is no finished run, or one that has not kept the versions of everything.
    """
    from gesturelab.runs.folder import find_runs
    from gesturelab.runs.info import PACKAGES

    if not (runs := [run for run in find_runs(folder) if run.info.is_file()]):
        raise RunError(f"{folder}: there is no finished run in it")
    info = runs[0].read_info()
    versions = dict(info["versions"])
    if not versions.keys() - {"python", *PACKAGES}:
        print("# an earlier gesturelab made this run, and kept the versions of a few packages only")
    python, ours, git = versions.pop("python", "3"), versions.pop("gesturelab", ""), info.get("git")
    if git is not None:
        print(f"# in the checkout at commit {git['commit']}{', which had been changed since' if git['dirty'] else ''}")
    for name, version in versions.items():
        if "+" in version:
            print(f"# {name} was the build {version}: if pip would install another one, install that one first")
    wanted = {name: version.partition("+")[0] for name, version in versions.items() if version != "unknown"}
    for guest in info.get("classes", {}).values():
        if guest.get("package") not in (None, "gesturelab", *wanted) and guest.get("version"):
            wanted[guest["package"]] = guest["version"]
    packages = [
        f"gesturelab=={ours}" if git is None else ".",
        *(f"{name}=={version}" for name, version in wanted.items()),
    ]
    print(f"python{'.'.join(python.split('.')[:2])} -m pip install {shlex.join(packages)}")
    return 0
