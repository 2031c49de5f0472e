"""Item 7: what a training gains where freed memory is kept for its next step, and what that costs in memory."""

import sys
from statistics import median

from suite.command import Ran, run
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
    found: dict[str, list[Ran]] = {way: [] for way in WAYS}
    _train(settings, size, WAYS["kept"])  # the data are prepared once, whoever comes first
    for _ in range(TURNS):
        for way, program in WAYS.items():
            found[way].append(_train(settings, size, program))
    pairs = list(zip(found["kept"], found["given back"], strict=True))
    wall = median(kept.wall / given.wall for kept, given in pairs)
    cpu = median(kept.cpu / given.cpu for kept, given in pairs)
    peak = median(kept.peak_mb / given.peak_mb for kept, given in pairs)
    note = f"on the wall {wall:.2f}, peak memory {peak:.2f}; {TURNS} turns"
    what = f"{size}, two epochs, whole command: freed memory kept against given back, processor time"
    return [Row("memory", what, cpu, note=note)]


def _train(settings: Settings, size: str, program: str) -> Ran:
    command = [sys.executable, "-c", program, "train", *settings.source, f"model={size}", "trainer=cpu"]
    command += ["trainer.max_epochs=2", f"data.cache_dir={settings.scratch / 'cache'}", "hydra.run.dir=run"]
    return run(command)
