from hypothesis import given
from hypothesis import strategies as st

from gesturelab.evaluation.cost import beaten_by

CANDIDATES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=8)


def beats(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    no_worse = one[0] >= other[0] and one[1] <= other[1] and one[2] <= other[2]
    return no_worse and one != other


@given(CANDIDATES)
def test_only_what_nobody_beats_is_pareto_optimal_and_who_is_named_does_beat(those: list[tuple[int, int, int]]):
    found = beaten_by([one[0] for one in those], [one[1:] for one in those])
    for own, by in zip(those, found, strict=True):
        assert (by is None) == (not any(beats(other, own) for other in those))
        if by is not None:
            assert beats(those[by], own)
            assert found[by] is None, "the one that is named is Pareto-optimal"


def test_equals_do_not_beat_each_other():
    assert beaten_by([0.9, 0.9], [[5], [5]]) == [None, None]
    assert beaten_by([0.9, 0.9], [[5], [6]]) == [None, 0]
