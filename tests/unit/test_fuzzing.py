"""A short form of `make fuzz`, always with the same inputs: an answer, or one of our own errors that names the file."""

import logging
import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing_case import Case, check
from fuzzing_parsers import PARSERS, case_of

FEW = {"report": 2, "weights": 5, "config": 6, "unpack": 10, "archive": 15, "bundle": 10, "c3d": 2}
SHORT = [name for name in PARSERS if name != "onnx"]
"""To make a graph takes longer than all the others; `make fuzz` damages it."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Iterator[dict[str, Case]]:
    try:
        yield {name: case_of(name, tmp_path_factory.mktemp(name)) for name in SHORT}
    finally:
        logging.getLogger("gesturelab").setLevel(logging.NOTSET)  # the cases silence it


@pytest.mark.parametrize("name", SHORT)
def test_damaged_files_are_read_or_refused_by_name(name, cases):
    @settings(max_examples=FEW.get(name, 20), database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def attack(seed):
        check(cases[name], cases[name].make(random.Random(seed)))

    attack()
