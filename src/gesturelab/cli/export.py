"""``gesturelab export``: a finished run, or the best one of a sweep, as one file."""

import argparse
from pathlib import Path
from typing import cast


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        prog="gesturelab export",
        description="Write the model of a finished run as one file that describes itself and works without this "
        "project's configuration: weights, features, scaler, names, test results and a model card.",
    )
    made.add_argument("run", metavar="RUN", type=Path, help="a run's folder; with --best the folder of a sweep")
    made.add_argument("-o", "--output", metavar="FILE", type=Path, help="the file (default: model.zip)")
    made.add_argument("--best", action="store_true", help="of a sweep take the size that compare recommends, and its "
                      "run with the best result on validation people; test people have no say")  # fmt: skip
    return made


def run(arguments: list[str]) -> int:
    """Writes the file.

    Returns:
        0 when it is written.

    Raises:
        GesturelabError: If the run cannot be used, or the file cannot be written.
    """
    given = parser().parse_args(arguments)
    folder = cast(Path, given.run)
    output = cast(Path, given.output or Path("model.zip"))

    from gesturelab.bundle.choose import best_run
    from gesturelab.bundle.make import model_of, run_of, write_bundle
    from gesturelab.runs import sha256

    if given.best:
        choice = best_run(folder)
        print("\n".join(choice.why))
        source = choice.run
    else:
        source = run_of(folder)
    model = model_of(source)
    for text in model.warnings:
        print(text)
    write_bundle(model, output)
    print(f"{source.path.as_posix()} ({source.size}) -> {output.as_posix()}: {output.stat().st_size / 1e6:.2f} MB, "
          f"SHA-256 {sha256(output)}")  # fmt: skip
    return 0
