"""The memory of a whole training over the size of the dataset, cold (first read) and warm (from the cache).

    python benchmarks/memory_curve.py                        860, 8,600 and 86,000 made-up recordings: half an hour
    python benchmarks/memory_curve.py --recordings 860,8600  four minutes
    python benchmarks/memory_curve.py --recordings 114000 --cold-only    of the size of NTU RGB+D 120

Two numbers a training. *Own* is what the process alone holds: the largest RssAnon + RssShmem in /proc/PID/status, read
every ten milliseconds. *Resident* is the peak that the kernel keeps (VmHWM): with it go pages of the cache's file that
are mapped, which the system takes back when it needs them. Both are given beyond the *base*, which is the same training
with 54 recordings: Python, torch, Lightning and what else does not grow. Linux only. Exit status 1 if a goal is missed.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPETITIONS = 10
GESTURES = 9
SHORT = ("model.hidden=16", "trainer=cpu", "trainer.max_epochs=2", "trainer.batches_per_epoch=20")
LOOK_S = 0.01
COLD_GOAL, WARM_GOAL, NTU_GOAL_MB = 1.5, 1.2, 6000.0


@dataclass(frozen=True)
class Peak:
    """What one training took, in MB, and its seconds on the wall."""

    own: float
    resident: float
    positions: float
    recordings: int
    frames: int
    seconds: float


def rss_mb(pid: int) -> tuple[float, float]:
    """What a process holds alone now, and the most that was ever resident."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0.0, 0.0
    kb = {key: int(value.split()[0]) for key, _, value in (line.partition(":") for line in lines) if "kB" in value}
    return (kb.get("RssAnon", 0) + kb.get("RssShmem", 0)) / 1024, kb.get("VmHWM", 0) / 1024


def train(scratch: Path, people: int, repetitions: int, *options: str) -> Peak:
    """A training as a user runs it, in a process of its own.

    Raises:
        SystemExit: If it fails.
    """
    folder = scratch / "run"
    data = (f"data.people={people}", f"data.repetitions={repetitions}", f"data.cache_dir={scratch / 'cache'}")
    command = [sys.executable, "-m", "gesturelab", "train", *data, *SHORT, f"hydra.run.dir={folder}", *options]
    with (scratch / "log").open("wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=scratch)
        own = resident = 0.0
        while process.poll() is None:
            now, most = rss_mb(process.pid)
            own, resident = max(own, now), max(resident, most)
            time.sleep(LOOK_S)
        seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(scratch / 'log').read_text()[-4000:]}")
    data_info = json.loads((folder / "info_tiny.json").read_text(encoding="utf-8"))["data"]
    shutil.rmtree(folder)
    positions = data_info["frames"] * 25 * 3 * 4 / 2**20
    return Peak(own, resident, positions, data_info["recordings"], data_info["frames"], seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", default="860,8600,86000", help="how many, of each size about so many")
    parser.add_argument("--cold-only", action="store_true")
    parser.add_argument("--scratch", type=Path, help="where the cache is written meanwhile (default: /tmp's)")
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="of the training")
    options = parser.parse_args()
    ways = ("cold",) if options.cold_only else ("cold", "warm")
    missed: list[str] = []
    judged = 0
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        scratch = Path(name)
        base = train(scratch, 6, 1, *options.options)
        print(f"base: own {base.own:.0f} MB, resident {base.resident:.0f} MB ({base.recordings} recordings)\n")
        print("| recordings | frames | positions, MB | way | own beyond base, MB | of the positions | resident beyond "
              "base, MB | of the positions | seconds |")  # fmt: skip
        print("| ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
        for wanted in map(int, options.recordings.split(",")):
            people = max(6, round(wanted / REPETITIONS / GESTURES))
            peaks = {way: train(scratch, people, REPETITIONS, *options.options) for way in ways}
            shutil.rmtree(scratch / "cache")
            for way, peak in peaks.items():
                own, resident = peak.own - base.own, peak.resident - base.resident
                print(f"| {peak.recordings:,} | {peak.frames:,} | {peak.positions:.0f} | {way} | {own:.0f} | "
                      f"{own / peak.positions:.2f} | {resident:.0f} | {resident / peak.positions:.2f} | "
                      f"{peak.seconds:.0f} |", flush=True)  # fmt: skip
            judged += peaks["cold"].positions > base.resident
            missed += judge(peaks, base)
    verdict = f"goals met at {judged} size{'s' * (judged != 1)}" if judged else "no goal judged: the base hides all"
    print("\n" + ("; ".join(missed) or verdict))
    return 1 if missed else 0


def judge(peaks: dict[str, Peak], base: Peak) -> list[str]:
    """The goals that are missed, by what is resident: the stricter of the two numbers."""
    cold = peaks["cold"]
    missed = [f"{cold.recordings:,} cold: {cold.resident:.0f} MB"] if cold.resident > NTU_GOAL_MB else []
    if (warm := peaks.get("warm")) is not None and cold.positions > base.resident:  # else the base hides all
        if cold.resident > COLD_GOAL * warm.resident:
            missed.append(f"{cold.recordings:,}: cold is {cold.resident / warm.resident:.2f} times warm")
        if (share := (warm.resident - base.resident) / warm.positions) > WARM_GOAL:
            missed.append(f"{cold.recordings:,} warm: {share:.2f} times the positions")
    return missed


if __name__ == "__main__":
    sys.exit(main())
