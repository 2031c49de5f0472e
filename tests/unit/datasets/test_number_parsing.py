import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturelab.datasets.irds.read import parse_numbers

DECIMAL = st.from_regex(r"[-+ ]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,12})([eE][-+]?[0-9]{1,2})?", fullmatch=True)


@given(st.lists(DECIMAL, min_size=1, max_size=20))
def test_reads_every_number_as_python_does(numbers: list[str]) -> None:
    read = parse_numbers(",".join(numbers).encode())
    assert read.tolist() == [float(number) for number in numbers]


@given(st.lists(st.text("0123456789.-+eE_ x", max_size=8), min_size=1, max_size=6))
def test_refuses_what_python_refuses(columns: list[str]) -> None:
    text = ",".join(columns)
    try:
        expected = [float(column) if "_" not in column else float("x") for column in columns]
    except ValueError:
        with pytest.raises(ValueError, match="not a number"):
            parse_numbers(text.encode())
    else:
        np.testing.assert_array_equal(parse_numbers(text.encode()), expected)


@pytest.mark.parametrize("text", [b"", b".", b"-", b".-5", b"1..2", b"--1", b"1,,2", b"1-2", b"\xe2\x88\x9e", b"1 2"])
def test_refuses_what_is_no_number(text: bytes) -> None:
    with pytest.raises(ValueError, match="not a number"):
        parse_numbers(text)


def test_names_the_column() -> None:
    with pytest.raises(ValueError, match="column 3 is '2x'"):
        parse_numbers(b"0.5,1,2x,3")
