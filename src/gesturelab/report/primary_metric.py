"""Which score leads wherever results are shown, and what it is called."""

from collections.abc import Mapping
from typing import Any

CORRECTNESS = "correctness"

BASELINES = {"length": "length alone", "majority": "majority class"}
"""What the trivial answers of an info file are called in tables."""


def lead(target: str) -> str:
    """The key of the score: plain accuracy flatters where four of five movements are correct.

    >>> lead("gesture"), lead("correctness")
    ('accuracy', 'balanced_accuracy')
    """
    return "balanced_accuracy" if target == CORRECTNESS else "accuracy"


def words(target: str) -> str:
    """What the score is called.

    >>> words("correctness")
    'balanced accuracy'
    """
    return lead(target).replace("_", " ")


def of_row(row: Mapping[str, Any], side: str, level: str = "recording") -> float | None:
    """The score that leads, of one side and level of a run (as `gesturelab.report.table.Row`)."""
    return row[f"{side}_{level}_{lead(row['target'])}"]
