"""What Lightning's import drags in without need is left out: it is most of the time to a small model's first step."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_UNNEEDED = "scipy.signal"


def import_torchmetrics() -> None:
    """Imports torchmetrics, which Lightning needs, without ``scipy.signal``; call it before Lightning is imported.

    torchmetrics imports ``scipy.signal`` (520 modules, a fifth of the time of ``import lightning.pytorch``) only to
    give it back a function that it once had, ``hamming``, for a package that we do not use. Here a stand-in that has
    the function takes its place while torchmetrics is imported, and leaves it again: later imports of
    ``scipy.signal``, by whomever, get the real one.
    """
    if "torchmetrics" in sys.modules or _UNNEEDED in sys.modules or find_spec("scipy") is None:
        return
    stand_in = ModuleType(_UNNEEDED)
    stand_in.hamming = None  # type: ignore[attr-defined]
    sys.modules[_UNNEEDED] = stand_in
    try:
        import_module("torchmetrics")
    finally:
        if sys.modules.get(_UNNEEDED) is stand_in:
            del sys.modules[_UNNEEDED]
