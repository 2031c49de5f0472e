"""Typed schemas of every configuration key; no torch here, so a login node composes in a blink.

In a notebook: ``gesturelab.config.compose(["model=small"])``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gesturelab.config.composing import compose as compose


def __getattr__(name: str) -> Any:
    if name != "compose":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gesturelab.config.composing import compose  # Hydra is slow to import

    return compose
