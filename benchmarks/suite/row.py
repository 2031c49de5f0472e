"""One figure of the suite: a ratio, what it should be, and what no change may make it."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A ratio against something measured in the same run.

    Attributes:
        item: Which part of the suite.
        what: What was measured, against what.
        reached: The ratio.
        goal: What it should be; None where the figure is for information.
        bound: What continuous integration accepts on a noisy machine; None where it does not look.
        higher: Whether higher is better.
        note: The figures behind the ratio, with units.
    """

    item: str
    what: str
    reached: float
    goal: float | None = None
    bound: float | None = None
    higher: bool = False
    note: str = ""

    def _holds(self, limit: float | None) -> bool | None:
        if limit is None:
            return None
        return self.reached >= limit if self.higher else self.reached <= limit

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        return self._holds(self.goal)

    @property
    def within(self) -> bool | None:
        """Whether the bound holds; None without one."""
        return self._holds(self.bound)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "met": self.met, "within": self.within}


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def table(rows: list[Row]) -> str:
    """Markdown: what, goal, reached, met or missed, the figures behind it.

    >>> print(table([Row("step", "Lightning against a bare loop", 0.97, 0.95, 0.8, True, "512 windows/s")]))
    | item | what | goal | reached | | figures |
    | --- | --- | ---: | ---: | --- | --- |
    | step | Lightning against a bare loop | >= 0.95 | 0.97 | met | 512 windows/s |
    """
    lines = ["| item | what | goal | reached | | figures |", "| --- | --- | ---: | ---: | --- | --- |"]
    for row in rows:
        goal = "" if row.goal is None else f"{'>=' if row.higher else '<='} {_shown(row.goal)}"
        said = {True: "met", False: "**missed**", None: ""}[row.met]
        if row.within is False:
            said += ", **out of bounds**"
        lines.append(
            f"| {row.item} | {row.what} | {goal} | {_shown(row.reached)} | {said} | {row.note} |".replace("|  |", "| |")
        )
    return "\n".join(lines)
