import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gesturelab.evaluation.pairs import Pair, compare_pairs, holm, rank_biserial, rank_models, signed_rank_p


def test_the_signed_rank_test_agrees_with_scipy_where_scipy_is_exact():
    rng = np.random.default_rng(0)
    for people in (5, 12, 24, 30):
        gaps = rng.normal(0.2, 1, size=people)
        assert signed_rank_p(gaps) == pytest.approx(stats.wilcoxon(gaps, method="exact").pvalue, rel=1e-9)


def test_with_ties_it_agrees_with_counting_all_sign_flips():
    gaps = np.array([0.1, 0.1, -0.1, 0.2, 0.2, 0.3, -0.3, 0.4, 0.0])
    found = gaps[gaps != 0]
    ranks = stats.rankdata(np.abs(found))
    sums = [
        sum(r for r, sign in zip(ranks, signs, strict=True) if sign) for signs in itertools.product((0, 1), repeat=8)
    ]
    positive = ranks[found > 0].sum()
    expected = 2 * min(np.mean(np.array(sums) <= positive), np.mean(np.array(sums) >= positive))
    assert signed_rank_p(gaps) == pytest.approx(min(1.0, float(expected)))


def test_with_ties_it_agrees_with_scipys_permutations():
    gaps = np.array([0.1, 0.1, -0.1, 0.2, 0.2, 0.3, -0.3, 0.4])
    permuted = stats.wilcoxon(gaps, method=stats.PermutationMethod(n_resamples=np.inf))
    assert signed_rank_p(gaps) == pytest.approx(permuted.pvalue)


def test_people_without_a_difference_say_nothing():
    assert signed_rank_p(np.zeros(5)) == 1.0
    assert rank_biserial(np.zeros(5)) == 0.0
    assert signed_rank_p(np.array([0, 0.2, 0.3, 0, -0.1])) == signed_rank_p(np.array([0.2, 0.3, -0.1]))


def test_five_people_can_never_be_enough():
    assert signed_rank_p(np.array([0.5, 0.4, 0.3, 0.2, 0.1])) == 2 / 2**5


def test_holm_by_hand():
    # sorted 0.01 0.02 0.03 0.04 times 4 3 2 1
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lies_between_raw_and_bonferroni(ps: list[float]):
    adjusted = holm(ps)
    for p, other in zip(ps, adjusted, strict=True):
        assert p <= other <= min(1.0, p * len(ps)) + 1e-12
    line = sorted(range(len(ps)), key=ps.__getitem__)
    assert all(adjusted[a] <= adjusted[b] for a, b in itertools.pairwise(line))


def test_a_pair_says_who_is_better_and_by_how_much():
    better = np.linspace(0.70, 0.99, 24)
    [pair] = compare_pairs(["a", "b"], np.stack([better, better - 0.05]))
    assert pair.difference == pytest.approx(0.05)
    assert (pair.low, pair.high, pair.effect) == pytest.approx((0.05, 0.05, 1.0))
    assert pair.p == pair.adjusted == pytest.approx(2 / 2**24)
    assert pair.distinguishable


def test_the_effect_is_the_matched_pairs_rank_biserial_correlation():
    gaps = np.random.default_rng(1).normal(0.3, 1, 20)
    plus = stats.wilcoxon(gaps, alternative="greater").statistic  # sum of positive ranks
    assert rank_biserial(gaps) == pytest.approx(2 * plus / (20 * 21 / 2) - 1)


def test_the_critical_difference_is_the_one_in_the_paper():
    # Demsar 2006, section 3.2.4: four classifiers on 14 data sets, q = 2.569, so 1.25
    ranks = rank_models("abcd", np.random.default_rng(0).random((4, 14)), [])
    assert ranks.critical_difference == pytest.approx(1.25, abs=0.005)


def test_ranks_and_friedmans_test():
    values = np.random.default_rng(2).random((3, 10))
    ranks = rank_models("abc", values, [])
    assert ranks.friedman_p == pytest.approx(stats.friedmanchisquare(*values).pvalue)
    assert sum(ranks.mean.values()) == pytest.approx(6)
    assert rank_models("abc", np.ones((3, 10)), []).friedman_p == 1.0


def test_cliques_hold_neighbours_that_cannot_be_told_apart():
    values = np.array([[0.9] * 8, [0.8] * 8, [0.7] * 8])
    apart = [
        Pair("a", "c", 8, 8, 0.2, 0.1, 0.3, 1.0, 0.001, 0.003, True),
        Pair("a", "b", 8, 8, 0.1, 0.0, 0.2, 1.0, 0.2, 0.4, False),
    ]
    assert rank_models("abc", values, apart).cliques == [["a", "b"], ["b", "c"]]
    assert rank_models("abc", values, []).cliques == [["a", "b", "c"]]


def test_peers_do_not_change_what_is_said_of_the_sizes():
    rng = np.random.default_rng(3)
    values = rng.random((5, 12))
    sizes = compare_pairs("abc", values[:3])
    both = compare_pairs("abcde", values, [False, False, False, True, True])
    assert tuple(pair for pair in both if pair.second < "d") == sizes
    with_peer = [pair for pair in both if pair.second >= "d"]
    assert [pair.adjusted for pair in with_peer] == pytest.approx(holm([pair.p for pair in with_peer]))
