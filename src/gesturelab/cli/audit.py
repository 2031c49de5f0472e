"""``gesturelab audit``: proves from saved runs that nothing of the test subset was seen."""

import argparse
from pathlib import Path
from typing import cast

from gesturelab.errors import GesturelabError, RunError


def run(arguments: list[str]) -> int:
    """Checks every finished run below some folders, a line a check.

    Returns:
        0 when all checks pass, otherwise 1.

    A run that cannot be checked fails, with the reason; the others are checked all the same.

    Raises:
        GesturelabError: If there is no finished run.
    """
    parser = argparse.ArgumentParser(
        prog="gesturelab audit",
        description="Prove from saved runs that no person, recording or frame is in two subsets, and that scaler and "
        "early stopping saw training and validation people only. Exit status 1 when a check fails.",
    )
    parser.add_argument("dirs", nargs="+", type=Path, metavar="RUN", help="a run's folder, or one that holds runs")
    parser.add_argument("--data-root", metavar="DIR", help="where the data are, if not where the run found them")
    given = parser.parse_args(arguments)
    from gesturelab.runs.folder import find_runs

    runs = [run for folder in cast(list[Path], given.dirs) for run in find_runs(folder) if run.size]
    if not runs:
        raise RunError(f"no finished run in {', '.join(map(str, given.dirs))}: there is no info_<size>.json")
    from gesturelab.training.audit import audit  # brings torch

    failed = 0
    for one in runs:
        print(f"{one.path.as_posix()} ({one.size})")
        try:
            checks = audit(one, given.data_root)
        except (GesturelabError, LookupError, TypeError, ValueError) as error:  # of a damaged info file
            said = str(error) if isinstance(error, GesturelabError) else f"{one.info} is damaged: {error!r}"
            failed += 1
            print(f"  FAIL  the run can be checked: {said}")
            continue
        for check in checks:
            failed += not check.passed
            mark, said = ("PASS", check.evidence) if check.passed else ("FAIL", check.found)
            print(f"  {mark}  {check.claim}: {said}")
    print("all checks passed" if not failed else f"{failed} checks FAILED")
    return 1 if failed else 0
