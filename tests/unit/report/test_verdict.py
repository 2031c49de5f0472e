from pathlib import Path
from typing import Any

import pytest

from gesturelab.evaluation.pairs import Pair
from gesturelab.report.collect import Finished
from gesturelab.report.groups import Candidate
from gesturelab.report.recommendation import beside_peers, compare_kinds, select_model
from gesturelab.report.results import CandidateResult
from info_builder import make_info


def size(
    name: str, parameters: int, validation: float, *, partial: bool = False, peer: bool = False, accuracy: float = 0.9
) -> CandidateResult:
    scores: Any = {"partial": partial, "all": {"person_accuracy": {"value": accuracy}}}
    lstm = name in ("tiny", "medium", "large")
    return CandidateResult(name, name, peer, False, parameters, "gesture", None, validation, scores, lstm)


def sentences(results: list[CandidateResult], pairs: list[Pair]) -> list[str]:
    selection = select_model(results, pairs)
    return [*selection.answer, *selection.others]


def pair(first: str, second: str, difference: float, adjusted: float, *, width: float = 0.02, people: int = 24) -> Pair:
    low, high = difference - width, difference + width
    return Pair(first, second, people, 99, difference, low, high, 0.5, adjusted, adjusted, adjusted < 0.05)


MEDIUM, LARGE, TINY = size("medium", 1_500_000, 0.93), size("large", 4_500_000, 0.94), size("tiny", 500_000, 0.90)


def test_the_smaller_of_two_that_cannot_be_told_apart():
    (said,) = sentences([MEDIUM, LARGE], [pair("medium", "large", -0.004, 0.6)])
    assert said.startswith("medium and large are not distinguishable on these 24 people; take medium: a third of ")
    assert "large minus medium: +0.4 points of accuracy (-1.6 to +2.4), p = 0.60" in said


def test_a_size_that_is_worse_is_not_taken():
    worse = [pair("tiny", "medium", -0.06, 0.001), pair("tiny", "large", -0.07, 0.001)]
    said = sentences([TINY, MEDIUM, LARGE], [*worse, pair("medium", "large", -0.01, 0.3)])
    assert "take medium" in said[0]
    assert "tiny is worse than large: large minus tiny: +7.0 points" in said[1]


def test_the_best_is_taken_if_all_others_are_worse():
    said = sentences([MEDIUM, LARGE], [pair("medium", "large", -0.05, 0.01)])
    assert said[0].endswith("Take large.")


def test_an_interval_without_zero_is_not_called_alike_even_if_the_test_is_unsure():
    said = sentences([MEDIUM, LARGE], [pair("medium", "large", -0.05, 0.09)])
    assert said[0].endswith("Take large.")
    assert "perhaps worse" in said[1]


def test_a_size_that_is_better_on_test_people_only_is_marked_optimistic():
    said = sentences([MEDIUM, LARGE], [pair("medium", "large", 0.05, 0.01)])
    assert said[0].startswith("Validation and test people disagree")
    assert "medium is better than large (choosing by these test people would be optimistic)" in said[1]


def test_too_few_people():
    assert sentences([MEDIUM, LARGE], [pair("medium", "large", 0.5, 0.06, people=5)]) == [
        "5 people are too few to tell two sizes apart: at least 6 are needed."
    ]


def test_a_partial_sweep_gives_a_provisional_verdict():
    partial = size("tiny", 500_000, 0.9, partial=True)
    assert "provisional" in sentences([partial, LARGE], [pair("tiny", "large", 0.0, 1.0)])[0]


def test_one_size_has_no_verdict():
    assert sentences([TINY], []) == []


def test_a_size_beside_peers_best_first():
    weak, strong = size("weak", 1, 0.0, peer=True, accuracy=0.5), size("strong", 1, 0.0, peer=True, accuracy=0.95)
    results = [MEDIUM, weak, strong]
    pairs = [pair("medium", "weak", 0.4, 0.001), pair("medium", "strong", -0.05, 0.01), pair("weak", "strong", -0.4, 0)]
    first, second = beside_peers(results, pairs)
    assert first.startswith("medium is worse than strong, a peer, on these 24 people: medium minus strong: -5.0 points")
    assert second.startswith("medium is better than weak, a peer")
    assert beside_peers(results[:1], []) == []


def trained(seconds: dict[str, float], **devices: str) -> dict[str, Candidate]:
    """A run of each model, on a processor of its own if not said otherwise."""
    candidates: dict[str, Candidate] = {}
    for name, time in seconds.items():
        info: Any = make_info(name)
        info["training"] |= {"seconds": time, "device": devices.get(name, "cpu")}
        info["cost"] = {"flops_per_window": None, "cpu": "a", "cores": 2, "threads": 2, "load": 2.0}
        candidates[name] = Candidate(name, name, (Finished(Path(name), name, info),))
    return candidates


ROCKET = size("minirocket", 100_000, 0.9)


def test_a_model_of_another_kind_that_is_better_on_unseen_people_is_to_be_taken():
    results, pairs = [MEDIUM, ROCKET], [pair("medium", "minirocket", -0.021, 0.012, width=0.018)]
    said = compare_kinds("medium", results, pairs, trained({"medium": 72.0, "minirocket": 9.0}))
    assert "minirocket was 2.1 points of accuracy better than medium (0.3 to 3.9; significant, p = 0.012)" in said
    assert "trained 8.0 times faster" in said
    assert "Take minirocket. " in said
    large = size("minirocket", 6_000_000, 0.9)
    assert "unless 4.0 times as many parameters are too many" in compare_kinds(
        "medium", [MEDIUM, large], pairs, trained({"medium": 72.0, "minirocket": 9.0})
    )


def test_a_difference_that_is_not_significant_changes_no_choice():
    pairs = [
        pair("minirocket", "medium", 0.01, 0.4),
        pair("minirocket", "tiny", 0.05, 0.001),
        pair("medium", "tiny", 0, 1),
    ]
    results = [TINY, MEDIUM, ROCKET]
    said = compare_kinds("medium", results, pairs, trained({"medium": 90.0, "minirocket": 9.0, "tiny": 3.0}))
    assert "minirocket was 1.0 points of accuracy better than medium (-1.0 to 3.0; not significant, p = 0.40)" in said
    assert "Take" not in said


def test_the_chosen_model_is_set_beside_the_best_of_the_other_kind():
    pairs = [
        pair("medium", "minirocket", 0.03, 0.001),
        pair("tiny", "minirocket", 0.01, 0.3),
        pair("medium", "tiny", 0, 1),
    ]
    times = trained({"medium": 90.0, "minirocket": 9.0, "tiny": 3.0})
    said = compare_kinds("minirocket", [TINY, MEDIUM, ROCKET], pairs, times)
    assert "medium was 3.0 points of accuracy better than minirocket" in said
    assert "trained 10 times as long" in said
    said = compare_kinds("medium", [TINY, MEDIUM, ROCKET], pairs, times)
    assert "medium was 3.0 points of accuracy better than minirocket" in said
    assert "Take" not in said
    assert compare_kinds("medium", [TINY, MEDIUM], [pair("medium", "tiny", 0, 1)], times) == ""


@pytest.mark.parametrize(("device", "reason"), [("NVIDIA H100", "NOT COMPARABLE: devices differ"), ("cpu", "10 times")])
def test_times_on_other_devices_are_not_compared(device: str, reason: str):
    pairs = [pair("medium", "minirocket", -0.03, 0.001)]
    times = trained({"medium": 90.0, "minirocket": 9.0}, minirocket=device)
    said = compare_kinds("medium", [MEDIUM, ROCKET], pairs, times)
    assert reason in said
    assert ("times faster" in said) == (device == "cpu")


def test_a_baseline_that_is_better_is_no_choice():
    scores: Any = {"partial": False}
    length = CandidateResult("length alone", "length", True, True, 1, "gesture", None, None, scores)
    said = compare_kinds(
        "medium", [MEDIUM, length], [pair("medium", "length alone", -0.1, 0.001)], trained({"medium": 1.0})
    )
    assert "no model here is worth taking" in said
    assert "Take" not in said
