"""Accuracy against cost: how long a size needs for a window, and which sizes no other one beats on both."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Latency:
    """How long one window took on one thread of a CPU, from joint positions to probabilities.

    Attributes:
        median_ms: The middle of all repeats, in milliseconds.
        p95_ms: What 95 % of the repeats stayed below, in milliseconds.
        repeats: How many there were.
        undisturbed: Share of the time in which the processor worked for us; less than 1 beside other work.
        flops_per_window: Operations of matrix products, as `gesturelab.models.flops.flops_to_answer` counts them;
            None where they cannot be counted.
        cpu: Name of the processor.
        torch: Version of torch.
    """

    median_ms: float
    p95_ms: float
    repeats: int
    undisturbed: float
    flops_per_window: int | None
    cpu: str
    torch: str


def beaten_by(accuracies: Sequence[float], costs: Sequence[Sequence[float]]) -> list[int | None]:
    """For each candidate the place of one that beats it; None for the Pareto-optimal ones.

    One beats another if it is at least as accurate, costs no more in any way, and is better in one of the two. Of
    several that do, the most accurate one is named, and of those the cheapest; it is Pareto-optimal itself.

    Args:
        accuracies: Larger is better.
        costs: Of each candidate, one or more kinds; smaller is better.

    >>> beaten_by([0.90, 0.92, 0.91], [[1], [2], [3]])
    [None, None, 1]
    """
    beaten: list[int | None] = []
    for own, (accuracy, cost) in enumerate(zip(accuracies, costs, strict=True)):
        better = [
            at
            for at, (other, price) in enumerate(zip(accuracies, costs, strict=True))
            if at != own
            and other >= accuracy
            and all(here <= there for here, there in zip(price, cost, strict=True))
            and (other > accuracy or tuple(price) != tuple(cost))
        ]
        beaten.append(min(better, key=lambda at: (-accuracies[at], tuple(costs[at]), at)) if better else None)
    return beaten
