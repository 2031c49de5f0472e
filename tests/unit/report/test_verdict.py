from typing import Any

from gesturelab.report.recommendation import beside_peers, select_model
from gesturelab.report.results import CandidateResult, PairResult


def size(
    name: str, parameters: int, validation: float, *, partial: bool = False, peer: bool = False, accuracy: float = 0.9
) -> CandidateResult:
    scores: Any = {"partial": partial, "all": {"person_accuracy": {"value": accuracy}}}
    return CandidateResult(name, name, peer, False, parameters, "gesture", None, validation, scores)


def pair(
    first: str, second: str, difference: float, adjusted: float, *, width: float = 0.02, people: int = 24
) -> PairResult:
    low, high = difference - width, difference + width
    return PairResult(first, second, people, 99, difference, low, high, 0.5, adjusted, adjusted, adjusted < 0.05)


MEDIUM, LARGE, TINY = size("medium", 1_500_000, 0.93), size("large", 4_500_000, 0.94), size("tiny", 500_000, 0.90)


def test_the_smaller_of_two_that_cannot_be_told_apart():
    (said,) = select_model([MEDIUM, LARGE], [pair("medium", "large", -0.004, 0.6)])
    assert said.startswith("medium and large are not distinguishable on these 24 people; take medium: a third of ")
    assert "large minus medium: +0.4 points of accuracy (-1.6 to +2.4), p = 0.60" in said


def test_a_size_that_is_worse_is_not_taken():
    worse = [pair("tiny", "medium", -0.06, 0.001), pair("tiny", "large", -0.07, 0.001)]
    said = select_model([TINY, MEDIUM, LARGE], [*worse, pair("medium", "large", -0.01, 0.3)])
    assert "take medium" in said[0]
    assert "tiny is worse than large: large minus tiny: +7.0 points" in said[1]


def test_the_best_is_taken_if_all_others_are_worse():
    said = select_model([MEDIUM, LARGE], [pair("medium", "large", -0.05, 0.01)])
    assert said[0].endswith("Take large.")


def test_an_interval_without_zero_is_not_called_alike_even_if_the_test_is_unsure():
    said = select_model([MEDIUM, LARGE], [pair("medium", "large", -0.05, 0.09)])
    assert said[0].endswith("Take large.")
    assert "perhaps worse" in said[1]


def test_a_size_that_is_better_on_test_people_only_is_marked_optimistic():
    said = select_model([MEDIUM, LARGE], [pair("medium", "large", 0.05, 0.01)])
    assert said[0].startswith("Validation and test people disagree")
    assert "medium is better than large (choosing by these test people would be optimistic)" in said[1]


def test_too_few_people():
    assert select_model([MEDIUM, LARGE], [pair("medium", "large", 0.5, 0.06, people=5)]) == [
        "5 people are too few to tell two sizes apart: at least 6 are needed."
    ]


def test_a_partial_sweep_gives_a_provisional_verdict():
    partial = size("tiny", 500_000, 0.9, partial=True)
    assert "provisional" in select_model([partial, LARGE], [pair("tiny", "large", 0.0, 1.0)])[0]


def test_one_size_has_no_verdict():
    assert select_model([TINY], []) == []


def test_a_size_beside_peers_best_first():
    weak, strong = size("weak", 1, 0.0, peer=True, accuracy=0.5), size("strong", 1, 0.0, peer=True, accuracy=0.95)
    results = [MEDIUM, weak, strong]
    pairs = [pair("medium", "weak", 0.4, 0.001), pair("medium", "strong", -0.05, 0.01), pair("weak", "strong", -0.4, 0)]
    first, second = beside_peers(results, pairs)
    assert first.startswith("medium is worse than strong, a peer, on these 24 people: medium minus strong: -5.0 points")
    assert second.startswith("medium is better than weak, a peer")
    assert beside_peers(results[:1], []) == []
