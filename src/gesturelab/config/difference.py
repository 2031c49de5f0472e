"""What differs between two saved configurations."""

from dataclasses import dataclass
from typing import Any, cast

import yaml

from gesturelab.config.saved import repeats_itself, upgrade

UNCOMPARED = ("search_path",)
"""Where guests' files lie makes no run another one."""


@dataclass(frozen=True)
class Difference:
    """A key whose value is not the same; a key that is not there has the value None, printed as nothing."""

    key: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.old)} -> {_shown(self.new)}"


def differences(old: str | None, new: str) -> list[Difference]:
    r"""The keys that differ between two configurations in YAML, in order of the new one.

    >>> print(*differences("model: {name: tiny}\nseed: 0", "model: {name: tiny}\nseed: 1"))
    seed: 0 -> 1
    """
    if old is None:
        return []
    try:
        if repeats_itself(old):
            raise ValueError
        before = _flat(upgrade(yaml.load(old, Loader=_Loader)))
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError):
        return [Difference("config.yaml", "(damaged)", "(this configuration)")]
    after = _flat(upgrade(yaml.load(new, Loader=_Loader)))
    keys = [key for key in (*after, *(key for key in before if key not in after)) if not key.startswith(UNCOMPARED)]
    return [Difference(key, before.get(key), after.get(key)) for key in keys if not _same(key, before, after)]


def _same(key: str, before: dict[str, str], after: dict[str, str]) -> bool:
    """Whether a value is the same; a feature that is off may be missing, as in files from before it existed."""
    old, new = before.get(key), after.get(key)
    off = (None, "False", "null")
    return old == new or (key.startswith(("features.", "augment.")) and old in off and new in off)


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is built in


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        flat: dict[str, str] = {}
        for key, item in cast(dict[Any, Any], value).items():
            flat |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
        return flat
    return {prefix: "null" if value is None else repr(value) if isinstance(value, str) and not value else str(value)}


def _shown(value: str | None) -> str:
    return "(not there)" if value is None else value
