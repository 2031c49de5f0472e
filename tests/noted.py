"""A callback of Hydra's that writes down what it saw of a job, for the tests of launchers."""

import json
import os
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback


class Noted(Callback):
    """Writes ``started.json`` and ``ended.json`` into the job's folder."""

    def on_job_start(self, config: Any, **kwargs: Any) -> None:
        """Where the job works, and what is in its environment."""
        seen = {"mark": os.environ.get("GESTURE_MARK"), "cwd": str(Path.cwd()), "seed": config.seed}
        self._write(config, "started.json", seen)

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        """How it ended."""
        self._write(config, "ended.json", {"status": job_return.status.name, "number": config.hydra.job.num})

    def _write(self, config: Any, name: str, seen: dict[str, Any]) -> None:
        Path(config.hydra.runtime.output_dir, name).write_text(json.dumps(seen))


HONOURED = (
    "+hydra.job.env_set.GESTURE_MARK=mark",
    "+hydra.callbacks.noted._target_=noted.Noted",
    "hydra.job.chdir=true",
    "hydra.output_subdir=.hydra",
    "hydra.verbose=true",
    "hydra/job_logging=default",
)
"""What a sweep asks Hydra to do around each job."""


def require_honoured(sweep: Path, seeds: tuple[int, ...]) -> None:
    """Asserts that each job of a sweep over seeds had all of `HONOURED`."""
    for number, seed in enumerate(seeds):
        folder = sweep / f"seed={seed}"
        started = json.loads((folder / "started.json").read_text())
        assert started == {"mark": "mark", "cwd": str(folder.resolve()), "seed": seed}
        assert json.loads((folder / "ended.json").read_text()) == {"status": "COMPLETED", "number": number}
        assert f"seed={seed}" in (folder / ".hydra" / "overrides.yaml").read_text()
        assert (folder / ".hydra" / "config.yaml").exists()
        assert f"seed: {seed}" in (folder / ".hydra" / "config.yaml").read_text()
        log = (folder / "train.log").read_text()
        assert "][DEBUG] - " in log  # Hydra's own format, at the level that was asked for
        assert log.count("epoch   1 of 1") == 1
