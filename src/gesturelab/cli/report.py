"""``gesturelab report``: finished runs as one HTML page."""

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gesturelab.cli.options import add_latency_option, choose_measure
from gesturelab.errors import GesturelabError, RunError

if TYPE_CHECKING:
    from gesturelab.datasets.recording import Dataset
    from gesturelab.evaluation.explanation import Explanation
    from gesturelab.report.collect import Finished
    from gesturelab.report.groups import Candidate
    from gesturelab.report.player import Explain, Motion, Motions


def run(arguments: list[str]) -> int:
    """Writes the page.

    Returns:
        0 when it is written.

    Raises:
        RunError: If there is no finished run, or the file cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="gesturelab report",
        description="Write one HTML page of finished runs that needs no other file and no network: verdict, tables "
        "that sort, pictures, configurations, and a player of test recordings, misclassified ones first.",
    )
    parser.add_argument("dirs", nargs="+", metavar="SWEEP", type=Path, help="folders of runs")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, default=Path("report.html"), help="the page "
                        "(default: report.html)")  # fmt: skip
    parser.add_argument("--data-root", metavar="DIR", help="where the data are, if not where the runs found them")
    parser.add_argument("--explain", action="store_true", help="show in the player which joints and moments carried "
                        "each answer; every run is asked again, which takes seconds a size")  # fmt: skip
    add_latency_option(parser)
    options = parser.parse_args(arguments)
    dirs, output = cast(list[Path], options.dirs), cast(Path, options.output)

    from gesturelab.files import write_text
    from gesturelab.report.comparison import compare
    from gesturelab.report.page import render_page

    comparison = compare(dirs, measure=choose_measure(options), trust=options.trust)
    if not comparison.groups:
        raise RunError(f"no finished run in {', '.join(map(str, dirs))}: make one with 'gesturelab train'")
    groups = [group.group for group in comparison.groups]
    datasets = {group.basis.fingerprint: _load(group.runs, options.data_root) for group in groups}
    motions = {key: each if isinstance(each, str) else _finder(each) for key, each in datasets.items()}
    explain = _explainer(datasets, options.trust) if options.explain else None
    write_text(output, render_page(comparison, motions, explain))
    for reason in {reason for reason in motions.values() if isinstance(reason, str)}:
        print(f"no player: {reason}")
    print(f"{output.as_posix()}: {len(comparison.runs)} runs, {output.stat().st_size / 1e6:.1f} MB")
    return 0


def _load(runs: "Sequence[Finished]", data_root: str | None) -> "Dataset | str":
    """The recordings of some runs, or why they are not there."""
    from gesturelab.config.saved import read_data_config
    from gesturelab.datasets.load import load
    from gesturelab.runs.folder import RunDir

    first = runs[0]
    try:
        config = read_data_config(RunDir(first.path, first.info["model"]["size"]).config)
        if data_root is not None:
            config.move(data_root)
        dataset = load(config)
    except GesturelabError as error:
        return str(error)
    if dataset.fingerprint != first.info["data"]["fingerprint"]:
        return f"the {dataset.source} data are not those that the runs were made with (the fingerprint differs)"
    return dataset


def _finder(dataset: "Dataset") -> "Motions":
    from gesturelab.report.player import Motion

    places = {name: at for at, name in enumerate(dataset.names)}

    def find(name: str) -> "Motion | None":
        if name not in places:
            return None
        recording, skeleton = dataset[places[name]], dataset.skeleton
        joints, parents = skeleton.joints, skeleton.parents
        return Motion(recording.positions, recording.rate_hz, joints, parents, recording.group, recording.posture)

    return find


def _explainer(datasets: "Mapping[str, Dataset | str]", trust: "Collection[str]") -> "Explain":
    """Asks the first run of a size that tested a recording."""
    from gesturelab.evaluation.predictions import read_predictions
    from gesturelab.predict.explanation import explain_tested  # torch is slow to import
    from gesturelab.runs.folder import RunDir

    def explain(candidate: "Candidate", names: "Collection[str]") -> "tuple[dict[str, Explanation], str]":
        explanations: dict[str, Explanation] = {}
        reason = ""
        for finished in candidate.runs:
            run = RunDir(finished.path, candidate.size)
            dataset = datasets[finished.info["data"]["fingerprint"]]
            try:
                wanted = (set(read_predictions(run.predictions).names) & set(names)) - explanations.keys()
                if wanted and not isinstance(dataset, str):
                    explanations |= explain_tested(run, dataset, wanted, trust)
            except GesturelabError as error:
                reason = reason or str(error)
        return explanations, reason

    return explain
