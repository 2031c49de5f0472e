"""Item 7: what a training gains where freed memory is kept for its next step, and what that costs in memory."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from suite.row import Row
from suite.settings import Form, Settings

RUN = "import sys\nfrom gesturelab.cli.main import main\nfrom gesturelab.training import device\n"
WAYS = {
    "given back": f"{RUN}device.keep_freed_memory = lambda: False\nsys.exit(main(sys.argv[1:]))",
    "kept": f"{RUN}sys.exit(main(sys.argv[1:]))",
}
TURNS = 3


def rows(settings: Settings) -> list[Row]:
    """Whole trainings of two epochs, as a user runs them, in turns."""
    sizes = {Form.short: (), Form.normal: ("small",), Form.full: ("tiny", "small", "medium")}[settings.form]
    return [row for size in sizes for row in _rows(settings, size)]


def _rows(settings: Settings, size: str) -> list[Row]:
    found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    _train(settings, size, WAYS["kept"])  # the data are prepared once, whoever comes first
    for _ in range(TURNS):
        for way, program in WAYS.items():
            found[way].append(_train(settings, size, program))
    wall, cpu, peak = (
        [one[at] / other[at] for one, other in zip(found["kept"], found["given back"], strict=True)] for at in range(3)
    )
    note = f"on the wall {median(wall):.2f}, peak memory {median(peak):.2f}; {TURNS} turns"
    what = f"{size}, two epochs, whole command: freed memory kept against given back, processor time"
    return [Row("memory", what, median(cpu), note=note)]


def _train(settings: Settings, size: str, program: str) -> tuple[float, float, float]:
    """Seconds on the wall and of the processors, and the peak memory in MB.

    Raises:
        SystemExit: If the training fails.
    """
    command = [sys.executable, "-c", program, "train", *settings.source, f"model={size}", "trainer=cpu"]
    command += ["trainer.max_epochs=2", f"data.cache_dir={settings.scratch / 'cache'}", "hydra.run.dir=run"]
    given = [str(Path(entry).resolve()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(given)}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read().decode()[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
