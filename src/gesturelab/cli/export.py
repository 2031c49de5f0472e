"""``gesturelab export``: a finished run, or the best one of a sweep, as one file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gesturelab.cli.options import add_trust_option
from gesturelab.errors import ConfigError

if TYPE_CHECKING:
    from gesturelab.export.model import Model
    from gesturelab.export.program import Evidence
    from gesturelab.runs.folder import RunDir

NAMES = {"bundle": "model.zip", "onnx": "model.onnx", "torch": "model.pt2"}
"""The formats, and what a file of each is called where no name is given."""


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="gesturelab export",
        description="Write the model of a finished run as one file that describes itself and works without this "
        "project's configuration: weights, features, scaler, names, test results and a model card.",
    )
    command.add_argument("run", metavar="RUN", type=Path, help="a run's folder; with --best the folder of a sweep; or "
                      "with --format a model.zip, such as 'gesturelab adapt' writes")  # fmt: skip
    command.add_argument("-o", "--output", metavar="FILE", type=Path, help="the file (default: model.zip, or "
                      "model.onnx)")  # fmt: skip
    command.add_argument("--format", choices=list(NAMES), default="bundle", help="bundle (the default): for "
                      "gesturelab; onnx: one graph from joint positions to probabilities, for onnxruntime; torch: "
                      "from cut windows to probabilities, for torch.export.load")  # fmt: skip
    command.add_argument("--int8", action="store_true", help="with onnx: weights of eight bits; what that costs in "
                      "accuracy is measured on the run's test recordings")  # fmt: skip
    command.add_argument("--stateful", action="store_true", help="with onnx: a graph that takes a frame and a state, "
                      "and gives probabilities and the next state; for networks that need the past only "
                      "(experiment=live features=live)")  # fmt: skip
    command.add_argument("--best", action="store_true", help="of a sweep take the size that compare recommends, and "
                      "its run with the best result on validation people; test people have no say")  # fmt: skip
    add_trust_option(command)
    return command


def run(arguments: list[str]) -> int:
    """Writes the file.

    Returns:
        0 when it is written.

    Raises:
        GesturelabError: If the run cannot be used, or the file cannot be written.
    """
    command = build_parser()
    options = command.parse_args(arguments)
    if options.int8 and options.format != "onnx":
        command.error("--int8 needs --format onnx")
    if options.stateful and (options.format != "onnx" or options.int8):
        command.error("--stateful needs --format onnx, without --int8")
    folder = cast(Path, options.run)
    output = cast(Path, options.output or Path(NAMES[options.format]))

    from gesturelab.export.best_run import best_run
    from gesturelab.export.load import load, model_of, run_of, write_bundle
    from gesturelab.files import sha256

    if options.best:
        choice = best_run(folder)
        print("\n".join(choice.why))
        source = choice.run
    else:
        source = None if folder.is_file() else run_of(folder)
    trusted = cast(list[str], options.trust)
    model = load(folder, trusted) if source is None else model_of(source, trusted)
    for text in model.warnings:
        print(text)
    people = model.contents.facts["data"].get("groups", {})
    if people and not model.contents.facts["data"].get("synthetic"):
        print(f"The file holds the ids of {len(people)} people, and their groups: they should be codes, not names.")
    if options.format == "onnx":
        _write_onnx(source, model, output, trusted, int8=options.int8, stateful=options.stateful)
    elif options.format == "torch":
        _write_program(source, model, output, trusted)
    else:
        write_bundle(model, output)
    path = folder if source is None else source.path
    print(f"{path.as_posix()} ({model.contents.size}) -> {output.as_posix()}: {output.stat().st_size / 1e6:.2f} MB, "
          f"SHA-256 {sha256(output)}")  # fmt: skip
    return 0


def _evidence(source: "RunDir | None", model: "Model", trusted: list[str]) -> "Evidence":
    from gesturelab.export.program import evidence, random_motion

    return random_motion(model) if source is None else evidence(source, model, trust=trusted)


def _write_program(source: "RunDir | None", model: "Model", output: Path, trusted: list[str]) -> None:
    from gesturelab.export.program import write_program

    shown = _evidence(source, model, trusted)
    difference = write_program(model, output, shown)
    print(f"checked on the windows of {shown.what}: probabilities differ by {difference:.1e} at most")


def _write_onnx(
    source: "RunDir | None", model: "Model", output: Path, trusted: list[str], *, int8: bool, stateful: bool
) -> None:
    try:
        from gesturelab.export.onnx_file import checked, checked_steps, eight_bits, write_graph
    except ModuleNotFoundError as error:
        raise ConfigError(f"--format onnx needs the package {error.name}: pip install 'gesturelab[export]'") from error
    shown = _evidence(source, model, trusted)
    graph, difference = (checked_steps if stateful else checked)(model, shown)
    print(f"checked on {shown.what}: probabilities differ by {difference:.1e} at most")
    if int8:
        graph, cost = eight_bits(graph, model, shown)
        print(f"int8: accuracy {cost.after:.1%}, was {cost.before:.1%}; {cost.changed:.1%} of the answers are others, "
              f"probabilities differ by {cost.difference:.2g} at most")  # fmt: skip
    write_graph(graph, output)
