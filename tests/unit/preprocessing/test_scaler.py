import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from gesturelab.errors import DataError
from gesturelab.preprocessing.scaler import Scaler, fit_scaler, no_scaler


@given(st.integers(1, 50), st.integers(1, 20), st.floats(-1000, 1000))
def test_agrees_with_scikit_learn_however_the_rows_come(rows, chunk, offset):
    table = np.random.default_rng(rows).normal(offset, 2, size=(rows, 3))
    ours = fit_scaler("abc", [table[start : start + chunk] for start in range(0, rows, chunk)])
    theirs = StandardScaler().fit(table)
    assert np.allclose(ours.mean, theirs.mean_)
    if rows > 1:
        assert np.allclose(ours.deviation, theirs.scale_)


def test_a_constant_feature_scales_to_zero_and_not_to_infinity():
    scaler = fit_scaler(["still", "moving"], [np.array([[5.0, 1.0], [5.0, 3.0]])])
    assert scaler.deviation.tolist() == [1, 1]
    assert scaler.mean.tolist() == [5, 2]


def test_saved_and_loaded_is_the_same_to_the_bit(tmp_path):
    scaler = fit_scaler("ab", [np.random.default_rng(0).normal(size=(7, 2))])
    scaler.save(tmp_path / "scaler.json")
    again = Scaler.load(tmp_path / "scaler.json")
    assert again.names == ("a", "b")
    assert np.array_equal(again.mean, scaler.mean)
    assert np.array_equal(again.deviation, scaler.deviation)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1, 2]", '{"features": [{"name": "a"}]}', '{"features": [{"name": "a", "mean": 0, "deviation": 0}]}'],
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "scaler.json").write_text(text)
    with pytest.raises(DataError, match=r"scaler\.json"):
        Scaler.load(tmp_path / "scaler.json")


def test_nothing_to_fit_is_an_error():
    with pytest.raises(DataError, match="no training window"):
        fit_scaler("ab", [])


def test_no_scaler_changes_nothing(tmp_path):
    scaler = no_scaler("ab")
    scaler.save(tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text())["features"][0] == {"name": "a", "mean": 0.0, "deviation": 1.0}
