"""Folders that look like runs."""

from gesturelab.runs.folder import RunDir
from gesturelab.sweeps.plan import Composed


def composed(root, name="seed=1", text="seed: 1\n", size="tiny"):
    return Composed((name,), name, root, name, size, "cpu", 1, 1, 0, text)


def begin(job, *, epochs=1):
    run = RunDir(job.root / job.name, job.size)
    run.path.mkdir(parents=True)
    run.config.write_text(job.text)
    if epochs:
        run.checkpoints.mkdir()
        (run.checkpoints / "last.ckpt").touch()
    return run


def finish(job):
    run = begin(job)
    for path in run.artefacts:
        path.touch()
    return run
