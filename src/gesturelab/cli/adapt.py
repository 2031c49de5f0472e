"""``gesturelab adapt``: a model for one person."""

import argparse
from pathlib import Path

from gesturelab.cli.options import add_trust_option, count_type, number_type


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="gesturelab adapt",
        description="Adapt a model to one person, with a few recordings of each gesture, or of some, that the person "
        "has made. A recording that the model takes for a gesture without calibration is answered as before.",
    )
    add = command.add_argument
    add("model", metavar="MODEL", type=Path, help="what 'gesturelab export' wrote, or a run's folder")
    add("folder", metavar="FOLDER", type=Path, help="recordings of one person and their labels.csv, as data=folder")
    add("-o", "--output", metavar="FILE", type=Path, required=True, help="the file of the person's model")
    add("--repetitions", metavar="K", type=count_type, help="use the earliest K recordings of each "
        "gesture, in order of file names (default: all)")  # fmt: skip
    add("--only", action="store_true", help="the person makes no other gestures than these: no other is answered")
    add("--rate", metavar="HZ", type=number_type(above=0), help="frames a second, as for predict")
    add("--skeleton", metavar="NAME", help="whose joints the files name, as for predict")
    add_trust_option(command)
    return command


def run(arguments: list[str]) -> int:
    """Writes the file.

    Returns:
        0 when it is written.

    Raises:
        GesturelabError: If model or recordings cannot be used, or the file cannot be written.
    """
    options = build_parser().parse_args(arguments)
    from gesturelab.export.load import load, write_bundle
    from gesturelab.predict.adaptation import adapt

    model = load(options.model, options.trust)
    for text in model.warnings:
        print(text)
    adapted = adapt(
        model,
        options.folder,
        repetitions=options.repetitions,
        only=options.only,
        skeleton=options.skeleton,
        rate_hz=options.rate,
    )
    write_bundle(adapted, options.output)
    adaptation = adapted.contents.adaptation
    assert adaptation is not None
    print(f"adapted to {adaptation.person}: {sum(adaptation.recordings.values())} recordings of "
          f"{len(adaptation.recordings)} of {len(adapted.classes)} classes -> {options.output.as_posix()}")  # fmt: skip
    left = [name for name in adapted.classes if name not in adaptation.recordings]
    if left:
        print(f"{'never answered' if options.only else 'answered as before'}: {', '.join(left)}")
    return 0
