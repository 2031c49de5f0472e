"""Which model to take, of one dataset and over several, in plain words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gesturelab.evaluation.metrics import primary_metric
from gesturelab.evaluation.pairs import Pair
from gesturelab.report.collect import Finished
from gesturelab.report.cost import not_comparable, other_conditions
from gesturelab.report.groups import Candidate
from gesturelab.report.results import CandidateResult, ModelOnDatasets, ModelSelection
from gesturelab.report.texts import duration, join_words, p_value, points, share


def select_model(results: Sequence[CandidateResult], pairs: Sequence[Pair]) -> ModelSelection:
    """Which model to take: the smallest that does not differ from the one with the best validation accuracy.

    Args:
        results: Of a cross-validation; peers and baselines are not chosen.
        pairs: Of the same.
    """
    models = {result.candidate: result for result in results if not result.peer}
    pairs = [pair for pair in pairs if {pair.first, pair.second} <= models.keys()]
    if len(models) < 2 or not pairs:
        return ModelSelection()
    metric, people = primary_metric(results[0].target).title, pairs[0].people
    partial = any(model.partial for model in models.values())
    provisional = ("Some folds are missing, so this verdict is provisional.",) if partial else ()
    if (needed := fewest_people(len(pairs))) > people:
        which = "two sizes" if len(models) == 2 else f"{len(models)} sizes"
        few = f"{people} people are too few to tell {which} apart: at least {needed} are needed."
        return ModelSelection(answer=(*provisional, few))
    top = best_by_validation(models.values())
    name = top.candidate
    against = {other: _pair(name, other, pairs) for other in models if other != name}
    alike = [result for result in models.values() if result is top or _alike(against[result.candidate])]
    chosen = min(alike, key=lambda model: (model.parameters, -(model.validation_accuracy or 0), model.candidate))
    decided: str | None = chosen.candidate
    if len(alike) == 1 and any(pair.difference < 0 for pair in against.values()):
        answer = f"Validation and test people disagree: {name} has the best validation {metric}."
        decided = None
    elif len(alike) == 1:
        alone = "no other size is as good as far as one can tell"
        answer = f"{name} has the best validation {metric}, and {alone}. Take {name}."
    else:
        listed = join_words([result.candidate for result in alike])
        answer = f"{listed} are not distinguishable on these {people} people; take {decided}: "
        if chosen is top:
            answer += f"it has the fewest parameters of them, and the best validation {metric}."
        else:
            answer += f"{share(chosen.parameters, top.parameters)} of {name}'s parameters. "
            answer += f"{name} minus {decided}: {_difference(against[chosen.candidate], metric)}."
    others: list[str] = []
    for other, pair in against.items():
        if not _alike(pair):
            word = "better" if pair.difference < 0 else "worse"
            caution = " (choosing by these test people would be optimistic)" if pair.difference < 0 else ""
            doubt = "" if pair.distinguishable else "perhaps "
            difference = _difference(pair, metric)
            others.append(f"{other} is {doubt}{word} than {name}{caution}: {name} minus {other}: {difference}.")
    return ModelSelection(decided, (*provisional, answer), tuple(others))


def best_by_validation(results: Iterable[CandidateResult]) -> CandidateResult:
    """The best by validation accuracy; of equals the smallest."""
    return min(results, key=lambda result: (-(result.validation_accuracy or 0), result.parameters, result.candidate))


def compare_kinds(
    chosen: str,
    results: Sequence[CandidateResult],
    pairs: Sequence[Pair],
    trained: Mapping[str, Candidate],
) -> str:
    """How the chosen model did on unseen people beside the best of the other kind; empty where there is none.

    One kind are the sizes of gesturelab's LSTM, the other one is everything else: other networks, peers, baselines.

    Args:
        chosen: The model that is recommended.
        results: Of a cross-validation.
        pairs: Of the same.
        trained: The runs of each model; baselines have none.
    """
    by_name = {result.candidate: result for result in results}
    others = [result.candidate for result in results if result.lstm != by_name[chosen].lstm]
    if not others or not pairs:
        return ""
    pair = max((_pair(other, chosen, pairs) for other in others), key=lambda pair: pair.difference)
    if pair.difference < 0:
        pair = _pair(chosen, pair.first, pairs)
    better, worse = by_name[pair.first], by_name[pair.second]
    test = f"{'' if pair.distinguishable else 'not '}significant, p = {p_value(pair.adjusted)}"
    sentence = (
        f"On unseen people {better.candidate} was {points(pair.difference).lstrip('+')} points of "
        f"{primary_metric(better.target).title} better than {worse.candidate} "
        f"({_plain_points(pair.low)} to {_plain_points(pair.high)}; {test})"
    )
    if not (better.baseline or worse.baseline):
        sentence += _compare_times(trained[better.candidate], trained[worse.candidate])
    if better.candidate == chosen or not pair.distinguishable:
        return f"{sentence}."
    if better.baseline:
        return f"{sentence}: it is a baseline, so no model here is worth taking."
    unless = ""
    if better.peer:
        unless = ", unless you need probabilities or an export: it is a method from elsewhere"
    elif better.parameters > 1.5 * worse.parameters:
        unless = f", unless {_times(better.parameters / worse.parameters)} as many parameters are too many"
    return f"{sentence}. Take {better.candidate}{unless}. (It was picked on these people: expect a smaller lead.)"


def _compare_times(better: Candidate, worse: Candidate) -> str:
    """How much faster one model trained than another, as far as that can be said."""
    runs = [*better.runs, *worse.runs]
    if reasons := other_conditions(runs):
        times = f"{duration(better.seconds)} and {duration(worse.seconds)}"
        return f"; training times ({times}) are NOT COMPARABLE: {reasons[0]}"
    ratio = worse.seconds / max(better.seconds, 1e-6)
    rough = _describe_roughness(runs)
    if 0.9 < ratio < 1.1:
        return f", and trained as long{rough}"
    return f", and trained {f'{_times(ratio)} faster' if ratio > 1 else f'{_times(1 / ratio)} as long'}{rough}"


def _describe_roughness(runs: Sequence[Finished]) -> str:
    """Why the training times of some runs are rough; empty where nothing speaks against them."""
    return "".join(f" (roughly: {reason})" for reason in not_comparable(runs)[:1])


def _times(ratio: float) -> str:
    """A ratio in words.

    >>> _times(1.94), _times(12.3), _times(1234.5)
    ('1.9 times', '12 times', '1,234 times')
    """
    return f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:,.0f} times"


def _plain_points(fraction: float | None) -> str:
    """Points without a plus."""
    return points(fraction).lstrip("+")


def recommend_over_datasets(
    alike: Sequence[ModelOnDatasets], people: Mapping[str, int], trainings: Sequence[Finished]
) -> tuple[str, str]:
    """Which model to take over several datasets, and why, in words.

    Args:
        alike: The model with the best mean rank, and those that no test tells apart from it.
        people: Tested people of each dataset.
        trainings: Their runs.
    """
    first, *others = alike
    counts = ", ".join(f"{count} of {name}" for name, count in people.items())
    text = f"Over {sum(people.values())} people ({counts}) {first.model} has the best mean rank"
    if not others:
        return first.model, f"{text}, and tests tell it apart from every other model. Take {first.model}."
    text += f"; no test tells it apart from {join_words([row.model for row in others])}."
    if reasons := other_conditions(trainings):
        return first.model, f"{text} Take {first.model}; training times are NOT COMPARABLE: {reasons[0]}."
    fastest = min(alike, key=lambda row: row.seconds)
    text += f" Take {fastest.model}: it trains fastest, in {duration(fastest.seconds)}"
    beside = f", {first.model} in {duration(first.seconds)}" if fastest is not first else ""
    return fastest.model, f"{text}{beside}{_describe_roughness(trainings)}."


def beside_peers(results: Sequence[CandidateResult], pairs: Sequence[Pair]) -> list[str]:
    """How the model with the best validation accuracy does beside methods from elsewhere, best first."""
    models = [result for result in results if not result.peer]
    peers = [result for result in results if result.peer]
    if not models or not peers or not pairs:
        return []
    own = best_by_validation(models).candidate
    target = models[0].target
    sentences: list[str] = []

    def accuracy(peer: CandidateResult) -> float:
        value = peer.scores["all"]["person_accuracy"] if target == "gesture" else peer.primary
        return value["value"] or 0

    for peer in sorted(peers, key=accuracy, reverse=True):
        pair = _pair(own, peer.candidate, pairs)
        word = "better than" if pair.difference > 0 else "worse than"
        word = word if pair.distinguishable else "not distinguishable from"
        kind = "baseline" if peer.baseline else "peer"
        sentences.append(
            f"{own} is {word} {peer.candidate}, a {kind}, on these {pair.people} people: "
            f"{own} minus {peer.candidate}: {_difference(pair, primary_metric(target).title)}."
        )
    return sentences


def _alike(pair: Pair) -> bool:
    """Neither the test nor the interval tells the two sizes apart."""
    within = pair.low is None or pair.high is None or pair.low <= 0 <= pair.high
    return within and not pair.distinguishable


def fewest_people(pairs: int) -> int:
    """With fewer people no pair can be told apart at 0.05: a signed-rank test of n people gives 2 / 2**n at best.

    >>> fewest_people(1), fewest_people(15)
    (6, 10)
    """
    people = 1
    while pairs * 2 / 2**people >= 0.05:
        people += 1
    return people


def _pair(first: str, second: str, pairs: Sequence[Pair]) -> Pair:
    """The pair of two sizes, with the difference taken first minus second."""
    for pair in pairs:
        if (pair.first, pair.second) == (first, second):
            return pair
        if (pair.first, pair.second) == (second, first):
            low, high = (None if end is None else -end for end in (pair.high, pair.low))
            turned = replace(pair, difference=-pair.difference, effect=-pair.effect, low=low, high=high)
            return replace(turned, first=first, second=second)
    raise AssertionError(f"every pair of models was compared, but not {first} and {second}")


def _difference(pair: Pair, metric: str) -> str:
    """Points of the primary metric, with the interval and the test."""
    between = f"{points(pair.low)} to {points(pair.high)}"
    return f"{points(pair.difference)} points of {metric} ({between}), p = {p_value(pair.adjusted)}"
