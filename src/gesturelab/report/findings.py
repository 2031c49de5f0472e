"""What trainings found about themselves, counted over the runs of a comparison."""

from collections.abc import Sequence
from typing import Any

from gesturelab.runs.info import Info

MOST_RUNS = 8
"""Numbers of runs that a line lists."""
WHERE = "The end of each run's train.log, and findings in its info file, say more and what to try."


def names(info: Info) -> list[str]:
    """What a run found, by name; nothing for runs of older versions."""
    found: Any = info.get("findings")
    if not isinstance(found, list):
        return []
    return [one["name"] for one in found if isinstance(one, dict) and isinstance(one.get("name"), str)]


def lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """One line a finding, with the runs that made it; the most frequent first.

    Args:
        rows: Runs, as `gesturelab.report.table.Row`.

    >>> rows = [{"run": 1, "findings": "overfits not-finished"}, {"run": 2, "findings": "overfits"}]
    >>> lines(rows)[:2]
    ['overfits: 2 of 2 runs (#1, #2)', 'not-finished: 1 of 2 runs (#1)']
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        for name in row["findings"].split():
            found.setdefault(name, []).append(f"#{row['run']}")
    said = [
        f"{name}: {len(runs)} of {len(rows)} runs ({', '.join(runs[:MOST_RUNS])}{', ...' if runs[MOST_RUNS:] else ''})"
        for name, runs in sorted(found.items(), key=lambda item: -len(item[1]))
    ]
    return [*said, WHERE] if said else []
