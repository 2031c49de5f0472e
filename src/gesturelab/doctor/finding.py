"""What a check says."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    ok = "ok"
    warning = "warning"
    failure = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What was looked at, in a word or two.
        verdict: ok, warning: trainings run, but look; failure: the configured training would fail or be wrong.
        found: What is there.
        do: What to do next; empty when nothing is to be done.
    """

    name: str
    verdict: Verdict
    found: str
    do: str = ""


def ok(name: str, found: str) -> Finding:
    """Nothing is wrong."""
    return Finding(name, Verdict.ok, found)


def warning(name: str, found: str, do: str) -> Finding:
    """Trainings run, but someone should look."""
    return Finding(name, Verdict.warning, found, do)


def failure(name: str, found: str, do: str) -> Finding:
    """The configured training would fail, or give wrong numbers."""
    return Finding(name, Verdict.failure, found, do)
