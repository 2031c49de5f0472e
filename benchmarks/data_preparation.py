"""Data preparation, ours against the original's way, side by side; each in a process of its own.

The original reads each file with pandas, cuts windows of 20 frames at every frame in a Python loop, and stacks them
with torch. Ours parses into one array and keeps it; windows are views of it.

    python benchmarks/data_preparation.py --root ../shared/irds
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WINDOW = 20


def original(root: Path) -> int:
    import pandas as pd
    import torch

    from gesturelab.config.data import Form
    from gesturelab.datasets.irds.files import irds_files

    windows = []
    for file in irds_files(root, Form.simplified):
        frames = pd.read_csv(file.path, header=None).to_numpy(dtype="float32")
        windows += [torch.tensor(frames[start : start + WINDOW]) for start in range(len(frames) - WINDOW + 1)]
    return len(torch.stack(windows))


def ours(root: Path, cache: Path) -> int:
    import numpy as np

    from gesturelab.config.data import Form, IrdsConfig, Target
    from gesturelab.datasets.load import load

    config = IrdsConfig(
        rate_hz=30.0,
        target=Target.gesture,
        gestures=None,
        correctness=[1, 2, 3],
        subjects=None,
        postures=None,
        max_files=None,
        strict=False,
        cache_dir=str(cache),
        root=str(root),
        form=Form.simplified,
    )
    dataset = load(config)
    return int(np.maximum(dataset.frame_counts - WINDOW + 1, 0).sum())


def peak_mb() -> float:
    """Peak memory of this process; getrusage also knows that of the process that began it."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return (found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def measure(what: str, root: Path, cache: Path) -> None:
    """Prints, as JSON, what one way took in this process; its imports count on a line of their own."""
    started = time.perf_counter()
    if what == "original":
        import pandas  # noqa: F401
        import torch  # noqa: F401
    else:
        import gesturelab.datasets.load  # noqa: F401
    imported = time.perf_counter()
    windows = original(root) if what == "original" else ours(root, cache)
    done = time.perf_counter()
    peak = peak_mb()
    print(json.dumps({"seconds": done - imported, "imports": imported - started, "peak_mb": peak, "windows": windows}))


def run(what: str, root: Path, cache: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--root", str(root), "--only", what, "--cache", str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="as data.root")
    parser.add_argument("--only", choices=["original", "cold", "warm"], help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        measure(options.only, options.root, options.cache)
        return 0
    with tempfile.TemporaryDirectory() as cache:
        # The original goes first, so a cold disk counts against it; a first, unmeasured read makes that equal.
        for file in sorted(options.root.rglob("*.txt")):
            file.read_bytes()
        results = {what: run(what, options.root, Path(cache)) for what in ("original", "cold", "warm")}
    print(f"{'':10}{'seconds':>9}{'imports':>9}{'peak MB':>9}{'windows':>9}   of the original's time")
    for what, result in results.items():
        share = result["seconds"] / results["original"]["seconds"]
        print(
            f"{what:10}{result['seconds']:9.2f}{result['imports']:9.2f}{result['peak_mb']:9.0f}"
            f"{result['windows']:9.0f}   {share:.3f}"
        )
    if len({result["windows"] for result in results.values()}) != 1:
        raise SystemExit("the ways do not give the same number of windows")
    good = results["cold"]["seconds"] <= results["original"]["seconds"] / 3 and results["warm"]["seconds"] <= 0.3
    print("required: cold at most a third of the original's, warm at most 0.3 s:", "met" if good else "NOT MET")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
