"""The tables of a comparison with what stands below them, for console, Markdown and page alike."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gesturelab.evaluation.result import Part
from gesturelab.report import texts
from gesturelab.report.primary_metric import CORRECTNESS, lead
from gesturelab.report.results import (
    BASELINE_SCORES,
    CORRECTNESS_SCORES,
    PARTS,
    CandidateResult,
    Comparison,
    Cost,
    CostRow,
    CrossValidation,
    GroupComparison,
    RunRow,
)
from gesturelab.report.texts import count, duration, interval, percent

Cell = str | tuple[str, float]
"""A text, or a text with the number that it is sorted by."""

EVERYBODY = "everybody"
"""The part that holds all recordings."""

SHOWN = {
    "gesture": {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced",
        "macro_f1": "macro F1",
        "calibration_error": "ECE",
    },
    "correctness": {
        "balanced_accuracy": "balanced",
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        "roc_auc": "ROC AUC",
        "accuracy": "accuracy",
    },
}
"""The scores of the table of a cross-validation, the primary metric first, and what their columns are called."""


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


def summary_table(comparison: Comparison) -> Table:
    """One line a candidate: how accurate, how far overfitted, at what cost."""
    lines = [line for group in comparison.groups for line in group.summaries()]
    columns = ("group", "model", "parameters", "train", "test", "gap", "band", "time", "marks")
    rows = [
        (
            str(line.group),
            line.candidate,
            "" if line.parameters is None else count(line.parameters),
            percent(line.train),
            texts.score(line.test, line.low, line.high),
            percent(line.gap),
            line.band,
            "" if line.seconds is None else duration(line.seconds),
            ", ".join(line.marks),
        )
        for line in lines
    ]
    first = 0 if comparison.several else 1
    return Table("Candidates", columns[first:], tuple(row[first:] for row in rows))


RUN_COLUMNS = (
    "#", "run", "name", "model", "parameters", "seed", "train (recordings)", "validation (recordings)",
    "test (recordings)", "train (windows)", "test (windows)", "train loss (recordings)", "test loss (recordings)",
    "train loss (windows)", "test loss (windows)", "time", "epochs", "data", "split", "flags", "findings",
)  # fmt: skip


def run_table(rows: Sequence[RunRow], caption: str = "Runs") -> Table:
    """One line a run, with everything."""

    def cells(row: RunRow) -> tuple[Cell, ...]:
        scores = [row.score(subset) for subset in ("train", "validation", "test")]
        scores += [row.score(subset, "window") for subset in ("train", "test")]
        losses = [row.scores[f"{side}_{level}_loss"] for level in ("recording", "window") for side in ("train", "test")]
        return (
            str(row.run), row.folder, row.name, row.candidate, (count(row.parameters), row.parameters), str(row.seed),
            *map(percent, scores), *(f"{loss:.4f}" for loss in losses), (duration(row.seconds), row.seconds),
            str(row.epochs), row.data, row.split, row.flags, row.findings,
        )  # fmt: skip

    return Table(caption, RUN_COLUMNS, tuple(map(cells, rows)))


def accuracy_table(group: GroupComparison) -> Table:
    """The accuracies of runs, narrow."""
    columns = ("#", "model", "parameters", "seed", *_levels("valid.", ("train", "validation", "test")))
    several = any(row.candidate != row.model for row in group.runs)
    rows = (
        (
            str(row.run), row.candidate if several else row.model, count(row.parameters), str(row.seed),
            *(percent(row.score(subset, level))
              for level in ("recording", "window") for subset in ("train", "validation", "test")),
        )
        for row in group.runs
    )  # fmt: skip
    return Table("Accuracies", columns, tuple(rows))


def training_table(group: GroupComparison) -> Table:
    """The trainings of runs and their losses, narrow."""
    columns = ("#", "run", "name", "time", "epochs", *_levels("", ("train", "test"), "loss\n"))
    rows = (
        (
            str(row.run), row.folder, row.name, (duration(row.seconds), row.seconds), str(row.epochs),
            *(f"{row.scores[f'{side}_{level}_loss']:.4f}"
              for level in ("recording", "window") for side in ("train", "test")),
        )
        for row in group.runs
    )  # fmt: skip
    return Table("Trainings", columns, tuple(rows))


def _levels(validation: str, subsets: Sequence[str], what: str = "") -> list[str]:
    short = {"validation": validation}
    return [f"{level}\n{what}{short.get(subset, subset)}" for level in ("rec.", "win.") for subset in subsets]


def correctness_blocks(rows: Sequence[RunRow]) -> list[Block]:
    """Correct or incorrect, on test recordings, beside what one gets for nothing; empty for other runs."""
    chosen = [row for row in rows if row.target == CORRECTNESS]
    if not chosen:
        return []
    columns = ("#", "model", "balanced accuracy", "length alone", "majority class", "sensitivity", "specificity",
               "ROC AUC", "accuracy")  # fmt: skip
    keys = ("test_recording_balanced_accuracy", *BASELINE_SCORES, *CORRECTNESS_SCORES, "test_recording_accuracy")
    cells = tuple((str(row.run), row.candidate, *(percent(row.scores[key]) for key in keys)) for row in chosen)
    return [Table("Correct or incorrect, test recordings of each run", columns, cells), texts.BALANCED]


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
        scores, labels = SHOWN[group.target].values(), [result.candidate for result in joined.results]
        parts, details = tuple(part_rows(joined, PARTS[:3] if narrow else PARTS)), tuple(detail_rows(joined.results))
        part_columns, detail_columns = ("model", "part", "people", "rec.", *scores), ("by", "which", "group", "rec.")
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
        yield Table(f"Folds joined{where}, in per cent", part_columns, parts)
        yield texts.part_note(group.target)
        yield from texts.about_results(joined)
        caption = f"By posture, gesture and person{where}: {detail_name(group)} in per cent"
        yield Table(caption, (*detail_columns, *labels), details)
    if joined is not None:
        yield from pair_blocks(group, joined, where)
        for run in joined.left_out:
            yield texts.not_joined(run)
    yield from cost_blocks(group.cost, where)


def pair_blocks(group: GroupComparison, joined: CrossValidation, where: str) -> Iterator[Block]:
    """The candidates against each other."""
    if joined.pairs and joined.ranks:
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
            for pair in joined.pairs
        )
        yield Table(f"Models against each other{where}", columns, tuple(rows))
        yield texts.pair_note(joined, group.target)
        yield texts.mean_ranks(joined.ranks)


def part_rows(joined: CrossValidation, kinds: Sequence[str] = PARTS) -> Iterator[tuple[str, ...]]:
    """Each candidate's scores on everybody and on parts of the recordings."""
    for result in joined.results:
        scores, of_gesture = cast(dict[str, Any], result.scores), result.target == "gesture"
        named: list[tuple[str, str, Part]] = [("", EVERYBODY, result.scores["all"])]
        if result.scores["ensemble"]:
            named.append(("", f"ensemble of {len(scores['seeds'])} seeds", result.scores["ensemble"]))
        for kind in kinds if of_gesture else [kind for kind in kinds if "correctness" not in kind]:
            if len(scores[kind]) > 1 or kind == "by_group":
                named += [(kind, name, part) for name, part in scores[kind].items()]
        for kind, name, part in named:
            one_class = kind == "by_gesture" and of_gesture  # the other scores need several gestures
            wanted = ("accuracy",) if one_class else tuple(SHOWN[result.target])
            values = [interval(part[key]) if key in wanted else "" for key in SHOWN[result.target]]
            yield result.candidate, name, str(part["people"]), f"{part['recordings']:,}", *values
            if name == EVERYBODY and of_gesture:
                empty = [""] * (len(values) - 1)
                yield result.candidate, "mean over people", "", "", interval(part["person_accuracy"]), *empty


def detail_name(group: GroupComparison) -> str:
    """What the table of postures, gestures and people shows; hardly anybody alone has a balanced accuracy."""
    return "accuracy" if group.target == "gesture" else "balanced accuracy; of people accuracy"


def detail_rows(results: Sequence[CandidateResult]) -> Iterator[tuple[str, ...]]:
    """Accuracy by posture, gesture and person: kind, name, group of a person, recordings, one value a candidate."""
    for kind in ("by_posture", "by_gesture", "by_person"):
        parts = [cast(dict[str, Any], result.scores)[kind] for result in results]
        names = list(dict.fromkeys(name for by_name in parts for name in by_name))
        for name in sorted(names) if kind == "by_person" else names:
            found = [by_name.get(name) for by_name in parts]
            first = next(part for part in found if part is not None)
            values = [None if part is None else part["accuracy"] for part in found]
            if kind != "by_person":
                values = [None if part is None else part[lead(results[0].target)]["value"] for part in found]
            cells = [
                "" if part is None else "-" if value is None else f"{100 * value:.1f}"
                for part, value in zip(found, values, strict=True)
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
            str(row.run), str(row.group), row.candidate, str(row.seed), percent(row.score("train")),
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
