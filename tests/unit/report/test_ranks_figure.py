import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gesturelab.evaluation.pairs import Pair, compare_pairs, rank_models
from gesturelab.report import cross_validation_figures
from gesturelab.report.cross_validation_figures import draw_ranks, place_bars, place_labels
from gesturelab.report.results import CandidateResult, CrossValidationResult, ModelSelection


def item_of(names: list[str], values: np.ndarray, peers: int = 0) -> CrossValidationResult:
    kinds = [at >= len(names) - peers for at in range(len(names))]
    ranks = rank_models(names, values, compare_pairs(names, values, kinds))
    scores: Any = {}
    results = [CandidateResult(name, name, kind, False, 1, "gesture", None, None, scores)
               for name, kind in zip(names, kinds, strict=True)]  # fmt: skip
    return CrossValidationResult(tuple(results), (), ranks, ModelSelection(), "", (), ())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    kept: list[Figure] = []
    real = cross_validation_figures.save

    def remember(figure: Figure, *rest: Any) -> None:
        real(figure, *rest)
        kept.append(figure)

    monkeypatch.setattr(cross_validation_figures, "save", remember)
    return kept


def steps(candidates: int, people: int = 12) -> np.ndarray:
    """The first is best for everybody, then the second, and so on: mean ranks 1, 2, 3 ..."""
    return np.repeat(np.linspace(0.9, 0.1, candidates)[:, None], people, axis=1)


@pytest.mark.parametrize("candidates", [2, 3, 7, 20])
def test_no_label_lies_on_another_or_outside(candidates: int, tmp_path: Path, drawn: list[Figure]):
    names = [f"WWWWWWWW ({'M' * (3 * at)} $x$ {at})" for at in range(candidates)]
    values = np.random.default_rng(candidates).random((candidates, 12))
    draw_ranks(item_of(names, values, peers=1), tmp_path / "ranks.png", "irds, loso", [])
    canvas = FigureCanvasAgg(drawn[0])
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in drawn[0].axes[0].texts if text.get_text()]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.x1 <= drawn[0].bbox.x1 for box in boxes)
    texts = [text.get_text() for text in drawn[0].axes[0].texts]
    assert sum(", peer" in text for text in texts) == 1


def test_the_worst_ranks_stand_left_and_every_name_at_its_rank(tmp_path: Path, drawn: list[Figure]):
    names = ["tiny", "small", "medium", "large"]
    draw_ranks(item_of(names, steps(4)), tmp_path / "ranks.svg", "irds, loso", [])
    (axes,) = drawn[0].axes
    assert axes.get_xlim()[0] > 4 > 1 > axes.get_xlim()[1], "1 is on the right"
    labels = {text.get_text(): text.get_ha() for text in axes.texts if text.get_gid() == "label"}
    assert labels == {"1.00  tiny": "left", "2.00  small": "left", "medium  3.00": "right", "large  4.00": "right"}


def test_bars_are_the_cliques_of_the_corrected_tests_and_the_line_is_the_critical_difference(
    tmp_path: Path, drawn: list[Figure]
):
    better = np.linspace(0.7, 0.99, 12)
    values = np.stack([better, np.roll(better, 5), better - 0.2])  # the third is worse than the first for everybody
    item = item_of(["a", "b", "c"], values)
    assert item.ranks is not None
    assert item.ranks.cliques == [["a", "b"]]
    draw_ranks(item, tmp_path / "ranks.png", "irds, loso", ["PARTIAL: a lacks 202"])
    lines = {line.get_gid(): line.get_xdata() for line in drawn[0].axes[0].lines}
    low, high = sorted(lines["clique"])  # type: ignore[arg-type]
    mean = item.ranks.mean
    assert low < min(mean["a"], mean["b"]) < max(mean["a"], mean["b"]) < high < mean["c"]
    width = abs(lines["critical difference"][0] - lines["critical difference"][1])  # type: ignore[operator]
    assert width == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 12)), abs=0.005), "Demsar 2006, table 5a: q = 2.343"
    said = " ".join(text.get_text() for text in drawn[0].texts)
    assert "Holm's correction" in said
    assert "PARTIAL: a lacks 202" in said


def test_where_all_differ_the_picture_says_that_there_is_no_bar(tmp_path: Path, drawn: list[Figure]):
    draw_ranks(item_of(["a", "b"], steps(2)), tmp_path / "ranks.png", "irds, loso", [])
    assert any(text.get_text().startswith("No bar") for text in drawn[0].texts)


def test_lines_to_the_names_never_cross():
    labels = place_labels({f"{at}": 1 + at * 0.7 for at in range(9)})
    for one, other in itertools.permutations(labels, 2):
        if one.left == other.left and one.row < other.row:
            inside = one.rank > other.rank if one.left else one.rank < other.rank
            assert inside, "a line that goes further down begins nearer the middle"
    assert max(label.rank for label in labels if not label.left) <= min(label.rank for label in labels if label.left)


@given(st.lists(st.tuples(st.floats(1, 20), st.floats(0, 10)), max_size=12))
def test_bars_on_one_level_never_touch(given: list[tuple[float, float]]):
    spans = [(low, low + long) for low, long in given]
    placed = list(zip(place_bars(spans, 0.1), spans, strict=True))
    for (level, one), (other, two) in itertools.combinations(placed, 2):
        assert level != other or one[1] + 0.1 < two[0] or two[1] + 0.1 < one[0]


@given(st.integers(2, 9), st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_cliques_are_the_longest_runs_of_neighbours_without_a_difference(candidates: int, seed: int):
    rng = np.random.default_rng(seed)
    names, values = "abcdefghi"[:candidates], steps(candidates, 3)
    apart = {pair for pair in itertools.combinations(names, 2) if rng.random() < 0.3}
    pairs = [Pair(one, other, 3, 3, 0, 0, 0, 0, 0, 0.0, True) for one, other in apart]
    runs = [
        list(names[start:end])
        for start, end in itertools.combinations(range(candidates + 1), 2)
        if end - start > 1 and not any(pair in apart for pair in itertools.combinations(names[start:end], 2))
    ]
    longest = [run for run in runs if not any(set(run) < set(other) for other in runs)]
    assert sorted(rank_models(names, values, pairs).cliques) == sorted(longest)
