"""Costs in words and cells; console, Markdown and page say the same."""

from typing import Any

from gesturelab.report.joined_words import interval
from gesturelab.report.words import duration

ALIGNED = "<>>>>><"
"""The columns: numbers to the right."""


def columns(item: dict[str, Any]) -> tuple[str, ...]:
    """Of the table."""
    return ("size", f"{item['score']}, %", "parameters", "MFLOP", "training", "latency", "verdict")


def worth_showing(item: dict[str, Any]) -> bool:
    """Whether there is something to choose, or somebody asked for the latency."""
    return sum(not row["peer"] for row in item["rows"]) > 1 or item["latency"] is not None


def rows(item: dict[str, Any]) -> list[tuple[str, ...]]:
    """The rows of the table.

    Args:
        item: As `gesturelab.report.cost.cost` gives it.
    """
    return [
        (
            row["candidate"],
            interval(row["accuracy"]),
            f"{row['parameters']:,}",
            "-" if row["flops_per_window"] is None else f"{row['flops_per_window'] / 1e6:,.1f}",
            duration(row["seconds"]),
            "-" if row["latency_ms"] is None else milliseconds(row["latency_ms"]),
            _verdict(row, item),
        )
        for row in item["rows"]
    ]


def milliseconds(value: float) -> str:
    """A latency with three digits.

    >>> milliseconds(0.8712), milliseconds(12.345), milliseconds(123.4)
    ('0.871 ms', '12.3 ms', '123 ms')
    """
    return f"{value:.3f} ms" if value < 1 else f"{value:.2f} ms" if value < 10 else f"{value:#.3g}".rstrip(".") + " ms"


def _verdict(row: dict[str, Any], item: dict[str, Any]) -> str:
    if row["peer"]:
        return "peer, PARTIAL" if row["partial"] else "peer"
    if row["apart"]:
        return "PARTIAL: other people, not judged"
    place = "Pareto-optimal" if row["beaten_by"] is None else f"beaten by {row['beaten_by']}"
    place = f"PARTIAL; {place}" if row["partial"] else place
    return f"recommended; {place}" if row["candidate"] == item["recommended"] else place


def notes(item: dict[str, Any]) -> list[str]:
    """What the columns mean, and how far they can be trusted."""
    spoken = {"parameters": "parameters", "flops_per_window": "MFLOP", "latency_ms": "latency"}
    by = [spoken[kind] for kind in item["by"]]
    said = [
        "MFLOP: million operations for the answer to one window. training: time of one run, the mean over runs. "
        f"Pareto-optimal: no other size is at least as accurate and costs no more in {' and '.join(by)}. "
        "That goes by the accuracies as they are, whose differences may be noise: the recommendation does not."
    ]
    if item["seconds_differ"]:
        said.append(f"Training times are NOT COMPARABLE: {'; '.join(item['seconds_differ'])}.")
    found = item["latency"]
    if found is None:
        said.append("No latency was measured: --latency does it, on the machine where it is given.")
        return said
    if found["cpu"] is not None:
        said.append(
            f"latency: one window from joint positions to probabilities on one thread of {found['cpu']} (torch "
            f"{found['torch']}), the median of at least {found['repeats']} repeats."
        )
    if found["disturbed"]:
        said.append(
            f"Other work on this machine DISTURBED the measurement of {', '.join(found['disturbed'])}: these latencies "
            "are too long; measure again on an idle machine."
        )
    said += [f"No latency of {one['candidate']}: {one['reason']}." for one in found["missing"]]
    return said
