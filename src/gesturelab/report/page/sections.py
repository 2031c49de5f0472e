"""The parts of the page that are read: verdict, tables, configurations."""

from collections.abc import Iterator, Sequence
from typing import Any

from gesturelab.config.saved import MAX_BYTES
from gesturelab.evaluation.metrics import CORRECTNESS, Metric, primary_metric
from gesturelab.files import read_text, why
from gesturelab.report import cost_words, findings, joined_words, words
from gesturelab.report.collect import Finished
from gesturelab.report.page.html import Cell, paragraphs, table, text
from gesturelab.report.words import count, duration, of_row, percent
from gesturelab.runs.folder import RunDir

PARTS = ("by_group", "by_correctness", "by_group_and_correctness", "by_posture", "by_gesture")


def verdict(report: dict[str, Any]) -> str:
    """What the runs say, and what must be known first, group by group."""
    joined = {item["group"]: item for item in report["joined"]}
    recommendations = {item["group"]: item for item in report["recommendations"]}
    return "".join(
        _verdict(group, joined.get(group["group"]), recommendations[group["group"]], len(report["groups"]) > 1)
        for group in report["groups"]
    ) + paragraphs(words.apart(report["groups"]))


def _verdict(
    group: dict[str, Any], item: dict[str, Any] | None, recommendation: dict[str, Any], several: bool
) -> str:  # fmt: skip
    results: list[dict[str, Any]] = item["results"] if item else []
    partial = [joined_words.completeness(result) for result in joined_words.told(results) if result["partial"]]
    warned = paragraphs([*group["warnings"], *partial], "warning")
    said = f"<h3>{text(words.heading(group))}</h3>\n" if several else f"<p>{text(words.heading(group))}</p>\n"
    said += warned
    if results:
        said += '<div class="cards">' + "".join(map(_card, results)) + "</div>\n"
    else:
        chosen = recommendation["recommended"]
        said += f'<div class="cards">{_plain_card(chosen, group)}</div>\n' if chosen else ""
    lines = item["verdict"] if item else []
    said += paragraphs(lines, "lead") + paragraphs(words.recommendation(recommendation, bool(lines)))
    beside = item["beside_peers"] if item else []
    return said + paragraphs([*beside, words.people(group)])


def _card(result: dict[str, Any]) -> str:
    target = joined_words.target_of(result)
    metric = primary_metric(target)
    whole, value = result["all"], result["all"][metric.name]
    between = (
        "no interval" if value["low"] is None else f"95 % interval {percent(value['low'])} to {percent(value['high'])}"
    )
    mark = "PARTIAL, " if result["partial"] else ""
    return _boxed(
        result["candidate"],
        percent(value["value"]),
        f"{metric.title}; {mark}{whole['recordings']:,} recordings of {whole['people']} people, {between}",
    )


def _plain_card(chosen: dict[str, Any], group: dict[str, Any]) -> str:
    return _boxed(
        chosen["candidate"],
        percent(chosen["test_accuracy"]),
        f"{primary_metric(group['target']).title} of test recordings, not joined",
    )


def _boxed(name: str, number: str, said: str) -> str:
    return f'<div class="card"><b>{text(name)}</b><strong>{text(number)}</strong><span>{text(said)}</span></div>'


def tables(report: dict[str, Any]) -> str:
    """Every number, in tables that sort."""
    return "".join(
        [
            *(_joined(item, report) for item in report["joined"] if item["results"] or item["left_out"]),
            *(_cost(item, report) for item in report["costs"] if cost_words.worth_showing(item)),
            table("Runs", RUN_COLUMNS, map(_run, report["runs"])),
            paragraphs(findings.lines(report["runs"])),
            *_correctness(report),
            *_overfitting(report),
            *_unfinished(report),
        ]
    )


def _joined(item: dict[str, Any], report: dict[str, Any]) -> str:
    where = f", group {item['group']}" if len(report["groups"]) > 1 else ""
    results = item["results"]
    columns = ("size", "part", *joined_words.part_columns(item)[1:])
    made = ""
    if results:
        metrics = joined_words.columns_of(results)
        made += table(
            f"Folds joined{where}, in per cent", columns, (row for one in results for row in _parts(one, metrics))
        )
        made += paragraphs([joined_words.part_note(item)])
        for result in joined_words.told(results):
            made += paragraphs([joined_words.completeness(result), joined_words.confidence(result)])
            made += paragraphs(f"{result['candidate']}: {note}." for note in result["notes"])
        names = [f"{result['candidate']}, accuracy in per cent" for result in results]
        made += table(f"By person{where}", ("person", "group", "recordings", *names), _people(results))
    if item["pairs"]:
        made += table(f"Sizes against each other{where}", joined_words.PAIR_COLUMNS, joined_words.pairs(item))
        made += paragraphs([joined_words.pair_note(item), joined_words.ranks(item)])
    return made + paragraphs(f"Not joined: {left['run']}: {left['reason']}" for left in item["left_out"])


def _cost(item: dict[str, Any], report: dict[str, Any]) -> str:
    where = f", group {item['group']}" if len(report["groups"]) > 1 else ""
    return _sortable_cost(item, where) + paragraphs(cost_words.notes(item))


def _sortable_cost(item: dict[str, Any], where: str) -> str:
    """Times are sorted by seconds, not by what they begin with."""
    made: list[list[Cell]] = []
    for row, cells in zip(item["rows"], cost_words.rows(item), strict=True):
        line: list[Cell] = list(cells)
        line[4] = (cells[4], row["seconds"])
        made.append(line)
    return table(f"Accuracy against cost{where}", cost_words.columns(item), made)


def _parts(result: dict[str, Any], metrics: Sequence[Metric]) -> Iterator[tuple[str, ...]]:
    named = [("", "everybody", result["all"])]
    if result["ensemble"]:
        named.append(("", f"ensemble of {len(result['seeds'])} seeds", result["ensemble"]))
    of_gesture = joined_words.target_of(result) == "gesture"
    for kind in PARTS if of_gesture else [one for one in PARTS if "correctness" not in one]:
        if len(result[kind]) > 1 or kind == "by_group":
            named += [(kind, name, part) for name, part in result[kind].items()]
    for kind, name, part in named:
        one_class = kind == "by_gesture" and joined_words.target_of(result) == "gesture"
        shown = metrics[:1] if one_class else metrics  # the others need several gestures
        scores = [joined_words.metric_cell(part, metric) if metric in shown else "" for metric in metrics]
        yield result["candidate"], name, str(part["people"]), f"{part['recordings']:,}", *scores


def _people(results: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for person in sorted({person for result in results for person in result["by_person"]}):
        found = [result["by_person"].get(person) for result in results]
        one = next(part for part in found if part)
        shown = ("" if part is None else f"{100 * part['accuracy']:.1f}" for part in found)
        yield person, one["group"] or "", str(one["recordings"]), *shown


RUN_COLUMNS = (
    "#", "run", "name", "size", "parameters", "split", "seed", "train", "validation", "test", "test loss", "time",
    "epochs", "warnings", "findings",
)  # fmt: skip


def _run(row: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        str(row["run"]),
        row["folder"],
        row["name"],
        row["candidate"],
        (count(row["parameters"]), row["parameters"]),
        row["split"],
        str(row["seed"]),
        *(percent(of_row(row, side)) for side in ("train", "validation", "test")),
        f"{row['test_recording_loss']:.3f}",
        (duration(row["seconds"]), row["seconds"]),
        str(row["epochs"]),
        row["flags"],
        row["findings"],
    )


CORRECTNESS_COLUMNS = {
    "balanced accuracy": "test_recording_balanced_accuracy",
    "length alone": "length_balanced_accuracy",
    "majority class": "majority_balanced_accuracy",
    "sensitivity": "test_sensitivity",
    "specificity": "test_specificity",
    "ROC AUC": "test_roc_auc",
    "accuracy": "test_recording_accuracy",
}


def _correctness(report: dict[str, Any]) -> Iterator[str]:
    rows = [row for row in report["runs"] if row["target"] == CORRECTNESS]
    if rows:
        cells = (
            (str(row["run"]), row["candidate"], *(percent(row[key]) for key in CORRECTNESS_COLUMNS.values()))
            for row in rows
        )
        yield table("Correct or incorrect, test recordings of each run", ("#", "size", *CORRECTNESS_COLUMNS), cells)
        yield paragraphs([words.BALANCED])


def _overfitting(report: dict[str, Any]) -> Iterator[str]:
    if found := words.singles(report):
        models = {row["run"]: row["candidate"] for row in report["runs"]}
        columns = ("#", "size", "gap (recordings)", "gap (windows)", "overfitting", "try")
        rows = (
            (
                str(one["run"]),
                models[one["run"]],
                percent(one["recording_gap"]),
                percent(one["window_gap"]),
                one["band"],
                one["advice"] or "",
            )
            for one in found
        )
        yield table("Overfitting", columns, rows)
        yield paragraphs(words.overfitting(report))


def _unfinished(report: dict[str, Any]) -> Iterator[str]:
    if report["unfinished"]:
        rows = ((one["path"], one["state"], one["reason"]) for one in report["unfinished"])
        yield table("Not compared", ("run", "state", "reason"), rows)


def configurations(runs: Sequence[Finished]) -> str:
    """Every run's configuration, closed until asked for."""
    return "".join(map(_configuration, runs))


def _configuration(run: Finished) -> str:
    try:
        said = read_text(RunDir(run.path, run.info["model"]["size"]).config, MAX_BYTES)
    except (OSError, ValueError) as error:
        said = f"config.yaml cannot be read: {why(error)}"
    summary = f"{run.label}: {run.info['name']}, {run.info['model']['size']}, seed {run.info['seed']}"
    return f"<details><summary>{text(summary)}</summary><pre>{text(said)}</pre></details>\n"
