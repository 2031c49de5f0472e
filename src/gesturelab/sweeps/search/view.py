"""Tells how a search goes: a line when a trial begins or ends, and on a terminal a table of the runs."""

import logging
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from gesturelab.sweeps.local import Task
from gesturelab.sweeps.progress import REFRESH_S, status_table
from gesturelab.sweeps.search.result import Search, TrialResult, counted
from gesturelab.sweeps.search.space import Value
from gesturelab.sweeps.search.trial import SearchTrial, trial_name

log = logging.getLogger("gesturelab.sweeps")


class SearchView:
    """Prints lines; on a terminal also what the runs are doing."""

    def __init__(self, *, live: bool | None = None) -> None:
        shown = sys.stdout.isatty() if live is None else live
        self._live = Live(console=Console(), auto_refresh=False, transient=True) if shown else None
        self._next = 0.0

    def began(self, trial: SearchTrial, *, resumed: bool) -> None:
        """Names a trial and its parameters."""
        what = "resumed" if resumed else "began"
        log.info("%-9s %s  %s", what, trial.name, shown_params(trial.values))

    def ended(self, result: TrialResult, search: Search) -> None:
        """Says what became of a trial, and which one is the best so far."""
        self.close()
        said = result["reason"]
        if result["value"] is not None:
            said = f"{search['objective']} {result['value']:.4f}"
            best = search["best"]
            if best is not None and best["value"] is not None:
                mine = best["number"] == result["number"]
                said += ", the best so far" if mine else f" (best: {best['value']:.4f}, trial {best['number']})"
        over = sum(trial["state"] != "running" for trial in search["trials"])
        name = trial_name(result["number"])
        log.info("%-9s %s  %s  (%d of %d)", result["state"], name, said, over, search["n_trials"])

    def tick(self, running: Sequence[Task]) -> None:
        """Refreshes the table every second."""
        if self._live is None or not running or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + REFRESH_S
        self._live.start()
        self._live.update(status_table([(task.name, task.folder) for task in running]), refresh=True)

    def close(self) -> None:
        """Takes the table away."""
        if self._live is not None:
            self._live.stop()


def shown_params(values: dict[str, Value]) -> str:
    """Parameters with few digits.

    >>> shown_params({"optimizer.lr": 0.00123456, "model": "tiny"})
    'optimizer.lr=0.001235 model=tiny'
    """
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
    )


def summary(search: Search) -> list[str]:
    """Lines for the end of a search."""
    lines = [
        f"{trial['state']:<9} {trial_name(trial['number'])}  {trial['reason']}"
        for trial in search["trials"]
        if trial["state"] in ("failed", "diverged")
    ]
    lines.append(counted(search["trials"]))
    best = search["best"]
    if best is None or best["value"] is None:
        return [*lines, "no trial is completed, so there is no best one"]
    lines.append(f"best: {trial_name(best['number'])}  {search['objective']} {best['value']:.4f}")
    lines += [f"  {key} = {value}" for key, value in best["params"].items()]
    lines.append(f"train it with: {search['command']}")
    shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in search["importances"].items())
    lines.append(f"importance (PED-ANOVA): {shares or search['importances_missing']}")
    return lines
