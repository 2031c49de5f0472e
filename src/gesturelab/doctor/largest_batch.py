"""Searches for the largest batch that a device computes rightly; each is tried in a process that may die of it."""

import time
from collections.abc import Callable
from dataclasses import replace

from gesturelab.doctor.child import Heard, Request, Work, examine_batch, listen
from gesturelab.doctor.facts import Asked, Comparison, LargestBatch

CLOSE = 16
"""The search ends where the smallest wrong batch is at most a sixteenth above the largest right one."""


def find_largest_batch(
    request: Request,
    asked: Asked,
    heard: Heard,
    *,
    work: Work = examine_batch,
    working: Callable[[str], None] = lambda _: None,
) -> LargestBatch | None:
    """Searches beyond the configured batch on AMD GPUs, below it where a GPU is wrong, elsewhere if it is requested.

    Args:
        request: Its overrides choose size and device; its search_seconds limit the search.
        asked: What they configure.
        heard: What is known of the device.
        work: Compares a step at one batch.
        working: Is called with what is being computed.

    Returns:
        What was found; None where there was no need to search, or nothing to search on.
    """
    compared = [each for each in heard.comparisons if each.size == asked.model]
    bad = next((each for each in compared if not each.agrees), None)
    gpu, shape = heard.torch and heard.torch.gpus, {shape.size: shape for shape in heard.shapes}.get(asked.model)
    needed = gpu and ((heard.torch and heard.torch.hip and asked.cudnn) or bad)
    if shape is None or not compared or not (request.search or needed):
        return None
    until = time.monotonic() + request.search_seconds

    def compare_at(batch: int) -> str | None:
        working(f"{asked.model}, {batch} windows at a time")
        at_batch = replace(request, overrides=[*request.overrides, f"trainer.batch_size={batch}"])
        heard = listen(at_batch, work=work, until=until)
        if time.monotonic() >= until:
            return None
        wrong = next((each for each in heard.comparisons if not each.agrees), None)
        if wrong is None:
            return "" if heard.comparisons else heard.torch_error or "it computed nothing"
        return _reason(wrong)

    known = LargestBatch(asked.batch) if bad is None else LargestBatch(0, asked.batch, _reason(bad))
    result = search(known, max(shape.largest_batch, asked.batch), compare_at)
    working("")
    return result


def _reason(wrong: Comparison) -> str:
    errors = f"outputs differ by {wrong.logits_error:.1g}, gradients by {wrong.gradient_error:.1g}"
    return wrong.error or f"{wrong.precision}: {errors}"


def search(known: LargestBatch, most: int, compare_at: Callable[[int], str | None]) -> LargestBatch:
    """Doubles the batch until one is wrong, then halves the distance between the right and the wrong one.

    Args:
        known: Where to begin.
        most: The largest batch to try.
        compare_at: Tries a batch: empty if it is right, else the reason; None if there is no time left.
    """
    while (batch := _next_batch(known, most)) is not None:
        reason = compare_at(batch)
        if reason is None:
            return replace(known, stopped_at=batch)
        known = replace(known, right=batch) if not reason else replace(known, wrong=batch, reason=reason)
    return known


def _next_batch(known: LargestBatch, most: int) -> int | None:
    right, wrong = known.right, known.wrong
    if wrong is None:
        return min(2 * right, most) if right < most else None
    return (right + wrong) // 2 if wrong - right > max(right // CLOSE, 1) else None
