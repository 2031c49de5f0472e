"""``gesturelab doctor``: finds what is wrong with this machine and this installation, and what to do about it."""

import argparse
import json
import math
import shutil
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesturelab.cli.options import number_type

if TYPE_CHECKING:
    from gesturelab.doctor.facts import Facts, Finding

SECONDS, SEARCH_SECONDS = 30.0, 90.0
MARKS = {"ok": "ok", "warning": "WARNING", "failure": "FAILURE"}


def run(arguments: list[str]) -> int:
    """Prints a finding for each check, or JSON.

    Returns:
        0 when all is well or there are only warnings, 1 when there is a failure.

    Raises:
        GesturelabError: If the configuration is wrong.
    """
    parser = argparse.ArgumentParser(
        prog="gesturelab doctor",
        description="Look at versions, devices, drivers, Slurm, folders and threads; compute a training step of each "
        "size on the device and compare it with float64 on the CPU. Exit status 1 when a training would fail or be "
        "wrong, 0 otherwise, also with warnings.",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="as for gesturelab train, such as model=large"
    )
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="a folder with options of your own")
    parser.add_argument(
        "--seconds",
        type=number_type(above=0),
        metavar="S",
        help="compute any size that S seconds leave time for, and search so long for the largest right batch; else the "
        f"configured size and small ones, {SECONDS:g} s, and {SEARCH_SECONDS:g} s",
    )
    parser.add_argument(
        "--largest-batch",
        action="store_true",
        help="search for the largest batch that is right on this device; on AMD GPUs, or where a GPU is wrong, it is "
        "searched anyway",
    )
    parser.add_argument("--all-sizes", action="store_true", help="compute every size, however long it takes")
    parser.add_argument("--json", action="store_true", help="print findings and facts as JSON")
    options = parser.parse_intermixed_args(arguments)
    try:
        from gesturelab.cli.hydra_errors import plain_errors
        from gesturelab.config.composing import compose
        from gesturelab.doctor.checks import examine, worst
        from gesturelab.doctor.child import Request
        from gesturelab.doctor.facts import Verdict
        from gesturelab.doctor.machine import probe
    except ImportError as error:  # a broken installation is what this command is for
        problem = f"gesturelab cannot be imported: {error}"
        remedy = "make install, or pip install gesturelab, in this environment"
        if options.json:
            finding = {"name": "packages", "verdict": "failure", "found": problem, "do": remedy}
            print(json.dumps({"verdict": "failure", "findings": [finding], "facts": None}, indent=2))
        else:
            print(f"{MARKS['failure']:<9}packages: {problem}\n{'':<9}-> {remedy}")
        return 1
    overrides: list[str] = list(options.overrides)
    if options.config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{Path(options.config_dir).absolute()}]")
    with plain_errors():
        config = compose(overrides)
    limit = None if options.all_sizes else options.seconds or SECONDS
    request = Request(
        overrides,
        limit,
        options.all_sizes or options.seconds is not None,
        options.seconds or SEARCH_SECONDS,
        options.largest_batch,
    )
    facts = probe(config, request, _print_progress)
    findings = examine(facts)
    if options.json:
        values = {"verdict": worst(findings), "findings": [asdict(each) for each in findings], "facts": asdict(facts)}
        print(json.dumps(_finite(values), indent=2, allow_nan=False))
    else:
        _print(facts, findings)
    return 1 if worst(findings) == Verdict.failure else 0


def _print_progress(size: str) -> None:
    """Prints on a terminal what is being computed; the next line replaces it."""
    if sys.stderr.isatty():
        print(f"\r\033[Kcomputing with size {size} ..." if size else "\r\033[K", end="", file=sys.stderr, flush=True)


def _print(facts: "Facts", findings: "list[Finding]") -> None:
    width = max(shutil.get_terminal_size((100, 24)).columns, 40)
    request = facts.asked
    print(
        f"gesturelab doctor: model={request.model}, trainer.device={request.device}, {request.precision} precision, "
        f"batches of {request.batch} windows of {request.frames} frames\n"
    )
    for each in findings:
        lines = [f"{MARKS[each.verdict]:<9}{each.name}: {each.found}", *([f"{'':<9}-> {each.do}"] if each.do else [])]
        for line in lines:
            print(textwrap.fill(line, width, subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False))
    counts = {mark: sum(each.verdict == mark for each in findings) for mark in MARKS}
    warnings, failures = counts["warning"], counts["failure"]
    print(f"\n{counts['ok']} ok, {warnings} warning{'s' * (warnings != 1)}, {failures} failure{'s' * (failures != 1)}")


def _finite(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
