"""A comparison as dataclasses; console, Markdown, figures and page only render it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from gesturelab.evaluation.learning_curve import LearningCurve
from gesturelab.evaluation.metrics import CORRECTNESS, GESTURE, METRICS, primary_metric
from gesturelab.evaluation.pairs import Pair, Ranks
from gesturelab.evaluation.result import Part, Result, Value
from gesturelab.evaluation.unknown import UnknownResult
from gesturelab.report.collect import SUBSETS, Unread
from gesturelab.report.groups import Candidate, Group
from gesturelab.report.overfitting import ADVICE, SEVERE, band, gap
from gesturelab.runs.info import training_sample

if TYPE_CHECKING:
    import pandas as pd

COMPARISON_SCHEMA = 1
"""Version of the JSON form of a comparison."""

TRAIN_SAMPLED = "train of a sample"
"""The mark of a candidate whose training recordings were not all scored."""

PARTS = ("by_group", "by_correctness", "by_group_and_correctness", "by_posture", "by_gesture")
"""The parts of a cross-validation's recordings that have scores of their own, as `Result` names them."""

BASELINES = {"length": "length alone", "majority": "majority class"}
"""What the trivial answers of an info file are called in tables."""

SUBSET_SCORES = (primary_metric(GESTURE).name, primary_metric(CORRECTNESS).name, "loss")
"""What a run has of each subset, of recordings and of windows."""

CORRECTNESS_SCORES = tuple(
    f"test_{metric.name}" for metric in METRICS if metric.target == CORRECTNESS and metric.primary_for is None
)
BASELINE_SCORES = tuple(f"{baseline}_{primary_metric(CORRECTNESS).name}" for baseline in BASELINES)


def _of_subsets(score: str) -> list[str]:
    return [f"{subset}_{level}_{score}" for level in ("recording", "window") for subset in SUBSETS]


RUN_COLUMNS = (
    "run", "folder", "path", "name", "model", "peer", "parameters", "group", "candidate",
    *_of_subsets(SUBSET_SCORES[0]), "target", *_of_subsets(SUBSET_SCORES[1]), *CORRECTNESS_SCORES, *BASELINE_SCORES,
    *_of_subsets(SUBSET_SCORES[2]),
    "seconds", "epochs", "best_epoch", "split", "data", "fingerprint", "seed", "flags", "findings", "training_sample",
)  # fmt: skip
"""The columns of the table of runs that CSV and JSON always have; further metrics of test recordings follow."""


@dataclass(frozen=True)
class RunRow:
    """One run.

    Attributes:
        run: Its number in this comparison, from 1.
        folder: The shortest end of its path that no other run shares.
        path: Its folder, as found.
        name: What its configuration calls it.
        model: The size, or the peer's method.
        peer: Whether it is a method from elsewhere; it has no validation scores.
        parameters: How many numbers are trained.
        group: Runs of one group may be compared.
        candidate: Runs of one group and candidate differ in fold and seed only.
        target: gesture or correctness.
        scores: By column, such as ``test_recording_accuracy``: accuracies as fractions, losses in nats; None where a
            run has none. Of correctness also the balanced ones, `CORRECTNESS_SCORES` and, of trivial answers on the
            same test recordings, `BASELINE_SCORES`. Every further metric is ``test_recording_<name>``.
        metrics: Of test recordings, by name: all that the info file has, users' own among them.
        seconds: Training time.
        epochs: How many.
        best_epoch: The one whose weights were kept, from 0.
        split: Kind, and fold if there is one.
        data: The data set's name.
        fingerprint: Of the recordings.
        seed: Of the training.
        flags: LEAKY, SYNTHETIC, both (with a space between) or nothing.
        findings: Names of what the training found about itself, with spaces between.
        training_sample: Of how many of the training recordings the scores are; empty where they are of all.
    """

    run: int
    folder: str
    path: str
    name: str
    model: str
    peer: bool
    parameters: int
    group: int
    candidate: str
    target: str
    scores: Mapping[str, float | None]
    metrics: Mapping[str, float | None]
    seconds: float
    epochs: int
    best_epoch: int
    split: str
    data: str
    fingerprint: str
    seed: int
    flags: str
    findings: str
    training_sample: str = ""

    def score(self, subset: str, level: str = "recording") -> float | None:
        """The primary metric on one subset; None where it needs a class that is missing."""
        return self.scores[f"{subset}_{level}_{primary_metric(self.target).name}"]

    def gap(self, level: str = "recording") -> float | None:
        """Train minus test primary metric, as a fraction; None where one of them is missing."""
        return gap(self.score("train", level), self.score("test", level))

    @property
    def band(self) -> str:
        """The word for the gap of recordings."""
        return band(self.gap())

    def to_dict(self) -> dict[str, Any]:
        """Flat, with the keys of `RUN_COLUMNS` and of further metrics."""
        flat = {**vars(self), **self.scores}
        return {key: flat[key] for key in dict.fromkeys((*RUN_COLUMNS, *self.scores))}


@dataclass(frozen=True)
class CandidateResult:
    """The cross-validation of one size, peer or baseline.

    Attributes:
        candidate: Its name in this comparison.
        size: The model option.
        peer: Whether it is a method from elsewhere (baselines are too); nothing of it needs probabilities.
        baseline: Whether it is a trivial answer to "correct or incorrect?".
        parameters: How many numbers are trained.
        target: gesture or correctness.
        train_accuracy: Primary metric, the mean over runs; of baselines None.
        validation_accuracy: The same; of peers None.
        scores: Everything else.
        lstm: Whether it is a size of gesturelab's LSTM, neither another network nor a peer.
    """

    candidate: str
    size: str
    peer: bool
    baseline: bool
    parameters: int
    target: str
    train_accuracy: float | None
    validation_accuracy: float | None
    scores: Result
    lstm: bool = False

    @property
    def partial(self) -> bool:
        """Whether folds are missing, so that not everybody was tested."""
        return self.scores["partial"]

    @property
    def missing_people(self) -> str:
        """Whom the tests of its folds lack."""
        return ", ".join(self.scores["missing_people"]) or "some people"

    @property
    def primary(self) -> Value:
        """The primary metric on everybody, with its interval."""
        return self.primary_of(self.scores["all"])

    def parts(self, kinds: Sequence[str] = PARTS) -> Iterator[tuple[str, str, Part]]:
        """Kind, name and scores: of everybody, of the ensemble of seeds, and of the parts of some kinds."""
        scores = cast(dict[str, Any], self.scores)
        for kind in ("all", "ensemble"):
            if scores[kind] is not None:
                yield kind, "", scores[kind]
        for kind in kinds:
            for name, part in scores[kind].items():
                yield kind, name, part

    def primary_of(self, part: Part) -> Value:
        """The primary metric of some recordings."""
        return part[primary_metric(self.target).name]

    def to_dict(self) -> dict[str, Any]:
        """Flat: the scores beside the rest."""
        flat = {**vars(self), **self.scores}
        del flat["scores"]
        return flat


@dataclass(frozen=True)
class LeftOut:
    """A run that could not be joined with the other folds."""

    run: str
    reason: str


@dataclass(frozen=True)
class ModelSelection:
    """Which model to take, by validation; of some folds joined.

    Attributes:
        chosen: Its name; None where it cannot be said.
        answer: Sentences that say it.
        others: Sentences about models that differ from the one with the best validation accuracy.
    """

    chosen: str | None = None
    answer: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class CrossValidationResult:
    """The folds of a group together: one result a candidate, and the candidates against each other.

    Attributes:
        results: Sizes, then peers, then baselines.
        pairs: Every two of them.
        ranks: None for one candidate.
        selection: Which model to take; the same with and without peers.
        other_kind: How an LSTM does beside the best other model on unseen people; empty where there is only one kind.
        beside_peers: Sentences about a model and the peers.
        left_out: Runs that could not be joined.
        metrics_left_out: A sentence for each metric of the user's own that is not in the results.
    """

    results: tuple[CandidateResult, ...]
    pairs: tuple[Pair, ...]
    ranks: Ranks | None
    selection: ModelSelection
    other_kind: str
    beside_peers: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    metrics_left_out: tuple[str, ...] = ()

    @property
    def sizes(self) -> list[CandidateResult]:
        """What one may choose: neither peers nor baselines."""
        return [result for result in self.results if not result.peer]

    @property
    def without_baselines(self) -> list[CandidateResult]:
        """The results that sentences are about."""
        return [result for result in self.results if not result.baseline]


@dataclass(frozen=True)
class Choice:
    """A candidate with its means over runs: the primary metric of recordings, here called accuracy."""

    size: str
    candidate: str
    parameters: int
    seeds: list[int]
    runs: int
    train_accuracy: float | None
    validation_accuracy: float | None
    test_accuracy: float | None


@dataclass(frozen=True)
class Recommendation:
    """The candidate with the best validation accuracy, and, as an optimistic choice, the best by test accuracy.

    Both None where there are only peers, or where no fold was run with every size.
    """

    candidates: int
    recommended: Choice | None
    best_by_test: Choice | None


@dataclass(frozen=True)
class CostRow:
    """What a candidate costs.

    Attributes:
        candidate: Its name.
        peer: Whether it is a method from elsewhere.
        accuracy: The primary metric; of joined folds with its interval, otherwise the mean over runs.
        parameters: How many numbers are trained.
        flops_per_window: Operations for the answer to one window; None where unknown.
        seconds: Of one training, the mean over runs.
        latency_ms: Of one window; None where it was not measured.
        latency_p95_ms: The same.
        beaten_by: A candidate that is at least as accurate and costs no more; None for Pareto-optimal ones and where
            it is not judged.
        partial: Not tested on everybody.
        apart: A size tested on other people than most, so that it is not judged; nor are peers.
    """

    candidate: str
    peer: bool
    accuracy: Value
    parameters: int
    flops_per_window: int | None
    seconds: float
    latency_ms: float | None
    latency_p95_ms: float | None
    beaten_by: str | None = None
    partial: bool = False
    apart: bool = False

    @property
    def value(self) -> float:
        """The primary metric itself; a candidate without one has no row."""
        return cast(float, self.accuracy["value"])


@dataclass(frozen=True)
class MissingLatency:
    """Why the latency of a candidate is not there."""

    candidate: str
    reason: str


@dataclass(frozen=True)
class LatencyConditions:
    """How latencies were measured: ``repeats`` is the fewest, ``disturbed`` names candidates."""

    cpu: str | None
    torch: str | None
    repeats: int
    disturbed: list[str]
    missing: list[MissingLatency]


@dataclass(frozen=True)
class Cost:
    """What the candidates of a group cost beside how accurate they are.

    Attributes:
        group: Its number.
        score: The primary metric in words; a size that has none is left out.
        recommended: The candidate that model selection says to take, else the one with the best validation accuracy.
        rows: Sizes first.
        by: The costs that ``beaten_by`` follows from.
        seconds_differ: Why training times cannot be compared; empty where nothing speaks against it.
        latency: None where none was asked for.
    """

    group: int
    score: str
    recommended: str | None
    rows: list[CostRow]
    by: list[str]
    seconds_differ: list[str]
    latency: LatencyConditions | None

    @property
    def informative(self) -> bool:
        """Whether there is something to choose, or somebody asked for the latency."""
        return sum(not row.peer for row in self.rows) > 1 or self.latency is not None


@dataclass(frozen=True)
class CandidateSummary:
    """A line of the table that answers first.

    Attributes:
        group: Its number.
        candidate: Size, peer or baseline.
        size: The model option.
        peer: Whether it is a method from elsewhere.
        parameters: How many numbers are trained; None for baselines.
        runs: How many.
        metric: The primary metric, in words; the next six are of recordings, as fractions.
        train: Mean over runs.
        validation: Mean over runs; None for peers.
        test: Of all folds together; without folds the mean over runs.
        low: Lower bound of the 95 % interval over people; None where there is none.
        high: Upper bound.
        gap: Train minus test.
        band: The word for the gap.
        seconds: Training time of one run, the mean; None for baselines.
        marks: recommended, LEAKY, SYNTHETIC, PARTIAL, peer, baseline, `TRAIN_SAMPLED`, as far as they apply.
    """

    group: int
    candidate: str
    size: str
    peer: bool
    parameters: int | None
    runs: int
    metric: str
    train: float | None
    validation: float | None
    test: float | None
    low: float | None
    high: float | None
    gap: float | None
    band: str
    seconds: float | None
    marks: tuple[str, ...]


@dataclass(frozen=True)
class GroupComparison:
    """Runs that may be compared, and what they say.

    Attributes:
        group: The runs, by candidate.
        runs: One row each.
        warnings: What must be said of the numbers.
        differs: Why it is not compared with the first group.
        recommendation: By validation.
        cross_validation: Of folds, or of named test people; None for other groups.
        cost: Beside accuracy.
    """

    group: Group
    runs: tuple[RunRow, ...]
    warnings: tuple[str, ...]
    differs: tuple[str, ...]
    recommendation: Recommendation
    cross_validation: CrossValidationResult | None
    cost: Cost

    @property
    def number(self) -> int:
        """From 1."""
        return self.group.number

    @property
    def target(self) -> str:
        """What is recognised: gesture or correctness."""
        return self.group.target

    @property
    def metric(self) -> str:
        """The primary metric, in words."""
        return primary_metric(self.target).title

    @property
    def options(self) -> dict[str, Any]:
        """Of the split, without the fold where folds are compared together."""
        return json.loads(self.group.basis.options)

    @property
    def results(self) -> tuple[CandidateResult, ...]:
        """Of its cross-validation, or of named test people; empty where there is neither."""
        return self.cross_validation.results if self.cross_validation else ()

    @property
    def joined(self) -> bool:
        """Whether its runs were joined as folds, so that no run counts alone."""
        return self.group.folded and bool(self.results)

    @property
    def title(self) -> str:
        """The second line of a figure's title."""
        return f"{self.group.data}, {self.group.basis.kind}"

    def people(self) -> dict[str, list[str]]:
        """The subjects by subset, over all folds."""
        return {
            subset: sorted({person for run in self.group.runs for person in run.info["split"][subset]["subjects"]})
            for subset in SUBSETS
        }

    def summaries(self) -> list[CandidateSummary]:
        """One line a candidate, baselines last."""
        results = {result.candidate: result for result in self.results}
        lines = [self._summary(candidate, results.get(candidate.label)) for candidate in self.group.candidates]
        return lines + [self._baseline_summary(result) for result in results.values() if result.baseline]

    def _summary(self, candidate: Candidate, result: CandidateResult | None) -> CandidateSummary:
        test = result.primary if result else Value(value=candidate.score("test"), low=None, high=None)
        difference = gap(candidate.score("train"), test["value"])
        recommended = candidate.label == self.cost.recommended and not self.group.leaky
        partial = result is not None and result.partial
        marks = ["recommended"] * recommended + ["peer"] * candidate.peer + ["PARTIAL"] * partial
        marks += [TRAIN_SAMPLED] * any(training_sample(run.info) for run in candidate.runs)
        return CandidateSummary(
            group=self.number,
            candidate=candidate.label,
            size=candidate.size,
            peer=candidate.peer,
            parameters=candidate.parameters,
            runs=len(candidate.runs),
            metric=self.metric,
            train=candidate.score("train"),
            validation=None if candidate.peer else candidate.score("validation"),
            test=test["value"],
            low=test["low"],
            high=test["high"],
            gap=difference,
            band=band(difference),
            seconds=candidate.seconds,
            marks=(*marks, *self.group.flags),
        )

    def _baseline_summary(self, result: CandidateResult) -> CandidateSummary:
        head = (self.number, result.candidate, result.size, True, None, 0, self.metric, None, None)
        test = (result.primary["value"], result.primary["low"], result.primary["high"])
        return CandidateSummary(*head, *test, gap=None, band="", seconds=None, marks=("baseline",))


@dataclass(frozen=True)
class ModelOnDatasets:
    """A model on several datasets.

    Attributes:
        model: Its name.
        peer: Whether it is a method from elsewhere.
        values: The primary metric on each dataset.
        mean: Over datasets, each as weighty as the others, with its interval over the people of all.
        rank: Mean over the people of all datasets; 1 is best.
        parameters: How many numbers are trained, the mean over datasets.
        seconds: Of one training, the mean over datasets.
        devices: On which it was trained.
    """

    model: str
    peer: bool
    values: tuple[Value, ...]
    mean: Value
    rank: float
    parameters: int
    seconds: float
    devices: tuple[str, ...]


@dataclass(frozen=True)
class DatasetsResult:
    """Models that were tested in folds on each of several datasets.

    Attributes:
        datasets: Their names; of made-up recordings with the word SYNTHETIC.
        groups: The number of each dataset's group.
        people: How many of each dataset all models were tested on.
        rows: The models, by rank.
        pairs: Every two of them, over the people of all datasets.
        ranks: Over the same people.
        alike: The model with the best mean rank, and those that no test tells apart from it.
        recommendation: Which to take, in words.
        recommended: The fastest of these to train; the best of them where they were trained under other conditions.
        seconds_differ: Why training times cannot be compared; empty where nothing speaks against it.
    """

    datasets: tuple[str, ...]
    groups: tuple[int, ...]
    people: tuple[int, ...]
    rows: tuple[ModelOnDatasets, ...]
    pairs: tuple[Pair, ...]
    ranks: Ranks
    alike: tuple[str, ...]
    recommendation: str
    recommended: str
    seconds_differ: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Finished runs side by side.

    Attributes:
        groups: Of runs that may be compared: honest splits first, then real data.
        unread: Runs that cannot be compared, with the reason.
        across: The models on several datasets; None where there is one, or they have no two models in common.
        curves: Accuracy against the number of training people, or of their recordings.
        unknown: How well movements that a model has never seen are told, where gestures were left out in turn.
    """

    groups: tuple[GroupComparison, ...]
    unread: tuple[Unread, ...] = field(default=())
    across: DatasetsResult | None = None
    curves: tuple[LearningCurve, ...] = ()
    unknown: tuple[UnknownResult, ...] = ()

    @property
    def runs(self) -> list[RunRow]:
        """One row a run, group by group and by parameters."""
        return [row for group in self.groups for row in group.runs]

    @property
    def not_joined(self) -> list[RunRow]:
        """All runs but folds that were joined: overfitting is judged run by run only of them."""
        return [row for group in self.groups if not group.joined for row in group.runs]

    @property
    def outside_tables(self) -> "Comparison":
        """The groups that are neither points of a learning curve nor trainings without a gesture, alone."""
        inside = {number for each in (*self.curves, *self.unknown) for number in each.groups}
        kept = tuple(group for group in self.groups if group.number not in inside)
        return replace(self, groups=kept, curves=(), unknown=())

    @property
    def several(self) -> bool:
        """Whether there is more than one group."""
        return len(self.groups) > 1

    def to_frame(self) -> "pd.DataFrame":
        """The candidates as a table, one row each; columns as in `CandidateSummary`."""
        lines = [asdict(line) | {"marks": " ".join(line.marks)} for group in self.groups for line in group.summaries()]
        return _frame(lines, list(CandidateSummary.__annotations__))

    def runs_to_frame(self) -> "pd.DataFrame":
        """The runs as a table, one row each; columns as in `RUN_COLUMNS`, also when there is no run, then others."""
        further = (key for row in self.runs for key in row.scores)
        return _frame([row.to_dict() for row in self.runs], list(dict.fromkeys((*RUN_COLUMNS, *further))))

    def parts_to_frame(self) -> "pd.DataFrame":
        """Joined folds as a table: one row a candidate and part (such as part ``group``, value ``patient``)."""
        rows = [row for group in self.groups for result in group.results for row in _part_rows(group.number, result)]
        return _frame(rows, None if rows else ["group", "part"])

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values: the layout of ``gesturelab compare --json``, version `COMPARISON_SCHEMA`."""
        return {
            "schema": COMPARISON_SCHEMA,
            "runs": [row.to_dict() for row in self.runs],
            "groups": [_group_json(group) for group in self.groups],
            "recommendations": [_recommendation_json(group) for group in self.groups],
            "joined": [_joined_json(group, group.cross_validation) for group in self.groups if group.cross_validation],
            "costs": [asdict(group.cost) for group in self.groups],
            "across": self.across and asdict(self.across),
            "learning_curves": [asdict(curve) for curve in self.curves],
            "unknown": [asdict(result) for result in self.unknown],
            "overfitting": [
                {
                    "run": row.run,
                    "recording_gap": row.gap(),
                    "window_gap": row.gap("window"),
                    "band": row.band,
                    "advice": ADVICE if row.band == SEVERE else None,
                }
                for row in self.runs
            ],
            "unfinished": [vars(run) | {"path": str(run.path)} for run in self.unread],
        }


def _frame(rows: Sequence[dict[str, Any]], columns: list[str] | None) -> "pd.DataFrame":
    import pandas as pd  # slow to import

    return pd.DataFrame(rows, columns=columns)


def _group_json(group: GroupComparison) -> dict[str, Any]:
    return {
        "group": group.number,
        "runs": [row.run for row in group.runs],
        "target": group.target,
        "lead": primary_metric(group.target).name,
        "data": group.group.data,
        "fingerprint": group.group.basis.fingerprint,
        "split": {"kind": group.group.basis.kind, "options": group.options},
        "folded": group.group.folded,
        "by_person": group.group.by_person,
        "people": group.people(),
        "leaky": group.group.leaky,
        "synthetic": group.group.synthetic,
        "warnings": list(group.warnings),
        "differs": list(group.differs),
    }


def _recommendation_json(group: GroupComparison) -> dict[str, Any]:
    plain = asdict(group.recommendation)
    if plain["best_by_test"] is not None:
        plain["best_by_test"]["optimistic"] = True
    head = {"group": group.number, "leaky": group.group.leaky, "synthetic": group.group.synthetic}
    return {**head, "target": group.target, "chosen_by": f"validation {group.metric} of recordings", **plain}


def _joined_json(group: GroupComparison, joined: CrossValidationResult) -> dict[str, Any]:
    return {
        "group": group.number,
        "target": group.target,
        "lead": primary_metric(group.target).name,
        "results": [result.to_dict() for result in joined.results],
        "pairs": [asdict(pair) for pair in joined.pairs],
        "ranks": joined.ranks and asdict(joined.ranks),
        "verdict": [*joined.selection.answer, *joined.selection.others],
        "other_kind": joined.other_kind,
        "beside_peers": list(joined.beside_peers),
        "left_out": [asdict(run) for run in joined.left_out],
    }


def _part_rows(group: int, result: CandidateResult) -> Iterator[dict[str, Any]]:
    """A candidate's parts, each with its scores and their intervals."""
    head = {"group": group, "candidate": result.candidate, "size": result.size, "parameters": result.parameters}
    for kind, name, part in result.parts():
        row = {**head, "part": kind.removeprefix("by_"), "value": name}
        row |= {"recordings": part["recordings"], "people": part["people"]}
        for score, value in part.items():
            if score not in ("recordings", "people"):
                row |= {score: value["value"], f"{score}_low": value["low"], f"{score}_high": value["high"]}
        yield row
    for name, person in result.scores["by_person"].items():
        counted = {"recordings": person["recordings"], "people": 1, "accuracy": person["accuracy"]}
        yield {**head, "part": "person", "value": name, **counted}
