"""What a run of the suite was asked for, and the configurations that it trains."""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from gesturelab.config.composing import compose
from gesturelab.config.training import TrainConfig

SIZES = ("tiny", "small", "medium", "large", "xlarge", "xxlarge")


class Form(IntEnum):
    """How much is measured."""

    short = 0
    """What does not depend on the machine, under three minutes on two cores."""
    normal = 1
    """Every item, every size at its default batch."""
    full = 2
    """Other batches too, and longer."""


@dataclass(frozen=True)
class Settings:
    """What to measure, and on what.

    Attributes:
        root: Folder of real recordings; None makes some up.
        form: How much.
        scratch: A folder for what is written on the way.
        sizes: Whose training steps are measured, beside the short form.
    """

    root: Path | None
    form: Form
    scratch: Path
    sizes: tuple[str, ...] = SIZES

    @property
    def source(self) -> list[str]:
        """Overrides that choose the recordings."""
        if self.root is None:
            return ["data=synthetic", "data.people=12", "data.repetitions=4"]
        return ["data=irds", f"data.root={self.root.resolve()}"]

    @property
    def recordings(self) -> str:
        """Which recordings, in words."""
        return "made-up recordings" if self.root is None else "IntelliRehabDS"

    def config(self, *overrides: str) -> TrainConfig:
        """A training on the CPU with these recordings."""
        return compose([*self.source, "trainer=cpu", f"data.cache_dir={self.scratch / 'cache'}", *overrides])
