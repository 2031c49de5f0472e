"""Rules of keys: each stands at its key, is checked when an object is made, and names the key where it is broken."""

import operator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar, cast

from gesturelab.errors import ConfigError

_RULE = "rule"
_Default = TypeVar("_Default")


@dataclass(frozen=True)
class Rule:
    """What a value may be; None always passes, NaN never.

    >>> str(Rule(minimum=0, below=1)), Rule(minimum=0, below=1).holds(1)
    ('at least 0 and below 1', False)

    Attributes:
        minimum: The least value.
        maximum: The greatest value.
        above: Values are greater than this.
        below: Values are less than this.
        one_of: The values there are.
    """

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    one_of: tuple[str, ...] = ()

    def holds(self, value: Any) -> bool:
        """Whether a value keeps the rule."""
        if value is None or self.one_of:
            return value is None or value in self.one_of
        return all(compare(value, bound) for compare, bound, _ in self._bounds())

    def __str__(self) -> str:
        if self.one_of:
            return f"one of {', '.join(self.one_of)}"
        return " and ".join(f"{words} {bound:g}" for _, bound, words in self._bounds())

    def _bounds(self) -> list[tuple[Any, float, str]]:
        bounds = (
            (operator.ge, self.minimum, "at least"),
            (operator.gt, self.above, "more than"),
            (operator.le, self.maximum, "at most"),
            (operator.lt, self.below, "below"),
        )
        return [(compare, bound, words) for compare, bound, words in bounds if bound is not None]


FRACTION = Rule(minimum=0, below=1)
COUNT = Rule(minimum=1)
NOT_NEGATIVE = Rule(minimum=0)
POSITIVE = Rule(above=0)


def key(default: _Default, rule: Rule) -> _Default:
    """A field of a schema with a default and a rule; a schema that changes the default repeats the rule."""
    return field(default=default, metadata={_RULE: rule})


class Checked:
    """Base of schemas whose keys have rules."""

    GROUP: ClassVar[str] = ""
    """Where the keys stand, such as ``split``."""

    def __post_init__(self) -> None:
        """Checks each key.

        Raises:
            ConfigError: Naming the key, its value and the rule.
        """
        for each in fields(cast(Any, self)):
            rule: Rule | None = each.metadata.get(_RULE)
            value = getattr(self, each.name)
            if rule is not None and not rule.holds(value):
                raise ConfigError(f"{self.GROUP}.{each.name}={value}: must be {rule}".lstrip("."))
