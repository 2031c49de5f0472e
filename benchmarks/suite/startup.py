"""Item 4: how long until help is there, a configuration is composed, and the first training step is done."""

import json
import sys
import time
from pathlib import Path
from statistics import median

from suite.command import run
from suite.row import Row
from suite.settings import Form, Settings

HELP_GOAL = 0.7 / 0.3
"""Against a bare Hydra application; 0.7 s against 0.3 s on the machine where the goal was set."""
FIRST_STEP_GOAL, FIRST_STEP_BOUND = 1.3, 1.6
CFG_MODULES = 1.35
"""Modules that `gesturelab train --cfg job` may import, as a multiple of a bare Hydra application's: 394 and 332 when
this was set. A new version of Hydra changes both."""
FIRST_STEP_MODULES = 1.0
"""Modules that a training may have imported at its first step, as a multiple of `import torch, lightning.pytorch`'s:
3,030 and 3,355 with torch 2.13 and Lightning 2.6."""

HYDRA = "import hydra\n@hydra.main(version_base=None)\ndef f(c): pass\nf()"
IMPORTS = "import torch, lightning.pytorch"
COUNTED = "import sys\nprint('COUNTED', len(sys.modules))"
COUNT = """
import sys
from gesturelab.cli.main import main
main(["train", "--cfg", "job"])
heavy = ("torch", "lightning", "pandas", "matplotlib", "scipy", "numpy", "torchmetrics")
print("COUNTED", len(sys.modules), *[name for name in heavy if name in sys.modules])
"""


def train_command(settings: Settings, report: Path) -> list[str]:
    """A training of tiny, as a user runs it, that ends after its first step."""
    folder = settings.scratch / "first_step"
    return [
        *(sys.executable, "-m", "gesturelab", "train", *settings.source, "model=tiny", "trainer=cpu"),
        *(f"data.cache_dir={settings.scratch / 'cache'}", f"hydra.run.dir={folder}/{time.monotonic_ns()}"),
        "+callbacks.end._target_=suite.first_step.EndAfterFirstStep",
        f"+callbacks.end.path={report}",
    ]


def count_cfg_modules() -> tuple[float, list[str]]:
    """Modules that composing a configuration imports, against a bare Hydra application; those that are too heavy."""
    count, *heavy = _counted(COUNT)
    return int(count) / int(_counted(HYDRA.replace("pass", COUNTED.replace("\n", ";")))[0]), heavy


def count_first_step_modules(settings: Settings) -> tuple[float, list[str]]:
    """Modules imported at the first step, against torch's and Lightning's, and those of them that nobody needs."""
    report = settings.scratch / "modules.json"
    run(train_command(settings, report))
    step = json.loads(report.read_text(encoding="utf-8"))
    return step["modules"] / int(_counted(f"{IMPORTS}\n{COUNTED}")[0]), step["unneeded"]


def _counted(code: str) -> list[str]:
    """What follows the word COUNTED in what some code prints."""
    lines = run([sys.executable, "-c", code]).said.splitlines()
    return next(line for line in lines if line.startswith("COUNTED")).split()[1:]


def rows(settings: Settings) -> list[Row]:
    """Times in turns, the median of each, and exact counts of modules."""
    report = settings.scratch / "modules.json"
    first_modules, unneeded = count_first_step_modules(settings)  # also warms the data
    cfg_modules, heavy = count_cfg_modules()
    python, gesturelab = [sys.executable, "-c"], [sys.executable, "-m", "gesturelab"]
    commands = {
        "hydra": [*python, HYDRA],
        "--help": [*gesturelab, "train", "--help"],
        "--cfg job": [*gesturelab, "train", "--cfg", "job"],
        "imports": [*python, IMPORTS],
        "first step": train_command(settings, report),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range({Form.short: 3, Form.normal: 5, Form.full: 9}[settings.form]):
        for name, command in commands.items():
            if name == "first step":
                command = train_command(settings, report)
            if turn < 2 or name not in ("imports", "first step") or settings.form is not Form.short:
                ran = run(command)
                times[name].append((ran.wall, ran.cpu))
    return [
        _against(times, "--help", "hydra", "a bare Hydra application", HELP_GOAL),
        _against(times, "--cfg job", "hydra", "a bare Hydra application", HELP_GOAL),
        _against(times, "first step", "imports", "import torch, lightning.pytorch", FIRST_STEP_GOAL, FIRST_STEP_BOUND),
        Row(
            "startup",
            "modules of --cfg job against a bare Hydra application",
            cfg_modules,
            CFG_MODULES,
            CFG_MODULES,
            note=" ".join(heavy) or "none heavy",
        ),
        Row(
            "startup",
            "modules at the first step against import torch, lightning.pytorch",
            first_modules,
            FIRST_STEP_MODULES,
            FIRST_STEP_MODULES,
            note=" ".join(unneeded) or "none unneeded",
        ),
    ]


def _against(
    times: dict[str, list[tuple[float, float]]],
    what: str,
    than: str,
    called: str,
    goal: float,
    bound: float | None = None,
) -> Row:
    """The ratio of processor times, which other programs disturb least: these keep one core busy."""
    own, other = ([used for _, used in times[name]] for name in (what, than))
    ratio = median(mine / theirs for mine, theirs in zip(own, other, strict=True))
    walls = [min(wall for wall, _ in times[name]) for name in (what, than)]
    note = (
        f"{median(own):.2f} s against {median(other):.2f} s of processor time; "
        f"on the wall at best {walls[0]:.2f} s against {walls[1]:.2f} s"
    )
    return Row("startup", f"{what} against {called}", ratio, goal, bound, note=note)
