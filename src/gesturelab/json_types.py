"""Whether the values of a JSON file have the types that a TypedDict gives them, such as `gesturelab.runs.info.Info`."""

import math
import types
from collections.abc import Mapping
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
    arguments = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return ""
        problems = [_odd(value, one, key, depth) for one in arguments if one is not type(None)]
        return "" if "" in problems else problems[0]
    known = _hints(kind) if is_typeddict(kind) else None
    container = dict if known is not None else type(cast(object, value)) if kind is Any else get_origin(kind) or kind
    if container not in (dict, list):
        return "" if container is type(None) else _odd_leaf(value, container, key)
    if not isinstance(value, container):
        return _wrong(value, container.__name__, key)
    inner = arguments[-1] if arguments else Any
    entries: list[tuple[str, Any, Any]] = []
    if isinstance(value, list):
        entries = [(f"{key}[{at}]", one, inner) for at, one in enumerate(cast(list[Any], value))]
    for name, one in cast(dict[Any, Any], value).items() if isinstance(value, dict) else ():
        if known is None and (problem := _odd_leaf(name, str, key)):
            return problem
        if known is None or name in known:
            entries.append((f"{key}.{name}" if key else name, one, inner if known is None else known[name]))
    return next(filter(None, (_odd(one, kind, place, depth + 1) for place, one, kind in entries)), "")


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


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted keys; lists as text.

    >>> flatten({"model": {"hidden": 16}, "tags": ["a", "b"]})
    {'model.hidden': 16, 'tags': "['a', 'b']"}
    """
    settings: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            settings |= flatten(cast(Mapping[str, Any], item), f"{prefix}{key}.")
        else:
            settings[prefix + key] = item if item is None or isinstance(item, (bool, int, float)) else str(item)
    return settings
