"""The notebooks of examples/notebooks run from a clean start, and hold no outputs."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GESTURELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [*sys.path])


def run_cells(name: str) -> dict[str, Any]:
    """What the cells of a notebook define, run one after another in this process."""
    cells = [cell for cell in json.loads((NOTEBOOKS / name).read_text())["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    defined: dict[str, Any] = {"__name__": "__main__", "cells": len(cells)}
    for number, cell in enumerate(cells, 1):
        exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), defined)
    return defined


def test_from_recordings_to_a_report_in_ten_cells():
    defined = run_cells("recordings_to_report.ipynb")
    assert defined["cells"] == 10
    assert defined["answer"].label in set(defined["model"].classes)
    assert len(defined["comparison"].groups[0].group.runs) == 2
    for page in ("view.html", "report.html"):
        assert "</html>" in Path(page).read_text(encoding="utf-8")


def test_bring_your_own_network():
    defined = run_cells("your_own_network.ipynb")
    compared = defined["comparison"].groups[0].group.runs
    assert {run.info["model"]["size"] for run in compared} == {"convolutions", "minirocket"}
    assert defined["model"].classes == tuple(defined["own"].info["gestures"])
