"""Which classes a model from elsewhere may name: gesturelab's own, and those that its user trusts by name."""

import re
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, cast

from gesturelab.config.options import TARGET, locate
from gesturelab.datasets.source import RecordingSource
from gesturelab.errors import ConfigError, TrustError
from gesturelab.models.network import Network

_OWN = re.compile(r"(gesturelab\.(models|datasets)\.[a-z0-9_]+)\.([A-Za-z0-9_]+)")
_BASES = {"models": Network, "datasets": RecordingSource}


def is_built_in(target: str) -> bool:
    """Whether a ``_target_`` is a network or dataset class of a file of gesturelab's; nothing else is imported."""
    match = _OWN.fullmatch(target)
    if match is None or find_spec(match[1]) is None:
        return False
    try:
        located = locate(match[2], target)
    except ConfigError:
        return False
    return isinstance(located, type) and issubclass(located, _BASES[match[2]]) and located.__module__ == match[1]


def refuse_untrusted(groups: Mapping[str, Any], trust: Collection[str], what: str) -> None:
    """Refuses a model that names classes which are neither built in nor trusted; no code of theirs is run.

    Args:
        groups: Plain values that objects are made of, such as the keys ``model`` and ``features``.
        trust: Names that are allowed, each exactly.
        what: Names them, for the error.

    Raises:
        TrustError: Naming the classes.
    """
    foreign = sorted({name for name in _targets(groups) if name not in trust and not is_built_in(name)})
    if foreign:
        listed = ", ".join(foreign)
        options = " ".join(f"--trust {name}" for name in foreign)
        raise TrustError(
            f"{what} names {listed}, which does not come with gesturelab: loading it runs that code; if you trust it, "
            f"say so with {options}, or load(..., trust={foreign})"
        )


def _targets(values: Any) -> Iterator[str]:
    """Every ``_target_``, at any depth."""
    if isinstance(values, Mapping):
        for key, value in cast(Mapping[str, Any], values).items():
            if key == TARGET:
                yield str(value)
            else:
                yield from _targets(value)
    elif isinstance(values, list | tuple):
        for value in cast(list[Any], values):
            yield from _targets(value)
