"""The tables of a comparison with what stands below them, for console, Markdown and page alike."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gesturelab.evaluation.adaptation import NEAREST, ONLY, WITHOUT, AdaptationScore
from gesturelab.evaluation.detection import FALSE_AN_HOUR, REST_AN_HOUR, Detections, score_detections
from gesturelab.evaluation.learning_curve import AXES, LearningCurve
from gesturelab.evaluation.metrics import (
    CORRECTNESS,
    GESTURE,
    RESERVED,
    Metric,
    metric_named,
    primary_metric,
    table_metrics,
)
from gesturelab.evaluation.pairs import Pair, Ranks
from gesturelab.evaluation.result import Value
from gesturelab.evaluation.unknown import NONE_OF_THESE
from gesturelab.report import texts
from gesturelab.report.groups import Candidate
from gesturelab.report.learning_curve import describe_checks, describe_gains, number_of
from gesturelab.report.results import (
    BASELINE_SCORES,
    BASELINES,
    PARTS,
    CandidateResult,
    Comparison,
    Cost,
    CostRow,
    CrossValidationResult,
    DatasetsResult,
    GroupComparison,
    RunRow,
)
from gesturelab.report.texts import ACCURACY, count, duration, interval, percent

Cell = str | tuple[str, float]
"""A text, or a text with the number that it is sorted by."""

MOST_INTERVALS = 3
"""Columns of intervals that a console of 100 columns holds."""

EVERYBODY = "everybody"
"""The part that holds all recordings."""


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        caption: What it shows.
        columns: Headings.
        rows: As many cells each as there are columns.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def numeric(self) -> list[bool]:
        """The columns whose cells all begin with a number or have one to sort by, apart from empty ones and dashes."""
        columns = [[row[at] for row in self.rows if row[at] != ""] for at in range(len(self.columns))]
        return [bool(column) and all(cell == "-" or number(cell) is not None for cell in column) for column in columns]


Block = Table | str
"""A table or a paragraph."""


def shown(cell: Cell) -> str:
    """The text of a cell."""
    return cell if isinstance(cell, str) else cell[0]


def number(cell: Cell) -> float | None:
    """What a cell is sorted by: the number that it begins with, None where there is none.

    >>> number("91.2 (85.0-95.5)"), number("507,874"), number("<0.001"), number(("2 M", 2e6)), number("tiny")
    (91.2, 507874.0, 0.001, 2000000.0, None)
    """
    if isinstance(cell, tuple):
        return cell[1]
    try:
        value = float(cell.split(" ")[0].replace(",", "").lstrip("<#"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def summary_table(comparison: Comparison, *, narrow: bool = False) -> Table:
    """One line a candidate: how accurate, how far overfitted, at what cost.

    Args:
        comparison: Of one group or several.
        narrow: For a console of 100 columns: where there are several groups, the gap is not put in words.
    """
    lines = [line for group in comparison.groups for line in group.summaries()]
    columns = ("group", "model", "parameters", "train", "test", "gap", "band", "time", "marks")
    left_out = "group" if not comparison.several else "band" if narrow else ""
    kept = [at for at, column in enumerate(columns) if column != left_out]
    rows = [
        (
            str(line.group),
            line.candidate,
            "" if line.parameters is None else count(line.parameters),
            percent(line.train),
            interval(Value(value=line.test, low=line.low, high=line.high), unit=" %" * (line.test is not None)),
            percent(line.gap),
            line.band,
            "" if line.seconds is None else duration(line.seconds),
            ", ".join(line.marks),
        )
        for line in lines
    ]
    return Table("Candidates", tuple(columns[at] for at in kept), tuple(tuple(row[at] for at in kept) for row in rows))


UNSEEN = ("validation", "test")

RUN_COLUMNS = (
    "#", "run", "name", "model", "parameters", "seed", "train (recordings)", "validation (recordings)",
    "test (recordings)", "train (windows)", "test (windows)", "train loss (recordings)", "test loss (recordings)",
    "train loss (windows)", "test loss (windows)", "time", "epochs", "data", "split", "flags", "findings",
)  # fmt: skip


def run_table(rows: Sequence[RunRow], caption: str = "Runs") -> Table:
    """One line a run, with everything."""

    def cells(row: RunRow) -> tuple[Cell, ...]:
        train, train_windows = texts.train_score(row), texts.train_score(row, "window")
        others = (percent(row.score("validation")), percent(row.score("test")))
        scores = (train, *others, train_windows, percent(row.score("test", "window")))
        return (
            str(row.run), row.folder, row.name, row.candidate, (count(row.parameters), row.parameters), str(row.seed),
            *scores, *_losses(row), (duration(row.seconds), row.seconds),
            str(row.epochs), row.data, row.split, row.flags, row.findings,
        )  # fmt: skip

    return Table(caption, RUN_COLUMNS, tuple(map(cells, rows)))


def _losses(row: RunRow) -> list[str]:
    places = [f"{subset}_{level}_loss" for level in ("recording", "window") for subset in ("train", "test")]
    return [f"{row.scores[place]:.4f}" for place in places]


def accuracy_table(group: GroupComparison) -> Table:
    """The accuracies of runs, narrow."""
    columns = ("#", "model", "parameters", "seed", *_levels("valid.", ("train", "validation", "test")))
    several = any(row.candidate != row.model for row in group.runs)
    rows = (
        (
            str(row.run), row.candidate if several else row.model, count(row.parameters), str(row.seed),
            *(cell for level in ("recording", "window")
              for cell in (texts.train_score(row, level), *(percent(row.score(each, level)) for each in UNSEEN))),
        )
        for row in group.runs
    )  # fmt: skip
    return Table("Accuracies", columns, tuple(rows))


def training_table(group: GroupComparison) -> Table:
    """The trainings of runs and their losses, narrow."""
    columns = ("#", "run", "name", "time", "epochs", *_levels("", ("train", "test"), "loss\n"))
    rows = (
        (
            str(row.run), row.folder, row.name, (duration(row.seconds), row.seconds), str(row.epochs), *_losses(row),
        )
        for row in group.runs
    )  # fmt: skip
    return Table("Trainings", columns, tuple(rows))


def _levels(validation: str, subsets: Sequence[str], what: str = "") -> list[str]:
    short = {"validation": validation}
    return [f"{level}\n{what}{short.get(subset, subset)}" for level in ("rec.", "win.") for subset in subsets]


def table_columns(target: str, names: Iterable[str]) -> list[Metric]:
    """The metrics that have a column: of the registry's those among the names, the primary one first; users' own last.

    >>> [metric.name for metric in table_columns("gesture", ["loss", "mine", "macro_f1", "accuracy"])]
    ['accuracy', 'macro_f1', 'mine']
    """
    known = dict.fromkeys(names)
    own = (metric_named(name, target) for name in known if name not in RESERVED)
    return [*(metric for metric in table_metrics(target) if metric.name in known), *own]


def metric_blocks(rows: Sequence[RunRow]) -> list[Block]:
    """All metrics of the test recordings of runs; of correct or incorrect beside what one gets for nothing."""
    blocks: list[Block] = []
    for target in dict.fromkeys(row.target for row in rows):
        chosen = [row for row in rows if row.target == target]
        first, *others = table_columns(target, (name for row in chosen for name in row.metrics))
        baselines = dict(zip(BASELINES.values(), BASELINE_SCORES, strict=True)) if target == CORRECTNESS else {}
        cells = (
            (
                str(row.run), row.candidate, texts.metric_value(row.metrics.get(first.name), first),
                *(percent(row.scores[key]) for key in baselines.values()),
                *(texts.metric_value(row.metrics.get(metric.name), metric) for metric in others),
            )
            for row in chosen
        )  # fmt: skip
        columns = ("#", "model", first.title, *baselines, *(metric.title for metric in others))
        task = "Correct or incorrect" if target == CORRECTNESS else "Metrics"
        blocks.append(Table(f"{task}, test recordings of each run", columns, tuple(cells)))
        blocks += [texts.BALANCED] if target == CORRECTNESS else []
    return blocks


def group_blocks(group: GroupComparison, several: bool, *, narrow: bool = False) -> Iterator[Block]:
    """The folds of a group joined, then what its candidates cost.

    Args:
        group: Of runs that may be compared.
        several: Whether there are others, so that captions say which this is.
        narrow: For a console: fewer columns, and intervals of the first scores only.
    """
    where = f", group {group.number}" if several else ""
    joined = group.cross_validation
    if joined is not None and joined.results:
        headings = [metric.heading or metric.title for metric in _metrics(joined)]
        labels = [result.candidate for result in joined.results]
        parts, details = tuple(part_rows(joined, PARTS[:3] if narrow else PARTS)), tuple(detail_rows(joined.results))
        part_columns, detail_columns = ("model", "part", "people", "rec.", *headings), ("by", "which", "group", "rec.")
        if narrow:
            whole = 4 if group.target == "gesture" else 3
            parts = tuple(
                (
                    model if part == EVERYBODY else f"  {part}",
                    *row[:whole],
                    *(cell.split(" (")[0] for cell in row[whole:]),
                )
                for model, part, *row in parts
            )
            details = tuple(
                (f"{by} {which} ({who})" if who else f"{by} {which}", *row) for by, which, who, *row in details
            )
            part_columns, detail_columns = ("", *part_columns[2:]), (f"{detail_name(group)}, %", "rec.")
        whose = "Folds joined" if group.group.folded else "Named test people"
        yield Table(f"{whose}{where}, in per cent", part_columns, parts)
        yield texts.part_note(group.target)
        yield from texts.about_results(joined)
        caption = f"By posture, gesture and person{where}: {detail_name(group)} in per cent"
        yield Table(caption, (*detail_columns, *labels), details)
    if joined is not None:
        yield from pair_blocks(joined.pairs, joined.ranks, group.target, where)
        for run in joined.left_out:
            yield texts.not_joined(run)
    yield from cost_blocks(group.cost, where)


def pair_blocks(pairs: Sequence[Pair], ranks: Ranks | None, target: str, where: str = "") -> Iterator[Block]:
    """The candidates against each other."""
    if pairs and ranks:
        columns = ("pair", "difference in points", "effect", "p", "Holm", "verdict")
        rows = (
            (
                f"{pair.first} minus {pair.second}",
                f"{texts.points(pair.difference)} ({texts.points(pair.low)} to {texts.points(pair.high)})",
                f"{pair.effect:+.2f}",
                texts.p_value(pair.p),
                texts.p_value(pair.adjusted),
                "different" if pair.distinguishable else "not distinguishable",
            )
            for pair in pairs
        )
        yield Table(f"Models against each other{where}", columns, tuple(rows))
        yield texts.pair_note(pairs[0], target)
        yield texts.mean_ranks(ranks)


def datasets_table(across: DatasetsResult, *, narrow: bool = False) -> Table:
    """Models by datasets, the best mean rank first.

    Args:
        across: Models on several datasets.
        narrow: For a console of 100 columns: no parameters, no interval of the mean, and of more than three datasets
            none at all; devices only where they differ.
    """
    plain = narrow and len(across.datasets) > MOST_INTERVALS
    devices = not narrow or len({row.devices for row in across.rows}) > 1
    columns = ("model", *across.datasets, "mean", "rank", *["parameters"] * (not narrow), "time", *["device"] * devices)
    rows = (
        (
            f"{row.model} (peer)" if row.peer else row.model,
            *(ACCURACY.show(value["value"]) if plain else interval(value) for value in row.values),
            ACCURACY.show(row.mean["value"]) if narrow else interval(row.mean),
            f"{row.rank:.2f}",
            *([] if narrow else [(count(row.parameters), row.parameters)]),
            (duration(row.seconds), row.seconds),
            *([", ".join(row.devices)] if devices else []),
        )
        for row in across.rows
    )
    return Table("Accuracy on each dataset, in per cent", columns, tuple(rows))


def datasets_blocks(comparison: Comparison) -> Iterator[Block]:
    """The models on several datasets, and against each other over the people of all; nothing of one dataset."""
    if (across := comparison.across) is not None:
        yield datasets_table(across)
        yield texts.DATASETS
        yield from texts.training_times(across.seconds_differ)
        yield from pair_blocks(across.pairs, across.ranks, GESTURE, ", over the people of all datasets")


def curve_table(curve: LearningCurve) -> Table:
    """A row for each number of training people, a column for each model."""
    rows: list[tuple[Cell, ...]] = []
    for count_ in sorted({point.count for model in curve.models for point in model.points}):
        found = [next((point for point in model.points if point.count == count_), None) for model in curve.models]
        trainings = [point.trainings for point in found if point]
        draws = "-".join(map(str, sorted({min(trainings), max(trainings)})))
        values = [interval(point.accuracy) if point else "" for point in found]
        rows.append((number_of(count_), draws, *values))
    caption = f"Accuracy of recordings of {curve.people} unseen people, in per cent: {curve.data}"
    return Table(caption, (AXES[curve.axis], "draws", *(model.model for model in curve.models)), tuple(rows))


def curve_blocks(comparison: Comparison) -> Iterator[Block]:
    """The learning curves, and how well the points before the last predict it."""
    for curve in comparison.curves:
        yield from describe_gains(curve)
        yield curve_table(curve)
        yield from describe_checks(curve)


ADAPTATION_COLUMNS = {"": "adapted", ONLY: "--only", NEAREST: "baseline", WITHOUT: "not calibrated"}
"""By the way to use the calibrating recordings."""


def adaptation_table(caption: str, scores: Sequence[AdaptationScore]) -> Table:
    """A row for each part of the test recordings and number of repetitions, a column for each way to use them."""
    values = {(score.part, score.repetitions, score.way): interval(score.accuracy) for score in scores}
    rows = (
        (
            "  " * (len(score.part) - 1) + (score.part or ("all",))[-1], str(score.people), f"{score.recordings:,}",
            str(score.repetitions),
            *(values.get((score.part, score.repetitions, way), "-") for way in ADAPTATION_COLUMNS),
        )
        for score in scores
        if not score.way
    )  # fmt: skip
    columns = ("part", "people", "recordings", "repetitions", *ADAPTATION_COLUMNS.values())
    return Table(caption, columns, tuple(rows))


def segments_table(results: Sequence[tuple[GroupComparison, Candidate, Sequence[Detections]]]) -> Table:
    """How well each candidate finds gestures in untrimmed recordings of its test people."""
    rows: list[tuple[str, ...]] = []
    for group, candidate, detections in results:
        for way in dict.fromkeys(each.way for each in detections):
            own = [each for each in detections if each.way == way]
            scores = score_detections(own)
            an_hour = [scores.pop(name) for name in (FALSE_AN_HOUR, REST_AN_HOUR)]
            counts = (
                len({each.subject for each in own}),
                sum(each.true for each in own),
                sum(each.found for each in own),
            )
            rows.append(
                (candidate.label, " ".join((group.group.data, *group.group.flags)), way,
                 *(f"{number:,}" for number in counts), *(interval(score) for score in scores.values()),
                 *map(_an_hour, an_hour))
            )  # fmt: skip
    measures = ("precision", "recall", "F1", FALSE_AN_HOUR, REST_AN_HOUR)
    columns = ("model", "data", "by", "people", "gestures", "found", *measures)
    return Table("Gestures found in untrimmed recordings of test people", columns, tuple(rows))


def _an_hour(count: Value) -> str:
    """So many in an hour, with its interval."""
    if count["value"] is None:
        return "-"
    return f"{count['value']:.0f}" + ("" if count["low"] is None else f" ({count['low']:.0f}-{count['high']:.0f})")


def unknown_blocks(comparison: Comparison) -> Iterator[Block]:
    """How well movements that a model has never seen are told."""
    if comparison.unknown:
        scored = [(each.model, each.data, each.scores) for each in comparison.unknown]
        caption = "Unknown movements of unseen people, each gesture left out in turn: area under the ROC curve"
        columns = ("model", "data", "gestures", "people", "score", "maximum probability", "difference")
        rows = [
            (model, data, str(scores.gestures), str(scores.people), interval(scores.auroc),
             interval(scores.auroc_confidence), texts.signed(scores.above))
            for model, data, scores in scored
        ]  # fmt: skip
        yield f"{caption}, in per cent; means over the gestures, with 95 % intervals over people; 50 is a coin's."
        yield Table(caption, columns, tuple(rows))
        caption = f"By the threshold of validation people: refused is what is answered with {NONE_OF_THESE!r}."
        rows = [(model, data, interval(each.kept), interval(each.refused)) for model, data, each in scored]
        yield caption
        yield Table(caption, ("model", "data", "known kept", "unknown refused"), tuple(rows))


def part_rows(joined: CrossValidationResult, kinds: Sequence[str] = PARTS) -> Iterator[tuple[str, ...]]:
    """Each candidate's metrics on everybody and on parts of the recordings."""
    metrics = _metrics(joined)
    for result in joined.results:
        scores, of_gesture = cast(dict[str, Any], result.scores), result.target == "gesture"
        names = {"all": EVERYBODY, "ensemble": f"ensemble of {len(scores['seeds'])} seeds"}
        several = [kind for kind in kinds if len(scores[kind]) > 1 or kind == "by_group"]
        for kind, name, part in result.parts([kind for kind in several if of_gesture or "correctness" not in kind]):
            one_class = kind == "by_gesture" and of_gesture  # the other metrics need several gestures
            values = [
                interval(part[metric.name], metric) if metric.name in part and not (one_class and at) else ""
                for at, metric in enumerate(metrics)
            ]
            yield result.candidate, names.get(kind, name), str(part["people"]), f"{part['recordings']:,}", *values
            if kind == "all" and of_gesture:
                empty = [""] * (len(values) - 1)
                yield result.candidate, "mean over people", "", "", interval(part["person_accuracy"]), *empty


def _metrics(joined: CrossValidationResult) -> list[Metric]:
    return table_columns(joined.results[0].target, (name for result in joined.results for name in result.scores["all"]))


def detail_name(group: GroupComparison) -> str:
    """What the table of postures, gestures and people shows; hardly anybody alone has a balanced accuracy."""
    return "accuracy" if group.target == "gesture" else "balanced accuracy; of people accuracy"


def detail_rows(results: Sequence[CandidateResult]) -> Iterator[tuple[str, ...]]:
    """Accuracy by posture, gesture and person: kind, name, group of a person, recordings, one value a candidate."""
    primary = primary_metric(results[0].target).name
    for kind in ("by_posture", "by_gesture", "by_person"):
        parts = [cast(dict[str, Any], result.scores)[kind] for result in results]
        names = list(dict.fromkeys(name for by_name in parts for name in by_name))
        for name in sorted(names) if kind == "by_person" else names:
            of_name = [by_name.get(name) for by_name in parts]
            first = next(part for part in of_name if part is not None)
            values = [
                part and (part["accuracy"] if kind == "by_person" else part[primary]["value"]) for part in of_name
            ]
            cells = [
                "" if part is None else "-" if value is None else f"{100 * value:.1f}"
                for part, value in zip(of_name, values, strict=True)
            ]
            group = (first["group"] or "") if kind == "by_person" else ""
            yield kind.removeprefix("by_"), name, group, str(first["recordings"]), *cells


def cost_blocks(cost: Cost, where: str = "") -> Iterator[Block]:
    """Accuracy against cost; nothing where there is nothing to choose."""
    if not cost.informative:
        return
    columns = ("model", f"{cost.score}, %", "parameters", "MFLOP", "training", "latency", "verdict")
    rows = (
        (
            row.candidate,
            interval(row.accuracy),
            f"{row.parameters:,}",
            "-" if row.flops_per_window is None else f"{row.flops_per_window / 1e6:,.1f}",
            (duration(row.seconds), row.seconds),
            "-" if row.latency_ms is None else texts.milliseconds(row.latency_ms),
            _judgement(row, cost),
        )
        for row in cost.rows
    )
    yield Table(f"Accuracy against cost{where}", columns, tuple(rows))
    yield from texts.costs(cost)


def _judgement(row: CostRow, cost: Cost) -> str:
    if row.peer:
        return "peer, PARTIAL" if row.partial else "peer"
    if row.apart:
        return "PARTIAL: other people, not judged"
    place = "Pareto-optimal" if row.beaten_by is None else f"beaten by {row.beaten_by}"
    place = f"PARTIAL; {place}" if row.partial else place
    return f"recommended; {place}" if row.candidate == cost.recommended else place


def overfitting_blocks(comparison: Comparison) -> list[Block]:
    """The gaps of runs that are not folds of a joined result."""
    rows = tuple(
        (
            str(row.run), str(row.group), row.candidate, str(row.seed), texts.train_score(row),
            percent(row.score("test")), percent(row.gap()), percent(row.gap("window")), row.band, row.flags,
        )
        for row in comparison.not_joined
    )  # fmt: skip
    columns = ("#", "group", "model", "seed", "train", "test", "gap", "gap of\nwindows", "band", "flags")
    return [Table("Overfitting", columns, rows), *texts.overfitting(comparison)] if rows else []


def unread_table(comparison: Comparison) -> Table:
    """What could not be compared, and why."""
    rows = tuple((str(run.path), run.state, run.reason) for run in comparison.unread)
    return Table("Not compared", ("run", "state", "reason"), rows)
