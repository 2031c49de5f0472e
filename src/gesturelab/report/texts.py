"""Every sentence and every form of a number in a comparison; console, Markdown and page say the same."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from gesturelab.evaluation.adaptation import TEST, AdaptedRecording
from gesturelab.evaluation.learning_curve import AXES
from gesturelab.evaluation.metrics import GESTURE, Metric, primary_metric
from gesturelab.evaluation.pairs import Pair, Ranks
from gesturelab.evaluation.result import Value
from gesturelab.report.overfitting import ADVICE, BANDS, SEVERE, band, gap
from gesturelab.report.results import (
    CandidateResult,
    Choice,
    Comparison,
    Cost,
    CrossValidationResult,
    GroupComparison,
    LeftOut,
    RunRow,
)

LEVELS = "rec.: whole recordings (a recording's windows' probabilities averaged); win.: single windows."

BALANCED = (
    "Correct or incorrect: accuracies are balanced accuracies, the mean of sensitivity (incorrect ones found) and "
    "specificity (correct ones left alone). A dash: one class only, so there is none. Length alone calls long "
    "recordings incorrect (threshold of the training people); the majority class is what most of them are."
)
"""Below tables of data.target=correctness."""

FINDINGS_SHOWN = 8
"""Numbers of runs that a line of findings lists."""

MORE_FINDINGS = "The end of each run's train.log, and findings in its info file, say more and what to try."

INTERVALS = (
    "In per cent (kappa and metrics of your own: plain numbers), in brackets 95 % intervals from a bootstrap over "
    "people (BCa, 5,000 draws; rough for fewer than ten people). "
)
PART_NOTES = {
    "gesture": "balanced: mean recall over gestures; ECE: expected calibration error, 15 bins of equal width (a peer's "
    "scores are no probabilities); mean over people: of each one's accuracy.",
    "correctness": "balanced accuracy: mean of sensitivity (incorrect ones found) and specificity (correct ones left "
    "alone); without both classes there is none (-). length alone: longer recordings are called incorrect, from a "
    "threshold that each fold fits on its training people; majority class: what most training recordings are; patient "
    "or not: whatever a patient does is called incorrect, everything else correct. All on exactly these recordings. "
    "Where nearly all incorrect movements are patients', telling who moves is worth much: look at patients alone.",
}

DATASETS = (
    "In brackets 95 % intervals from a bootstrap over people. mean: of the datasets, each as weighty as the others; "
    "rank: mean over the people of all, 1 is best; parameters, time: means over datasets, time of one training."
)
"""Below the table of models by datasets."""

ADAPTATION = (
    "repetitions: so many of each gesture calibrate, 0: the model as it is; --only: no gesture but the person's own is "
    "answered; baseline: the nearest of the calibrating recordings by dynamic time warping, without a model; not "
    "calibrated: half of the person's gestures calibrate, the other half is tested."
)
"""Below the tables of adapted models."""

SEGMENTS = (
    "by: what segments, the model or motion thresholds, and whether a segment may be none of these; right is a segment "
    "of its interval's gesture that has half of their joint time in common; at rest: segments an hour where no gesture "
    "is; shares in per cent, with 95 % intervals over people."
)
"""Below the table of segments."""

SHARES = (
    (1 / 2, "half"),
    (1 / 3, "a third"),
    (2 / 3, "two thirds"),
    (1 / 4, "a quarter"),
    (3 / 4, "three quarters"),
    (1 / 5, "a fifth"),
    (1 / 10, "a tenth"),
)


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal; a dash where there is none.

    >>> percent(0.884), percent(None)
    ('88.4 %', '-')
    """
    if fraction is None:
        return "-"
    return f"{100 * fraction + 0.0:.1f} %".replace("-0.0", "0.0")


def count(parameters: int) -> str:
    """A number of parameters, readable.

    >>> [count(n) for n in (1234, 499_912, 1_503_100, 35_000_000)]
    ['1,234', '500 K', '1.50 M', '35.00 M']
    """
    if parameters < 10_000:
        return f"{parameters:,}"
    return f"{parameters / 1e3:.0f} K" if parameters < 999_500 else f"{parameters / 1e6:.2f} M"


def duration(seconds: float) -> str:
    """A time, in the two units that matter.

    >>> [duration(s) for s in (4.26, 75, 3725)]
    ['4.3 s', '1 min 15 s', '1 h 02 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def milliseconds(value: float) -> str:
    """A latency with three digits.

    >>> milliseconds(0.8712), milliseconds(12.345), milliseconds(123.4)
    ('0.871 ms', '12.3 ms', '123 ms')
    """
    return f"{value:.3f} ms" if value < 1 else f"{value:.2f} ms" if value < 10 else f"{value:#.3g}".rstrip(".") + " ms"


def points(fraction: float | None) -> str:
    """A difference in points, signed.

    >>> points(0.0123), points(-0.004), points(0.0)
    ('+1.2', '-0.4', '0.0')
    """
    if fraction is None:
        return "?"
    shown = f"{100 * fraction:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown


def p_value(p: float) -> str:
    """A p value with as many digits as matter.

    >>> p_value(0.4312), p_value(0.0431), p_value(0.00001)
    ('0.43', '0.043', '<0.001')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def join_words(words: Sequence[str]) -> str:
    """Words with commas and an "and".

    >>> join_words(["a"]), join_words(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def share(part: int, whole: int) -> str:
    """How much of the parameters a smaller size has.

    >>> share(1_500_000, 4_600_000), share(70, 1000)
    ('a third', '7 %')
    """
    ratio = part / whole
    near = [word for value, word in SHARES if abs(ratio / value - 1) < 0.08]
    return near[0] if near else f"{100 * ratio:.0f} %" if ratio >= 0.01 else f"{100 * ratio:.1f} %"


ACCURACY = primary_metric(GESTURE)


def interval(value: Value, metric: Metric = ACCURACY, unit: str = "") -> str:
    """A metric with its interval; of fractions in per cent, without the sign.

    >>> interval({"value": 0.884, "low": 0.801, "high": 0.9321})
    '88.4 (80.1-93.2)'
    """
    shown = metric.show(value["value"]) + unit
    if value["low"] is None or value["high"] is None:
        return shown
    return f"{shown} ({metric.show(value['low'])}-{metric.show(value['high'])})"


def signed(difference: Value) -> str:
    """A difference in points with its interval.

    >>> signed({"value": 0.0623, "low": -0.01, "high": 0.131})
    '+6.2 (-1.0 to +13.1)'
    """
    if difference["low"] is None or difference["high"] is None:
        return points(difference["value"])
    return f"{points(difference['value'])} ({points(difference['low'])} to {points(difference['high'])})"


def metric_value(value: float | None, metric: Metric = ACCURACY) -> str:
    """A metric, with the sign of per cent where it is a fraction.

    >>> metric_value(0.884), metric_value(0.71234, Metric("kappa", "kappa", percent=False)), metric_value(None)
    ('88.4 %', '0.712', '-')
    """
    return metric.show(value) + " %" * (metric.percent and value is not None)


def heading(group: GroupComparison) -> str:
    """What the runs of a group share."""
    options = ", ".join(f"{key} {_option(value)}" for key, value in group.options.items() if key != "kind")
    split = group.group.basis.kind + (f" ({options})" if options else "")
    task = [] if group.target == "gesture" else [group.target]
    flags = " ".join(group.group.flags)
    parts = [f"Group {group.number}", *task, f"data {group.group.data}", f"split {split}", flags]
    return " | ".join(part for part in parts if part)


def _option(value: Any) -> str:
    if isinstance(value, list) and len(value) > 3:
        return f"[{len(value)} values]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def people(group: GroupComparison) -> str:
    """How many people are in each subset."""
    counts = {subset: len(subjects) for subset, subjects in group.people().items()}
    if group.group.folded:
        return f"People: {counts['test']} tested, each by models that never saw that person."
    return f"People: {counts['train']} train, {counts['validation']} validation, {counts['test']} test."


def recommendation(group: GroupComparison) -> list[str]:
    """What is recommended and why, then the choice by test accuracy, marked as optimistic.

    Where model selection on joined folds says what to take, only the best validation accuracy is said.
    """
    chosen, top = group.recommendation.recommended, group.recommendation.best_by_test
    if not group.recommendation.candidates:
        return ["Nothing is recommended: there are only peers here, methods from elsewhere."]
    if chosen is None or top is None:
        return ["Nothing can be recommended: no fold was run with every size, so each was tested on other people."]
    metric = group.metric
    validation = percent(chosen.validation_accuracy)
    if group.cross_validation and group.cross_validation.selection.answer:
        return [f"Highest validation {metric} of recordings: {chosen.candidate} with {validation} ({_seeds(chosen)})."]
    start = f"Recommended (by validation {metric} of recordings): "
    if group.group.leaky:
        start = f"LEAKY, the number means nothing for new people; highest validation {metric} of recordings: "
    elif group.group.synthetic:
        start = f"Recommended for SYNTHETIC motion only (by validation {metric} of recordings): "
    if group.recommendation.candidates == 1:
        start = "Nothing to choose from, the only one here. " + start
    described = f"{chosen.candidate} ({count(chosen.parameters)} parameters, {_seeds(chosen)})"
    joined = {result.candidate: result.primary["value"] for result in group.results}  # as in the table
    test = percent(joined.get(chosen.candidate, chosen.test_accuracy))
    first = f"{start}{described} with validation {metric} {validation}; its test {metric} is {test}."
    if top.candidate == chosen.candidate:
        return [first, f"Best by test {metric} (an optimistic way to choose): the same."]
    best = percent(joined.get(top.candidate, top.test_accuracy))
    second = f"Best by test {metric}: {top.candidate} ({_seeds(top)}) with {best}. "
    return [first, second + "OPTIMISTIC choice: it was picked by looking at the test people."]


def _seeds(choice: Choice) -> str:
    listed = list_seeds(choice.seeds)
    return listed if choice.runs == 1 else f"mean of {choice.runs} runs, {listed}"


def list_seeds(seeds: Sequence[float | None]) -> str:
    """Seeds in words.

    >>> list_seeds([0]), list_seeds([0, 1])
    ('seed 0', 'seeds 0, 1')
    """
    different = list(dict.fromkeys(seeds))
    draws = f", {len(seeds)} draws of people or repetitions" if len(different) < len(seeds) else ""
    return f"seed{'s' * (len(different) > 1)} {', '.join(map(str, different))}{draws}"


def answer(group: GroupComparison) -> list[str]:
    """The recommendation in a few sentences: model selection, other kinds of models, and the best by validation."""
    joined = group.cross_validation
    selection, kinds = (joined.selection.answer, joined.other_kind) if joined else ((), "")
    parts = [*selection, kinds, *recommendation(group)[:1]] if selection else [*recommendation(group)[:1], kinds]
    return [part for part in parts if part]


def rest(group: GroupComparison) -> list[str]:
    """What follows the answer: the rest of model selection and recommendation, and how sizes do beside peers."""
    joined = group.cross_validation
    others, beside = (joined.selection.others, joined.beside_peers) if joined else ((), ())
    return [*others, *recommendation(group)[1:], *beside, *training_samples(group.runs)]


def tested(result: CandidateResult) -> str:
    """Of whom the score of a card is, and between what it lies."""
    low, high = result.primary["low"], result.primary["high"]
    between = "no interval" if low is None else f"95 % interval {percent(low)} to {percent(high)}"
    everybody = result.scores["all"]
    tested_on = f"{everybody['recordings']:,} recordings of {everybody['people']} people"
    return f"{primary_metric(result.target).title}; {'PARTIAL, ' * result.partial}{tested_on}, {between}"


def not_compared(comparison: Comparison) -> list[str]:
    """Why groups are not compared with the first."""
    return [
        f"Group {group.number} is not compared with group 1: {'; '.join(group.differs)}."
        for group in comparison.groups[1:]
    ]


def gap_bands(comparison: Comparison) -> str:
    """What the gap is, and its bands."""
    return f"Gap = train minus test {_metrics(comparison) or 'accuracy'}, judged on recordings: {BANDS}."


def _metrics(comparison: Comparison) -> str:
    """The primary metrics of its groups, in words."""
    return " or ".join(dict.fromkeys(group.metric for group in comparison.groups))


def overfitting(comparison: Comparison) -> list[str]:
    """What the gap is, its bands, the advice for severe ones, and what a leaky split does to it."""
    sentences = [gap_bands(comparison)]
    if severe := [f"#{row.run}" for row in comparison.not_joined if row.band == SEVERE]:
        sentences.append(f"Severe ({', '.join(severe)}): try a {ADVICE}.")
    if any(group.group.leaky for group in comparison.groups):
        sentences.append("In LEAKY groups the gap hides what is learned about single people by heart.")
    return sentences


def train_score(row: RunRow, level: str = "recording") -> str:
    """The primary metric on training people; marked where it is of a sample of their recordings."""
    return percent(row.score("train", level)) + " (sample)" * bool(row.training_sample)


def training_samples(rows: Sequence[RunRow]) -> list[str]:
    """Which scores of training people are of a sample of their recordings, and how large it is."""
    runs_by_sample: dict[str, list[str]] = {}
    for row in rows:
        if row.training_sample:
            runs_by_sample.setdefault(row.training_sample, []).append(f"#{row.run}")
    samples = [f"{sample} recordings ({_list_runs(runs)})" for sample, runs in runs_by_sample.items()]
    return [f"Train scores are of a sample: {'; '.join(samples)}."] if samples else []


def findings(rows: Sequence[RunRow]) -> list[str]:
    """One line a finding of the trainings, with the runs that made it; the most frequent first."""
    runs_by_name: dict[str, list[str]] = {}
    for row in rows:
        for name in row.findings.split():
            runs_by_name.setdefault(name, []).append(f"#{row.run}")
    lines = [
        f"{name}: {len(runs)} of {len(rows)} runs ({_list_runs(runs)})"
        for name, runs in sorted(runs_by_name.items(), key=lambda item: -len(item[1]))
    ]
    return [*lines, MORE_FINDINGS] if lines else []


def _list_runs(runs: Sequence[str]) -> str:
    return ", ".join([*runs[:FINDINGS_SHOWN], *["..."] * (len(runs) > FINDINGS_SHOWN)])


def part_note(target: str) -> str:
    """What stands below the table of a cross-validation."""
    return INTERVALS + PART_NOTES[target]


def about_results(joined: CrossValidationResult) -> Iterator[str]:
    """What must be said of each result: how complete and how confident it is, and its notes."""
    for result in joined.without_baselines:
        yield completeness(result)
        yield confidence(result)
        for note in result.scores["notes"]:
            yield f"{result.candidate}: {note}."


def completeness(result: CandidateResult) -> str:
    """How many folds and seeds a joined result has, and whom it lacks."""
    scores, metric = result.scores, primary_metric(result.target).title
    folds = f"{len(scores['folds'])} of {scores['planned_folds']} folds"
    text = f"{result.candidate}: {folds if scores['planned_folds'] > 1 else 'the named test people'}, "
    text += list_seeds([seed["seed"] for seed in scores["seeds"]])
    if scores["seed_deviation"] is not None:
        accuracies = ", ".join(percent(seed[primary_metric(result.target).name]) for seed in scores["seeds"])
        text += f" ({metric} {accuracies}; standard deviation {100 * scores['seed_deviation']:.1f} points)"
    if result.partial:
        text += f". PARTIAL: not tested yet: {result.missing_people}"
    if (difference := gap(result.train_accuracy, result.primary["value"])) is not None:
        text += f". Train minus test {metric} {percent(difference)}: {band(difference)}"
    return f"{text}."


def confidence(result: CandidateResult) -> str:
    """What leaving out the least confident recordings gives, and what calibration does; of a peer, what it is."""
    scores = result.scores
    if result.peer:
        return f"{result.candidate} is a peer: a method from elsewhere on the same folds and recordings."
    before, after = scores["all"]["calibration_error"], scores["calibrated_error"]
    scaled = f", with temperatures fitted on validation people {interval(after)} %" if after else ""
    if not scores["answered"]:
        return f"{result.candidate}: calibration error {interval(before)} %{scaled}."
    shares: list[str] = []
    for answered in scores["answered"][1:]:
        groups = ", ".join(
            f"{group} {percent(part['accuracy'])} of {percent(part['coverage'])}"
            for group, part in answered["by_group"].items()
        )
        text = f"accuracy {percent(answered['accuracy'])} at {100 * answered['coverage']:.0f} % coverage"
        shares.append(f"{text} ({groups})" if groups else text)
    text = f"{result.candidate}, answering the most confident recordings only: {'; '.join(shares)}"
    if scaled and before["value"] is not None:
        text += f". Calibration error {100 * before['value']:.1f} %{scaled}"
    return f"{text}."


def pair_note(pair: Pair, target: str) -> str:
    """How the pairs were tested."""
    what, test = "Accuracy a person", "Wilcoxon's signed-rank test (exact)"
    if target == "correctness":
        what, test = "What each person adds to balanced accuracy", "Pitman's randomisation test of signs"
    return (
        f"{what}, on the {pair.recordings:,} recordings of {pair.people} people that all were tested on; {test}, "
        "Holm's correction (pairs with a peer or baseline apart); effect: matched-pairs rank-biserial correlation, "
        "-1 to 1."
    )


def mean_ranks(ranks: Ranks) -> str:
    """Mean ranks, best first, with the critical difference."""
    order = sorted(ranks.mean.items(), key=lambda item: item[1])
    text = "Mean ranks over people (1 is best): " + ", ".join(f"{name} {rank:.2f}" for name, rank in order)
    text += f"; critical difference (Nemenyi, 0.05) {ranks.critical_difference:.2f}"
    if ranks.friedman_p is not None:
        text += f"; Friedman's test that all are alike: p = {p_value(ranks.friedman_p)}"
    return f"{text}."


def not_joined(run: LeftOut) -> str:
    """Why a run is not part of its group's result."""
    return f"Not joined: {run.run}: {run.reason}"


def training_times(reasons: Sequence[str]) -> list[str]:
    """Why training times cannot be compared; nothing where nothing speaks against it."""
    return [f"Training times are NOT COMPARABLE: {'; '.join(reasons)}."] if reasons else []


def costs(cost: Cost) -> list[str]:
    """What the columns of the table of costs mean, and how far they can be trusted."""
    names = {"parameters": "parameters", "flops_per_window": "MFLOP", "latency_ms": "latency"}
    sentences = [
        "MFLOP: million operations for the answer to one window. training: time of one run, the mean over runs. "
        "Pareto-optimal: no other size is at least as accurate and costs no more in "
        f"{' and '.join(names[kind] for kind in cost.by)}. That goes by the accuracies as they are, whose differences "
        "may be noise: the recommendation does not."
    ]
    sentences += training_times(cost.seconds_differ)
    conditions = cost.latency
    if conditions is None:
        return [*sentences, "No latency was measured: --latency does it, on the machine where it is given."]
    if conditions.cpu is not None:
        sentences.append(
            f"latency: one window from joint positions to probabilities on one thread of {conditions.cpu} (torch "
            f"{conditions.torch}), the median of at least {conditions.repeats} repeats."
        )
    if conditions.disturbed:
        sentences.append(
            f"Other work on this machine DISTURBED the measurement of {', '.join(conditions.disturbed)}: these "
            "latencies are too long; measure again on an idle machine."
        )
    return sentences + [f"No latency of {missing.candidate}: {missing.reason}." for missing in conditions.missing]


def partial(comparison: Comparison) -> list[str]:
    """Which candidates were not tested on everybody."""
    return [
        f"PARTIAL: {result.candidate}{of_limit(group)} was not tested on {result.missing_people}."
        for group in comparison.groups
        for result in group.results
        if result.partial and not result.baseline
    ]


def of_limit(group: GroupComparison) -> str:
    """The number of training people or repetitions, where it is limited."""
    return "".join(f", {group.options[axis]} {words}," for axis, words in AXES.items() if axis in group.options)


def adapted(group: GroupComparison, candidate: str, recordings: Sequence[AdaptedRecording]) -> str:
    """What the table of a candidate's adapted models shows."""
    tested = [recording for recording in recordings if recording.use == TEST]
    most = max(int(way.split()[0]) for way in tested[0].answers)
    people = {recording.subject for recording in recordings}
    left = len(people) - len({recording.subject for recording in tested})
    data = " ".join((group.group.data, *group.group.flags)) + of_limit(group).strip(",")
    return (
        f"{candidate} on {data}, adapted to each test person: accuracy of the {len({each.name for each in tested}):,} "
        f"recordings that {len(people) - left} of {len(people)} people made after repetition {most} of a gesture"
        f"{f' ({left} made no more)' if left else ''}, with 95 % intervals over people, in per cent"
    )


def notes(comparison: Comparison) -> list[str]:
    """What must be known of the numbers, in one line each, the weightiest first."""
    lines = list(dict.fromkeys(text for group in comparison.groups for text in group.warnings))
    lines += partial(comparison)
    joined = [group.cross_validation for group in comparison.groups if group.cross_validation]
    lines += [f"Not compared: {run.path}: {run.state}: {run.reason}" for run in comparison.unread[:1]]
    lines += [f"Not compared: {len(comparison.unread) - 1} more."] if comparison.unread[1:] else []
    lines += [not_joined(run) for result in joined for run in result.left_out][:1]
    lines += training_samples(comparison.runs)
    lines += dict.fromkeys(f"{text[0].upper()}{text[1:]}." for result in joined for text in result.metrics_left_out)
    lines += not_compared(comparison)
    intervals = any(group.results for group in comparison.groups)
    about = f"train, test: {_metrics(comparison)} of recordings" + (
        ", in brackets 95 % intervals over people" if intervals else ""
    )
    return [*lines, f"{about}; gap: train minus test."] if comparison.groups else lines
