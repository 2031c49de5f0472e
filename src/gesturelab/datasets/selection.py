"""Choosing a few recordings of many."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from gesturelab.errors import DataError


def chosen_gestures(wanted: Sequence[str] | None, names: Sequence[str], key: str = "data.gestures") -> list[int]:
    """Numbers of the gestures to keep, ascending.

    Raises:
        DataError: If one of them does not exist.

    >>> chosen_gestures(["side_tap", "0"], ["elbow_flexion", "shoulder_flexion", "side_tap"])
    [0, 2]
    """
    number = {str(at): at for at in range(len(names))} | {name: at for at, name in enumerate(names)}
    if unknown := [word for word in wanted or () if word not in number]:
        listed = ", ".join(f"{at} {name}" for at, name in enumerate(names))
        raise DataError(f"{key}: there is no {', '.join(unknown)}; gestures are {listed}")
    return list(range(len(names))) if wanted is None else sorted({number[word] for word in wanted})


def without_gesture(gestures: Sequence[int], unknown: str, names: Sequence[str]) -> list[int]:
    """The gestures but one.

    Raises:
        DataError: If it is not among them, or fewer than two are left.

    >>> without_gesture([0, 2, 3], "side_tap", ["elbow_flexion", "shoulder_flexion", "side_tap", "wave"])
    [0, 3]
    """
    key = "data.unknown_gesture"
    kept = [number for number in gestures if number not in chosen_gestures([unknown], names, key)]
    if len(kept) == len(gestures):
        raise DataError(f"{key}={unknown}: data.gestures does not keep it, so it would not be unknown but absent")
    if len(kept) < 2:
        raise DataError(f"{key}={unknown}: fewer than two gestures are left to tell apart")
    return kept


def spread(subjects: Sequence[str], gestures: Sequence[int], count: int | None) -> Int64[np.ndarray, " chosen"]:
    """Chooses recordings evenly over gestures and people, for a quick try.

    One after another, takes a recording of the gesture with the fewest chosen so far; among those, of the person
    with the fewest in that gesture, then overall; then the first.

    Args:
        subjects: Who moves, one a recording.
        gestures: Which gesture, one a recording.
        count: How many to choose at most; None chooses all.

    Returns:
        Indices of the chosen, in ascending order.

    >>> spread(["a", "a", "b", "b"], [0, 1, 0, 1], 2).tolist()
    [0, 3]
    """
    total = len(subjects)
    if count is None or count >= total:
        return np.arange(total, dtype=np.int64)
    people, who = np.unique(np.asarray(subjects), return_inverse=True)
    kinds, what = np.unique(np.asarray(gestures), return_inverse=True)
    left = np.ones(total, dtype=bool)
    taken = np.zeros((len(kinds), len(people)), dtype=np.int64)
    scale = count + 1
    for _ in range(count):
        cost = (taken.sum(axis=1)[what] * scale + taken[what, who]) * scale + taken.sum(axis=0)[who]
        best = int(np.argmin(np.where(left, cost, np.iinfo(np.int64).max)))
        left[best] = False
        taken[what[best], who[best]] += 1
    return np.flatnonzero(~left).astype(np.int64)


def draw_sample(
    subjects: Sequence[str], classes: Int64[np.ndarray, " recordings"], count: int | None, seed: int
) -> Int64[np.ndarray, " chosen"]:
    """Draws recordings at random, of each class and each person in it as large a share as they have of all.

    Args:
        subjects: Who moves, one a recording.
        classes: What is recognised, one a recording.
        count: How many to draw at most; None takes all.
        seed: Of the draw.

    Returns:
        Indices of the drawn, in ascending order.

    >>> len(draw_sample(["a", "a", "b", "b"], np.array([0, 1, 0, 1]), 2, seed=0))
    2
    """
    total = len(subjects)
    if count is None or count >= total:
        return np.arange(total, dtype=np.int64)
    rng = np.random.default_rng(seed)
    mixed = rng.permutation(total)
    in_order = mixed[np.lexsort((np.asarray(subjects)[mixed], classes[mixed]))]  # mixed within each person's class
    places = ((np.arange(count) + rng.random()) * (total / count)).astype(np.int64)
    return np.sort(in_order[places])
