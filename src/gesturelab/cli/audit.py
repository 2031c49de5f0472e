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
    options = parser.parse_args(arguments)
    from gesturelab.runs.folder import find_runs

    runs = [run for folder in cast(list[Path], options.dirs) for run in find_runs(folder) if run.size]
    if not runs:
        raise RunError(f"no finished run in {', '.join(map(str, options.dirs))}: there is no info_<size>.json")
    from gesturelab.training.audit import audit  # brings torch

    failed = 0
    for saved_run in runs:
        print(f"{saved_run.path.as_posix()} ({saved_run.size})")
        try:
            checks = audit(saved_run, options.data_root)
        except (GesturelabError, LookupError, TypeError, ValueError) as error:  # of a damaged info file
            reason = str(error) if isinstance(error, GesturelabError) else f"{saved_run.info} is damaged: {error!r}"
            failed += 1
            print(f"  FAIL  the run can be checked: {reason}")
            continue
        for check in checks:
            failed += not check.passed
            mark, evidence = ("PASS", check.evidence) if check.passed else ("FAIL", check.found)
            print(f"  {mark}  {check.claim}: {evidence}")
    print("all checks passed" if not failed else f"{failed} checks FAILED")
    return 1 if failed else 0
