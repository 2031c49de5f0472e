"""Rules that several schemas share; each failure names the key and what it may be."""

from collections.abc import Sequence

from gesturelab.errors import ConfigError


def at_least(key: str, value: float | None, minimum: float) -> None:
    """Refuses a value below `minimum`; ``None`` passes.

    Raises:
        ConfigError: Naming the key, its value and the bound.
    """
    if value is not None and not value >= minimum:
        raise ConfigError(f"{key}={value}: must be at least {minimum:g}")


def positive(key: str, value: float | None) -> None:
    """Refuses zero, negative numbers and NaN; ``None`` passes.

    Raises:
        ConfigError: Naming the key and its value.
    """
    if value is not None and not value > 0:
        raise ConfigError(f"{key}={value}: must be more than 0")


def fraction(key: str, value: float) -> None:
    """Refuses what is not in [0, 1).

    Raises:
        ConfigError: Naming the key and its value.
    """
    if not 0 <= value < 1:
        raise ConfigError(f"{key}={value}: must be at least 0 and below 1")


def subset(key: str, values: Sequence[int], allowed: Sequence[int]) -> None:
    """Refuses an empty list, or one with a value that is not allowed.

    Raises:
        ConfigError: Naming the key, the values and what is allowed.
    """
    if not values or not set(values) <= set(allowed):
        raise ConfigError(f"{key}={list(values)}: must be one or more of {list(allowed)}")
