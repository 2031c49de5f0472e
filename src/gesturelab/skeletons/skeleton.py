"""A skeleton: joints, bones, left-right pairs, and the bone that measures a body."""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Skeleton:
    """The joints of a recording and how they hang together.

    Attributes:
        name: Short name, stored with every run.
        joints: Joint names, in file order.
        parents: For each joint the index of its parent; the root is its own parent.
        root: Index of the joint that positions are centred on.
        pairs: Left and right partners, which change places in a mirror; every other joint is on the midline.
        scale_bone: Child and parent joint whose distance measures the body; may be empty, as the rest may.
        shoulders: The two joints, left then right as the sensor names them, whose line gives the facing direction.
        bends: Joints at which limbs bend, each as three joints whose middle one is the vertex.
        arms: Shoulder, elbow and wrist of the left, then the right arm.
        legs: Hip, knee and ankle of the left, then the right leg.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    root: int
    pairs: tuple[tuple[int, int], ...]
    scale_bone: tuple[int, ...] = ()
    shoulders: tuple[int, ...] = ()
    bends: tuple[tuple[int, int, int], ...] = ()
    arms: tuple[tuple[int, int, int], ...] = ()
    legs: tuple[tuple[int, int, int], ...] = ()

    def index(self, joint: str) -> int:
        """The index of a joint.

        >>> KINECT_V2.index("Head")
        3
        """
        return self.joints.index(joint)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """For each joint the index of its partner on the other side (itself on the midline).

        >>> KINECT_V2.joints[KINECT_V2.mirrored[KINECT_V2.index("HandLeft")]]
        'HandRight'
        """
        partner = dict(self.pairs) | {right: left for left, right in self.pairs}
        return tuple(partner.get(joint, joint) for joint in range(len(self.joints)))


def in_same_case(word: str, other: str) -> str:
    """Another word in the capitals of a word.

    >>> in_same_case("LEFT", "right"), in_same_case("Left", "right"), in_same_case("left", "right")
    ('RIGHT', 'Right', 'right')
    """
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


def parents_in_chains(*chains: str) -> dict[str, str]:
    """Each joint's parent, from chains of joints that lead outwards; a star stands for Left and for Right.

    >>> parents_in_chains("Neck Head", "Neck Hand*")
    {'Head': 'Neck', 'HandLeft': 'Neck', 'HandRight': 'Neck'}
    """
    return {
        joint: parent
        for chain in chains
        for side in ("Left", "Right")
        for parent, joint in pairwise(chain.replace("*", side).split())
    }


_KINECT_V2_JOINTS = (
    "SpineBase SpineMid Neck Head ShoulderLeft ElbowLeft WristLeft HandLeft ShoulderRight ElbowRight WristRight "
    "HandRight HipLeft KneeLeft AnkleLeft FootLeft HipRight KneeRight AnkleRight FootRight SpineShoulder HandTipLeft "
    "ThumbLeft HandTipRight ThumbRight"
)
_KINECT_V2_PARENTS = parents_in_chains(
    "SpineBase SpineMid SpineShoulder Neck Head",
    "SpineShoulder Shoulder* Elbow* Wrist* Hand* HandTip*",
    "Hand* Thumb*",
    "SpineBase Hip* Knee* Ankle* Foot*",
)
_KINECT_V2_BENDS: tuple[tuple[str, str, str], ...] = (
    ("ShoulderLeft", "ElbowLeft", "WristLeft"),
    ("ShoulderRight", "ElbowRight", "WristRight"),
    ("ElbowLeft", "ShoulderLeft", "SpineShoulder"),
    ("ElbowRight", "ShoulderRight", "SpineShoulder"),
    ("ElbowLeft", "ShoulderLeft", "SpineBase"),
    ("ElbowRight", "ShoulderRight", "SpineBase"),
    ("HipLeft", "KneeLeft", "AnkleLeft"),
    ("HipRight", "KneeRight", "AnkleRight"),
)


def _kinect_v2() -> Skeleton:
    joints = tuple(_KINECT_V2_JOINTS.split())
    return Skeleton(
        name="kinect_v2",
        joints=joints,
        parents=tuple(joints.index(_KINECT_V2_PARENTS.get(joint, joint)) for joint in joints),
        root=joints.index("SpineBase"),
        pairs=tuple(
            (at, joints.index(left.replace("Left", "Right"))) for at, left in enumerate(joints) if "Left" in left
        ),
        scale_bone=(joints.index("SpineShoulder"), joints.index("SpineBase")),
        shoulders=(joints.index("ShoulderLeft"), joints.index("ShoulderRight")),
        bends=tuple((joints.index(a), joints.index(b), joints.index(c)) for a, b, c in _KINECT_V2_BENDS),
        arms=((4, 5, 6), (8, 9, 10)),
        legs=((12, 13, 14), (16, 17, 18)),
    )


KINECT_V2 = _kinect_v2()
"""The 25 joints of Microsoft's Kinect v2, in the order of its SDK (and of IntelliRehabDS)."""

SKELETONS = {skeleton.name: skeleton for skeleton in (KINECT_V2,)}
"""The built-in skeletons by name."""
