from typing import Any, NotRequired, TypedDict

import pytest

from gesturelab.json_types import odd_value
from gesturelab.runs.folder import RunDir
from gesturelab.runs.status import read_status


class Inner(TypedDict):
    share: float | None
    names: list[str]


class Whole(TypedDict):
    count: int
    inner: Inner
    more: NotRequired[dict[str, Any]]
    either: int | str


RIGHT = {
    "count": 1,
    "inner": {"share": None, "names": ["a"]},
    "more": {"x": [1, {"y": 0.5}]},
    "either": "a",
    "new": object(),
}


def test_right_values_missing_keys_and_unknown_ones_pass():
    assert odd_value(RIGHT, Whole) == ""
    assert odd_value({}, Whole) == ""
    assert odd_value({**RIGHT, "inner": {"share": 1}, "either": 3}, Whole) == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"count": 1.5}, "'count' should be of type int, not float"),
        ({"count": True}, "'count' should be of type int, not bool"),
        ({"count": 10**40}, "'count' is too large"),
        ({"inner": []}, "'inner' should be of type dict, not list"),
        ({"inner": {"share": "1"}}, "'inner.share' should be of type float, not str"),
        ({"inner": {"share": float("nan")}}, "'inner.share' is nan, which JSON cannot hold"),
        ({"inner": {"names": ["a", 2]}}, "'inner.names[1]' should be of type str, not int"),
        ({"inner": {"names": ["\ud800"]}}, "'inner.names[0]' holds half a character, which JSON cannot"),
        ({"more": {"x": [1, float("inf")]}}, "'more.x[1]' is inf, which JSON cannot hold"),
        ({"either": []}, "'either' should be of type int, not list"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(changed, said):
    assert odd_value({**RIGHT, **changed}, Whole) == said


def test_nesting_has_an_end():
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    assert "nests too deeply" in odd_value({"more": deep}, Whole)


def test_odd_values_of_a_status_are_as_if_they_were_not_there(tmp_path):
    RunDir(tmp_path, "").status.write_text(
        '{"state": "running", "epoch": "3", "heartbeat": "noon", "started": "2026-01-01T00:00:00", "pid": 7, '
        '"validation_losses": [1.5, null], "metrics": {"train_loss": NaN}, "slurm_job": null, "of_a_newer_version": 1}'
    )
    assert read_status(tmp_path) == {
        "state": "running", "pid": 7, "validation_losses": [1.5, None], "slurm_job": None
    }  # fmt: skip
