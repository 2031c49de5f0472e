"""Whether the values of a JSON file have the types that a TypedDict gives them, such as `gesturelab.runs.info.Info`."""

import math
import types
from functools import cache
from typing import Any, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

LARGEST = 2**63 - 1
"""No number that a run counts is larger."""

DEEPEST = 40


def odd_value(value: Any, kind: Any) -> str:
    """The first value of a wrong type, with its key, in words; empty where there is none. Missing keys are passed over.

    >>> from gesturelab.runs.info import GitInfo
    >>> odd_value({"commit": "0123456", "dirty": "no"}, GitInfo)
    "'dirty' should be of type bool, not str"
    """
    return _odd(value, kind, "", 0)


def _odd(value: Any, kind: Any, key: str, depth: int) -> str:
    if depth > DEEPEST:
        return f"'{key}' nests too deeply"
    if is_typeddict(kind):
        if not isinstance(value, dict):
            return _wrong(value, "dict", key)
        there = cast(dict[str, Any], value)
        return _first(_odd(there[name], inner, _join(key, name), depth + 1) for name, inner in _hints(kind).items()
                      if name in there)  # fmt: skip
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(kind):
            return ""
        problems = [_odd(value, one, key, depth) for one in get_args(kind) if one is not type(None)]
        return "" if "" in problems else problems[0]
    if kind is Any or origin in (list, dict):
        return _odd_inside(value, kind, origin, key, depth)
    return _odd_leaf(value, kind, key) if isinstance(kind, type) else ""


def _odd_inside(value: Any, kind: Any, origin: Any, key: str, depth: int) -> str:
    """Of what holds others, or may be anything that JSON can hold."""
    if origin is not None and not isinstance(value, origin):
        return _wrong(value, origin.__name__, key)
    inner = get_args(kind)[-1] if origin is not None else Any
    if isinstance(value, dict):
        named = cast(dict[str, Any], value).items()
        return _first(_odd_leaf(name, str, key) or _odd(one, inner, _join(key, name), depth + 1) for name, one in named)
    if isinstance(value, list):
        return _first(_odd(one, inner, f"{key}[{at}]", depth + 1) for at, one in enumerate(cast(list[Any], value)))
    return "" if value is None else _odd_leaf(value, type(cast(object, value)), key)


def _odd_leaf(value: Any, kind: Any, key: str) -> str:
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        return _wrong(value, kind.__name__, key)
    if isinstance(value, float) and not math.isfinite(value):
        return f"'{key}' is {value}, which JSON cannot hold"
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"'{key}' is too large"
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"'{key}' holds half a character, which JSON cannot"
    return ""


def _wrong(value: Any, kind: str, key: str) -> str:
    return f"'{key}' should be of type {kind}, not {type(value).__name__}"


def _first(problems: Any) -> str:
    return next(filter(None, problems), "")


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
