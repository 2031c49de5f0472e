"""A skeleton as plain data: there and back again, and one clear error for each thing that can be wrong."""

import json

import pytest

from gesturelab.errors import ConfigError
from gesturelab.skeletons.definition import from_plain, read_definition, restored, stored, to_plain
from gesturelab.skeletons.skeleton import KINECT_V2

HALF = {
    "name": "half",
    "joints": [
        ["Chest"],
        ["l_shoulder_left", "Chest"],
        ["l_shoulder_right", "Chest"],
        ["elbowLEFT", "l_shoulder_left"],
        ["elbowRIGHT", "l_shoulder_right"],
        ["HandLeft", "elbowLEFT"],
        ["HandRight", "elbowRIGHT"],
    ],
    "arms": [["l_shoulder_left", "elbowLEFT", "HandLeft"], ["l_shoulder_right", "elbowRIGHT", "HandRight"]],
}


def test_the_built_in_skeleton_there_and_back():
    plain = json.loads(json.dumps(to_plain(KINECT_V2), sort_keys=True))
    assert from_plain(plain) == KINECT_V2
    assert stored(KINECT_V2) == "kinect_v2"
    assert restored("kinect_v2") is KINECT_V2


def test_a_skeleton_of_ones_own():
    half = from_plain(HALF)
    assert (half.root, half.parents) == (0, (0, 0, 0, 1, 2, 3, 4))
    assert half.pairs == ((1, 2), (3, 4), (5, 6)), "by left and right in the names, however written"
    assert half.mirrored == (0, 2, 1, 4, 3, 6, 5)
    assert half.arms == half.bends == ((1, 3, 5), (2, 4, 6)), "elbows bend"
    assert (half.legs, half.scale_bone, half.shoulders) == ((), (), ())
    assert restored(json.loads(json.dumps(stored(half)))) == half


def test_in_yaml(tmp_path):
    path = tmp_path / "hand.yaml"
    path.write_text("joints:\n  - [Wrist]\n  - [Tip, Palm]\n  - [Palm, Wrist]\npairs: []\nroot: Palm\n")
    hand = read_definition(path)
    assert (hand.name, hand.joints, hand.parents, hand.root) == ("hand", ("Wrist", "Tip", "Palm"), (0, 2, 0), 2)
    path.write_text("joints: [")
    with pytest.raises(ConfigError, match=r"hand\.yaml cannot be read as a skeleton in YAML"):
        read_definition(path)
    path.write_text("!!python/object/apply:os.getcwd []")
    with pytest.raises(ConfigError, match=r"hand\.yaml cannot be read as a skeleton in YAML"):
        read_definition(path)
    with pytest.raises(ConfigError, match="cannot be read as a skeleton in YAML: No such file"):
        read_definition(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bones": []}, "skeleton: bones: there is no such key; keys are name, joints"),
        ({"name": 3}, "skeleton: name: must be a short text, not 3"),
        ({"name": "kinect_v2"}, "name: kinect_v2 is built in, and this is another skeleton"),
        ({"joints": None}, r"joints: must be a list of 2 to 500 pairs \[joint, parent\]"),
        ({"joints": [["A"], ["B,", "A"]]}, "is not .joint, parent., two names without commas"),
        ({"joints": [["A"], ["A", "A"]]}, "joints: A stands there twice"),
        ({"joints": [["A"], ["B", "C"]]}, "joints: C, the parent of B, is not listed itself"),
        ({"joints": [["A"], ["B"]]}, "exactly one joint must have no parent; there are 2: A, B"),
        ({"joints": [["A", "B"], ["B", "A"]]}, "exactly one joint must have no parent; there is none"),
        ({"joints": [["A"], ["B", "C"], ["C", "B"]]}, "joints: B is its own ancestor; bones must lead to A"),
        ({"joints": [["A"], ["B", "A"]], "arms": []}, r"pairs: no joint has Left or Right in its name: list the pairs"),
        ({"joints": [["A"], ["BLeft", "A"]], "arms": []}, "pairs: BLeft has no partner BRight"),
        ({"pairs": [["HandLeft", "HandRight"], ["HandLeft", "Chest"]]}, "pairs: HandLeft is in two pairs"),
        ({"pairs": [["HandLeft", "Hand"]]}, "pairs: there is no joint 'Hand'; joints are Chest, l_shoulder_left"),
        ({"pairs": [["HandLeft", "HandLeft"]]}, "pairs: .* holds a joint twice"),
        ({"pairs": []}, "arms: l_shoulder_left and l_shoulder_right are no pair of left and right"),
        ({"root": "Hips"}, "root: there is no joint 'Hips'"),
        ({"scale_bone": ["Chest"]}, "scale_bone: must be a list of 2 joints"),
        ({"shoulders": "Chest"}, "shoulders: must be a list of 2 joints, not 'Chest'"),
        ({"arms": HALF["arms"][:1]}, "arms: must be two lists of three joints, left and right, not 1"),
        ({"bends": [["Chest", "HandLeft"]]}, "bends: must be a list of 3 joints"),
        ({"bends": "Chest"}, "bends: must be a list of lists of 3 joints, not 'Chest'"),
    ],
)
def test_refused_with_the_key(changes, said):
    with pytest.raises(ConfigError, match=said):
        from_plain(HALF | changes)


@pytest.mark.parametrize("plain", [None, 3, "", [], "kinect_v3"])
def test_what_is_no_definition(plain):
    with pytest.raises(ConfigError, match="skeleton: "):
        restored(plain)
