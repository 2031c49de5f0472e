"""What a gesture becomes in a mirror, told by its name.

Words for sides change places: ``wave_left`` becomes ``wave_right``, ``LeftPunch`` ``RightPunch``, ``circle clockwise``
``circle counterclockwise``. If there is no gesture of that name, what it becomes is unknown, and a training that
mirrors is refused. So it is where left or right is only part of a word, or there is only an l or an r: who means a
side says so in the column ``mirrored`` of labels.csv. A gesture without a side is taken to stay what it is; for one
that does not (a letter written into the air) the column says so too.
"""

import re
from collections.abc import Mapping, Sequence

from gesturelab.skeletons.skeleton import in_same_case

OPPOSITES = {
    "left": ("right",),
    "links": ("rechts",),
    "gauche": ("droite",),
    "izquierda": ("derecha",),
    "clockwise": ("counterclockwise", "anticlockwise"),
    "cw": ("ccw",),
}
DOUBTFUL = {"l", "r", "lh", "rh"}
UNKNOWN = -1
NO_PARTNER = -2
"""The user says that no gesture is the mirror image: such recordings are never mirrored."""
NONE = "none"

_TURNS = OPPOSITES | {other: (word,) for word, others in OPPOSITES.items() for other in others}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PART = re.compile("left|right", re.IGNORECASE)


def mirrored_gestures(names: Sequence[str], declared: Mapping[str, str]) -> tuple[int, ...]:
    """For each gesture the index of the one that it becomes when left and right are swapped.

    Args:
        names: All gestures.
        declared: What the user says that some become; ``none`` says that no gesture is the mirror image.

    Returns:
        -1 where it is unknown, -2 where there is none.

    >>> mirrored_gestures(["wave_left", "wave_right", "bow", "punch_l", "upright", "hop left"], {"upright": "upright"})
    (1, 0, 2, -1, 4, -1)
    >>> mirrored_gestures(["write_a", "bow"], {"write_a": "none"})
    (-2, 1)
    """
    both_ways = {image: name for name, image in declared.items()} | dict(declared)
    images = [_image(name, names, both_ways) for name in names]
    return tuple(
        image if image == NO_PARTNER or (image >= 0 and images[image] == at) else UNKNOWN
        for at, image in enumerate(images)
    )


def mirror_in_words(names: Sequence[str], images: Sequence[int]) -> str:
    """Which gestures change places in a mirror, and which stay what they are.

    >>> mirror_in_words(["left", "right", "bow"], (1, 0, 2))
    'left <-> right; bow stays'
    """
    pairs = [f"{names[at]} <-> {names[image]}" for at, image in enumerate(images) if at < image]
    same = [names[at] for at, image in enumerate(images) if at == image]
    alone = [name for name, image in zip(names, images, strict=True) if image == NO_PARTNER]
    return "; ".join(
        [
            *pairs,
            *([f"{', '.join(same)} stay{'s' if len(same) == 1 else ''}"] if same else []),
            *([f"{', '.join(alone)} {'is' if len(alone) == 1 else 'are'} never mirrored"] if alone else []),
        ]
    )


def _image(name: str, names: Sequence[str], declared: Mapping[str, str]) -> int:
    if name in declared:
        image = declared[name]
        return names.index(image) if image in names else NO_PARTNER if image == NONE else UNKNOWN
    words = {word.lower() for word in _WORD.findall(name)}
    if DOUBTFUL & words:
        return UNKNOWN
    if _TURNS.keys() & words:
        return next((names.index(turned) for turned in _turned(name) if turned in names), UNKNOWN)
    return UNKNOWN if _PART.search(name) else names.index(name)


def _turned(name: str) -> list[str]:
    """The name with words for sides changed, in each way that there is."""

    def turn(match: re.Match[str], choice: int) -> str:
        others = _TURNS.get(match[0].lower())
        return in_same_case(match[0], others[min(choice, len(others) - 1)]) if others else match[0]

    return [_WORD.sub(lambda match, choice=choice: turn(match, choice), name) for choice in range(2)]
