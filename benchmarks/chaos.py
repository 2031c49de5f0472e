"""Kills trainings and sweeps at random moments, and shows that nothing is lost.

    python benchmarks/chaos.py            20 kills of one training, a sweep of eight jobs under kills, 20 runs at once:
                                          eight minutes on two quiet cores, twice that beside other work
    python benchmarks/chaos.py --short    two kills of a short training, half a minute of CPU time
    python benchmarks/chaos.py --seed 1   other moments; --parts training,sweep,together chooses

Exit status 1 if a result differs from an undisturbed one, or a run is lost or there twice.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TRAIN = (sys.executable, "-m", "gesturelab", "train", "trainer=cpu", "trainer.threads=1")
DATA = ("data.people=8", "data.repetitions=1", "data.cache_dir=cache")
RESULTS = ("model_*.pth", "scaler_*.json", "predictions_*.csv", "windows_*.csv", "metrics.csv")
"""What must be the same to the byte."""
VALUES = ("metrics", "confusion", "temperature", "split", "model")
"""What must be the same in the info file, besides the history."""
PATIENCE_S = 1800


class LostError(Exception):
    """Something was lost, doubled or changed."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", default="", help="some of training,sweep,together")
    options = parser.parse_args()
    parts: dict[str, Callable[[Path, random.Random, bool], str]] = {
        "training": training,
        "sweep": sweep,
        "together": together,
    }
    chosen = [each for each in options.parts.split(",") if each] or [
        each for each in parts if each == "training" or not options.short
    ]
    if unknown := set(chosen) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    failed = False
    began = time.monotonic()
    for name in chosen:
        start = time.monotonic()
        scratch = Path(tempfile.mkdtemp(prefix="gesturelab-chaos-"))
        try:
            verdict = parts[name](scratch, random.Random(f"{name} {options.seed}"), options.short)
            shutil.rmtree(scratch)
        except LostError as error:
            failed, verdict = True, f"FAILED: {error} (see {scratch})"
        print(f"{name}: {verdict}, {time.monotonic() - start:.0f} s", flush=True)
    print(f"chaos: {'FAILED' if failed else 'nothing was lost'}, {time.monotonic() - began:.0f} s", flush=True)
    return int(failed)


def training(scratch: Path, draw: random.Random, short: bool) -> str:
    """One ``tiny`` training, killed and taken up with the same command until all kills are spent."""
    epochs, kills = (4, 2) if short else (40, 20)
    options = (*DATA, f"trainer.max_epochs={epochs}", "trainer.batch_size=4", "trainer.checkpoint_minutes=0.005")
    options += ("callbacks=early_stopping", "callbacks.early_stopping.patience=1000")
    whole = scratch / "whole"
    start = time.monotonic()
    first_epoch = run_whole((*TRAIN, *options, f"hydra.run.dir={whole}"), scratch)
    life = time.monotonic() - start
    print(f"training: undisturbed {life:.1f} s, {first_epoch:.1f} s of it before the first epoch's end", flush=True)
    within_checkpoint, within_results = (1, 0) if short else (4, 2)
    kinds = ["any moment"] * (kills - within_checkpoint - within_results)
    kinds += ["within a checkpoint"] * within_checkpoint + ["within the results"] * within_results
    draw.shuffle(kinds)
    reach = first_epoch + 0.15 * (life - first_epoch)
    number, landed, finished = 1, 0, 0
    places: dict[str, int] = {}
    while landed < kills:
        folder = scratch / f"run{number}"
        command = (*TRAIN, *options, f"hydra.run.dir={folder}")
        if landed == 0 or ((folder / "config.yaml").exists() and draw.random() < 0.5):
            command = command if landed == 0 else (sys.executable, "-m", "gesturelab", "resume", str(folder))
        with subprocess.Popen(command, cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            if kinds[landed] == "any moment":
                wait(lambda _: False, process, draw.uniform(0, reach))
            elif kinds[landed] == "within a checkpoint":
                wait(lambda _, at=folder / "checkpoints": is_writing(at), process, PATIENCE_S, quick=True)
                time.sleep(draw.uniform(0, 0.01))
            else:
                wait(lambda _, at=folder: any(at.glob("model_*.pth")), process, PATIENCE_S, quick=True)
                time.sleep(draw.uniform(0, 0.5))
            if process.poll() is None:
                process.kill()
                landed += 1
                process.wait()
                place = where(folder, epochs)
                places[place] = places.get(place, 0) + 1
                if any(folder.glob("info_*.json")):  # the last file: only the end of the process was still to come
                    compare(whole, folder, killed=True)
                    finished, number = finished + 1, number + 1
                continue
            said = process.stdout.read().decode() if process.stdout is not None else ""
        require(process.returncode == 0, f"an attempt ended with {process.returncode}: {said[-2000:]}")
        compare(whole, folder)
        finished, number = finished + 1, number + 1
    folder = scratch / f"run{number}"
    run_whole((*TRAIN, *options, f"hydra.run.dir={folder}"), scratch)
    compare(whole, folder)
    for place, count in sorted(places.items()):
        print(f"training: {count:2d} kills {place}", flush=True)
    return f"{landed} kills, {finished + 1} trainings of {epochs} epochs to their end, each equal to the byte"


def sweep(scratch: Path, draw: random.Random, short: bool) -> str:
    """Eight jobs in two processes at a time; kills of jobs and of the sweep."""
    hidden, job_kills, sweep_kills = ("8", 1, 1) if short else ("8,16,24,32", 5, 3)
    jobs = ("seed=0,1", f"model.hidden={hidden}", *DATA, "trainer.max_epochs=12", "trainer.batch_size=4")
    command = (*TRAIN, "-m", *jobs, "hydra/launcher=local", "launcher.n_jobs=2", "trainer.checkpoint_minutes=0.005")
    start = time.monotonic()
    run_whole((*command, f"hydra.sweep.dir={scratch / 'whole'}"), scratch)
    life = time.monotonic() - start
    wanted = sorted(path.name for path in (scratch / "whole").iterdir() if path.is_dir())
    print(f"sweep: {len(wanted)} jobs undisturbed in {life:.1f} s", flush=True)
    root = scratch / "disturbed"
    killed = {"job": 0, "sweep": 0}
    targets = ["job"] * job_kills + ["sweep"] * sweep_kills
    draw.shuffle(targets)
    while targets:
        with subprocess.Popen(
            (*command, f"hydra.sweep.dir={root}"), cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while targets and process.poll() is None:
                wait(lambda _: False, process, draw.uniform(0.2, 1.8) * life / 16)
                if process.poll() is not None:
                    break
                victim = process.pid if targets[0] == "sweep" else job_pid(root, draw)
                if victim is None:
                    continue
                killed[targets.pop(0)] += 1
                os.kill(victim, signal.SIGKILL)
                if victim == process.pid:
                    break
            process.wait(PATIENCE_S)
        if process.returncode == 0:
            break
    require(not targets, f"the sweep was over before {len(targets)} of its kills; another --seed may do")
    end = subprocess.run(
        (*command, f"hydra.sweep.dir={root}"), cwd=scratch, capture_output=True, text=True, check=False
    )
    if end.returncode:  # jobs that the last sweep's end took with it were still dying
        end = subprocess.run(
            (*command, f"hydra.sweep.dir={root}"), cwd=scratch, capture_output=True, text=True, check=False
        )
    require(end.returncode == 0, f"the sweep ended with {end.returncode}: {end.stdout[-2000:]}{end.stderr[-2000:]}")
    found = sorted(path.name for path in root.iterdir() if path.is_dir())
    require(found == wanted, f"the folders are {found}, not {wanted}")
    for name in wanted:
        compare(scratch / "whole" / name, root / name)
    before = {path: path.stat().st_mtime_ns for path in root.glob("*/info_*.json")}
    run_whole((*command, f"hydra.sweep.dir={root}"), scratch)
    require(before == {path: path.stat().st_mtime_ns for path in root.glob("*/info_*.json")}, "a job ran twice")
    spent = " and ".join(f"{count} of {'a job' if what == 'job' else 'the sweep'}" for what, count in killed.items())
    return f"kills: {spent}; {len(wanted)} jobs, none lost or twice, each equal to the byte"


def together(scratch: Path, draw: random.Random, short: bool) -> str:
    """Runs begun at once in one folder, with one cache and one MLflow store."""
    count = 2 if short else 20
    loggers = "csv" if short else "many"
    options = ("trainer=debug", "trainer.threads=1", *DATA, f"logger={loggers}", "trainer.max_epochs=2")
    command = (sys.executable, "-m", "gesturelab", "train", *options)
    outputs = [scratch / f"said{number}" for number in range(count)]
    processes = [
        subprocess.Popen(command, cwd=scratch, stdout=path.open("w"), stderr=subprocess.STDOUT) for path in outputs
    ]
    for process in processes:
        process.wait(PATIENCE_S)
    for process, path in zip(processes, outputs, strict=True):
        said = path.read_text()
        require(process.returncode == 0, f"one ended with {process.returncode}: {said[-2000:]}")
        require("Traceback" not in said and "fails, training goes on" not in said, f"one had trouble: {said[-2000:]}")
    folders = sorted((scratch / "outputs" / "gestures").iterdir())
    require(len(folders) == count, f"{len(folders)} folders of {count} runs")
    for folder in folders[1:]:
        compare(folders[0], folder)
    same_second = sum(folder.name.count("-") > 4 for folder in folders)
    entries = [path for path in (scratch / "cache").iterdir() if not path.name.startswith(".")]
    require(len(entries) == 1, f"{len(entries)} cache entries")
    if loggers == "many":
        ids = {json.loads((folder / "trackers.json").read_text())["id"] for folder in folders}
        require(len(ids) == count, "trackers know two runs as one")
        require(all(any(folder.glob("logs/events*")) for folder in folders), "a run has no TensorBoard events")
        require(known_to_mlflow(scratch) == ids, "MLflow does not have each run once, finished, with its scores")
    return f"{count} runs at once in {count} folders, {same_second} numbered because of the same second, all equal"


def known_to_mlflow(scratch: Path) -> set[str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{scratch / 'mlruns' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("gestures").experiment_id], max_results=1000)
    ids = [each.data.tags["gesturelab.run"] for each in runs if each.info.status == "FINISHED" and each.data.metrics]
    return set(ids) if len(ids) == len(set(ids)) else set()


def run_whole(command: tuple[str, ...], scratch: Path) -> float:
    """Runs a command to its end; when the first epoch was finished, in seconds."""
    start, first = time.monotonic(), 0.0
    with subprocess.Popen(
        command,
        cwd=scratch,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        said = ""
        for line in process.stdout or ():
            said += line
            if line.startswith("epoch   1 ") and not first:
                first = time.monotonic() - start
    require(process.returncode == 0, f"an undisturbed run ended with {process.returncode}: {said[-2000:]}")
    return first


def wait(
    enough: Callable[[None], bool], process: "subprocess.Popen[bytes]", seconds: float, quick: bool = False
) -> None:
    """Until it is enough, the process has ended, or time is over."""
    end = time.monotonic() + seconds
    while not enough(None) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.0002 if quick else 0.005)


def is_writing(checkpoints: Path) -> bool:
    return any(True for folder in (checkpoints, checkpoints / "refit") for _ in folder.glob(".*"))


def where(folder: Path, epochs: int) -> str:
    """What a killed training was doing, by its files."""
    checkpoints = folder / "checkpoints"
    if is_writing(checkpoints):
        return "while a checkpoint was written"
    try:
        status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except OSError:
        return "before there was a status"
    if status.get("epoch") == epochs:
        return "after the last epoch, or within the refit"
    return "within an epoch" if "first_epoch" in status else "before an epoch of the attempt was over"


def job_pid(root: Path, draw: random.Random) -> int | None:
    """A job of the sweep that is at work now."""
    pids: list[int] = []
    for path in root.glob("*/status.json"):
        status = json.loads(path.read_text(encoding="utf-8"))
        if status["state"] == "running" and is_alive(status["pid"]):
            pids.append(status["pid"])
    return draw.choice(sorted(pids)) if pids else None


def is_alive(pid: int) -> bool:
    try:
        return b"gesturelab.cli.job" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def compare(whole: Path, other: Path, *, killed: bool = False) -> None:
    """Makes sure that two runs have the same results.

    Args:
        whole: The undisturbed run.
        other: The one to look at.
        killed: Whether it was killed when its files were there, so that its status may still say that it is running.

    Raises:
        LostError: Naming what differs.
    """
    for pattern in RESULTS:
        for path in whole.glob(pattern):
            there = other / path.name
            require(there.exists(), f"{there} is missing")
            require(there.read_bytes() == path.read_bytes(), f"{there} differs from {path}")
    one, two = (json.loads(next(folder.glob("info_*.json")).read_text(encoding="utf-8")) for folder in (whole, other))
    for key in VALUES:
        require(one[key] == two[key], f"{key} in the info file of {other} differs")
    require(one["training"]["history"] == two["training"]["history"], f"the history of {other} differs")
    status = json.loads((other / "status.json").read_text(encoding="utf-8"))
    require(killed or status["state"] == "done", f"the status of {other} is {status['state']}")


def require(true: bool, otherwise: str) -> None:
    if not true:
        raise LostError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
