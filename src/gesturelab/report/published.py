"""The tables of the manual as experiments to run again: commands, published numbers, and what may differ from them.

Each is a YAML file in the folder ``published`` beside this one; a file of one's own has the same keys.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gesturelab.errors import ConfigError
from gesturelab.files import read_text, why, write_text
from gesturelab.report.results import Comparison
from gesturelab.runs.info import Info

FOLDER = Path(__file__).parent / "published"
ROUNDING = 1e-6
"""Published fractions have six digits."""


@dataclass(frozen=True)
class Published:
    """A table.

    Attributes:
        title: What it shows, in one line.
        page: Where it stands.
        sweep: What ``gesturelab train -m`` is called with.
        minutes: How long that takes on the processor that it was measured on.
        tolerance: How far a cell may be off on another processor or with other versions, as a fraction.
        cpu: The processor that it was measured on.
        recordings: Their fingerprint.
        versions: Of what a result depends on, at that time.
        cells: Primary metric of test recordings, as a fraction, by model and part: ``all``, or people's groups and
            ``correct`` and ``incorrect`` of a cross-validation.
    """

    title: str
    page: str = ""
    sweep: list[str] = field(default_factory=list[str])
    minutes: float = 0.0
    tolerance: float = 0.0
    cpu: str = ""
    recordings: str = ""
    versions: dict[str, str] = field(default_factory=dict[str, str])
    cells: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])

    def write(self, path: Path) -> None:
        """Writes the file that `read_published` reads.

        Raises:
            RunError: If it cannot be written.
        """
        write_text(path, OmegaConf.to_yaml(OmegaConf.create(asdict(self))))


@dataclass(frozen=True)
class Cell:
    """A number beside the published one.

    Attributes:
        model: The size.
        part: Which recordings.
        published: As a fraction.
        measured: The same; None where it is missing.
        tolerated: How far it may be off, as a fraction.
    """

    model: str
    part: str
    published: float
    measured: float | None
    tolerated: float

    @property
    def difference(self) -> float:
        """Measured minus published; 0 where the published digits are the same, NaN where nothing was measured."""
        exact = math.nan if self.measured is None else self.measured - self.published
        return 0.0 if abs(exact) <= ROUNDING else exact

    @property
    def good(self) -> bool:
        """Whether the difference is tolerated."""
        return abs(self.difference) <= self.tolerated


def list_published() -> dict[str, Path]:
    """The files of the manual's tables, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def read_published(name: str) -> Published:
    """A table of the manual by its name, or one's own by its file.

    Raises:
        ConfigError: If there is none, or it has other keys or values than it should.
    """
    files = list_published()
    path = files.get(name, Path(name))
    if not path.is_file():
        raise ConfigError(f"{name}: there is no such table or file; tables are {', '.join(files)}")
    try:
        values = OmegaConf.merge(OmegaConf.structured(Published), OmegaConf.create(read_text(path)))
        return cast(Published, OmegaConf.to_object(values))
    except (OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: {why(error).splitlines()[0]}") from error


def measured_cells(comparison: Comparison) -> dict[tuple[str, str], float | None]:
    """What runs have in place of `Published.cells`, by model and part."""
    cells: dict[tuple[str, str], float | None] = {}
    for group in comparison.groups:
        for summary in group.summaries():
            cells[summary.candidate, "all"] = summary.test
        for result in group.results:
            for _, part, values in result.parts(("by_group", "by_correctness")):
                cells[result.candidate, part] = result.primary_of(values)["value"]
    return cells


def other_conditions(table: Published, infos: Sequence[Info]) -> list[str]:
    """How processor, recordings and versions of runs differ from those of a table; empty where they are equal."""
    runs = [_conditions(info) for info in infos]
    published = {"processor": table.cpu, "recordings": table.recordings, **table.versions}
    return [
        f"{name} {', '.join(values)} (published: {value})"
        for name, value in published.items()
        if value and (values := sorted({run.get(name, "unknown") for run in runs})) != [value]
    ]


def _conditions(info: Info) -> dict[str, str]:
    cpu = info.get("cost", {}).get("cpu", "unknown")
    return {"processor": cpu, "recordings": info["data"]["fingerprint"][:16], **info["versions"]}


def compare_cells(table: Published, comparison: Comparison, *, exact: bool) -> Iterator[Cell]:
    """The cells of a table beside those of runs.

    Args:
        table: As published.
        comparison: Of the runs.
        exact: Whether nothing is tolerated.
    """
    measured = measured_cells(comparison)
    for model, parts in table.cells.items():
        for part, value in parts.items():
            yield Cell(model, part, value, measured.get((model, part)), 0.0 if exact else table.tolerance)


def published_again(table: Published, comparison: Comparison, infos: Sequence[Info], names: Sequence[str]) -> Published:
    """A table with the numbers of runs in place of the published ones.

    Args:
        table: As published.
        comparison: Of the runs.
        infos: Theirs.
        names: Packages whose versions are kept.
    """
    cells: dict[str, dict[str, Any]] = {}
    for (model, part), value in measured_cells(comparison).items():
        if value is not None and part in table.cells.get(model, {"all": value}):
            cells.setdefault(model, {})[part] = round(value, 6)
    conditions = _conditions(infos[0])
    return replace(
        table,
        minutes=round(sum(info["training"]["seconds"] for info in infos) / 60, 1),
        cpu=conditions["processor"],
        recordings=conditions["recordings"],
        versions={name: version for name, version in conditions.items() if name in names},
        cells=cells,
    )
