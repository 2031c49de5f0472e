"""``gesturelab train --help``; Hydra's own help takes 1.5 s to find the options, a look into the folders no time."""

from itertools import pairwise
from pathlib import Path

from gesturelab.config.store import conf_dir

HEAD = """\
gesturelab train trains one model size and tests it on people it has never seen.

Choose an option of a group with group=option, change a value with key=value."""

TAIL = """\
Examples
  gesturelab train                                              made-up recordings, smallest model
  gesturelab train data=irds data.root=PATH model=small         IntelliRehabDS
  gesturelab train -m model=tiny,small,medium seed=0,1,2        a sweep; then: gesturelab compare
  gesturelab train --cfg job                                    every key and its value
Your own options: put a file mine.yaml into a folder DIR/model/ and add --config-dir DIR model=mine.
What every key means: docs/reference/configuration.md. Other commands: gesturelab -h. Hydra's flags: --hydra-help."""


def show_help(arguments: list[str]) -> None:
    """Prints the options of every group, those in the user's own folder (``--config-dir``) too."""
    folders = [conf_dir(), *own_folders(arguments)]
    groups: dict[str, set[str]] = {}
    for path in (path for folder in folders for path in folder.glob("*/*.yaml")):
        groups.setdefault(path.parent.name, set()).add(path.stem)
    lines = [f"{group}: {', '.join(sorted(options))}" for group, options in sorted(groups.items())]
    print(HEAD, *lines, "", TAIL, sep="\n")


def own_folders(arguments: list[str]) -> list[Path]:
    """The user's folders of options: after ``--config-dir`` or ``-cd``, or in ``--config-dir=``."""
    after = [value for flag, value in pairwise(arguments) if flag in ("--config-dir", "-cd")]
    return [
        Path(each) for each in after + [each.split("=", 1)[1] for each in arguments if each.startswith("--config-dir=")]
    ]
