"""Comma-separated decimal numbers to an array, a few times faster than NumPy and pandas read a small file.

A number such as ``-0.1028086`` is the integer 1028086 over a power of ten. Both are exact in double precision, so their
quotient is the nearest double (the fast path of Clinger, "How to read floating point numbers accurately", PLDI 1990),
and whole columns of digits are handled at once. Anything else, such as ``1e-5``, goes to `float`.
"""

import numpy as np
from jaxtyping import Float64

_WIDEST = 16
"""A sign and 15 digits: the integer is below 2**53."""

_POWERS = 10.0 ** np.arange(_WIDEST)
_COMMA, _DOT, _MINUS, _ZERO = b",.-0"


def parse_decimals(text: bytes) -> Float64[np.ndarray, " numbers"]:
    """The numbers between the commas, each as `float` would read it.

    Raises:
        ValueError: If one is not a number; the message names its column, from 1.

    >>> parse_decimals(b"1,-0.25,1e-3")
    array([ 1.   , -0.25 ,  0.001])
    """
    with_dots = np.frombuffer(text + b",", dtype=np.uint8)
    digits_only = np.frombuffer(b"," + text.translate(None, b".") + b",", dtype=np.uint8)  # and signs, and commas
    commas = np.flatnonzero(with_dots == _COMMA).astype(np.int32)
    bounds = np.flatnonzero(digits_only == _COMMA).astype(np.int32)
    starts, ends = bounds[:-1] + 1, bounds[1:]
    negative = digits_only[starts] == _MINUS
    counts = ends - starts - negative  # digits in each number
    dots_until = commas - ends + 1  # dots in this number and all before it
    dots = np.diff(dots_until, prepend=0)
    decimals = np.zeros_like(counts)
    dotted = dots == 1
    places_of_dots = np.flatnonzero(with_dots == _DOT).astype(np.int32)
    decimals[dotted] = (commas[dotted] - 1) - places_of_dots[dots_until[dotted] - 1]
    plain = (dots <= 1) & (counts > 0) & (counts < _WIDEST) & (decimals <= counts)
    width = int(counts[plain].max(initial=0))
    narrowest = int(counts.min())
    values = np.zeros(len(counts))
    last = ends - 1
    for place in range(width):
        digits = digits_only.take(last - place, mode="clip") - np.uint8(_ZERO)
        if place >= narrowest:
            digits *= counts > place
        plain &= digits <= 9
        values += digits * _POWERS[place]
    values /= _POWERS.take(np.where(plain, decimals, 0))
    np.negative(values, where=negative, out=values)
    if not plain.all():
        for column in np.flatnonzero(~plain):
            start = commas[column - 1] + 1 if column else 0
            values[column] = _slow(text[start : commas[column]], int(column))
    return values


def _slow(text: bytes, column: int) -> float:
    try:
        if b"_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        shown = text[:40].decode("ascii", "backslashreplace")
        raise ValueError(f"column {column + 1} is {shown!r}, not a number") from None
