import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gesturelab.evaluation.windows import combine_windows


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_agrees_with_a_loop_over_recordings(recording):
    rows = np.random.default_rng(len(recording)).dirichlet(np.ones(4), size=len(recording))
    number = np.array(recording)
    ids, combined = combine_windows(number, rows)
    assert ids.tolist() == sorted(set(recording))
    for which, row in zip(ids, combined, strict=True):
        assert np.allclose(row, rows[number == which].mean(axis=0))
    assert np.allclose(combined.sum(axis=1), 1)
