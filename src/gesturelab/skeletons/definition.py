"""A skeleton as plain data: for files of weights, for the cache, and for a user's own skeleton in YAML.

A definition names joints, never numbers them::

    name: three_points
    joints:                        # each joint and its parent, in any order; the root stands alone
      - [Hips]
      - [HandLeft, Hips]
      - [HandRight, Hips]
    pairs: [[HandLeft, HandRight]] # who changes places in a mirror; without it, by Left and Right in the names

``markers`` says that files hold markers in place of joints: each with its joint, or the list of its joints; a joint is
the mean of its markers (``joints: kinect_v2`` brings them onto a built-in skeleton)::

    markers: {LASI: Hips, RASI: Hips, LFIN: HandLeft, RFIN: HandRight}

All else is optional: ``root`` (what positions are centred on, else the joint without a parent), ``scale_bone``,
``shoulders`` and ``bends`` (else elbows and knees, from arms and legs), ``arms`` and ``legs``, left before right.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from gesturelab.config.data import Up
from gesturelab.config.saved import repeats_itself
from gesturelab.errors import ConfigError
from gesturelab.files import read_text, why
from gesturelab.skeletons.landmarks import LANDMARKS, Landmarks, Layout
from gesturelab.skeletons.skeleton import SKELETONS, Skeleton, in_same_case

KEYS = ("name", "joints", "root", "pairs", "scale_bone", "shoulders", "bends", "arms", "legs")
MAX_JOINTS = 500
MAX_FILE_BYTES = 2**20
_NAME = re.compile(r"[^\s,;\"'\x00-\x1f](?:[^,;\"'\x00-\x1f]{0,62}[^\s,;\"'\x00-\x1f])?")
_SIDES = {"left": "right", "right": "left"}
_SIDE = re.compile("left|right", re.IGNORECASE)


def to_plain(skeleton: Skeleton) -> dict[str, Any]:
    """The definition as lists and text, which `from_plain` reads again."""
    names = skeleton.joints

    def named(joints: tuple[int, ...]) -> list[str]:
        return [names[joint] for joint in joints]

    bones = zip(names, skeleton.parents, strict=True)
    return {
        "name": skeleton.name,
        "joints": [[joint] if names[parent] == joint else [joint, names[parent]] for joint, parent in bones],
        "root": names[skeleton.root],
        "pairs": [named(pair) for pair in skeleton.pairs],
        "scale_bone": named(skeleton.scale_bone),
        "shoulders": named(skeleton.shoulders),
        "bends": [named(bend) for bend in skeleton.bends],
        "arms": [named(arm) for arm in skeleton.arms],
        "legs": [named(leg) for leg in skeleton.legs],
    }


def from_plain(plain: Any, where: str = "skeleton") -> Skeleton:
    """A skeleton from its definition, every rule checked.

    Args:
        plain: What `to_plain` gives, or a YAML file holds.
        where: What errors begin with, such as the file's name.

    Raises:
        ConfigError: Naming the key that is wrong.
    """
    return _Definition(plain, where).skeleton()


def stored(skeleton: Skeleton) -> str | dict[str, Any]:
    """What a file keeps of a skeleton: its name if it is built in, else its whole definition."""
    return skeleton.name if SKELETONS.get(skeleton.name) == skeleton else to_plain(skeleton)


def restored(kept: Any) -> Skeleton:
    """The skeleton of which a file kept `stored`.

    Raises:
        ConfigError: If it is no built-in skeleton's name and no definition.
    """
    if isinstance(kept, str):
        if kept not in SKELETONS:
            raise ConfigError(f"skeleton: this version has no {kept!r}, but {', '.join(SKELETONS)}")
        return SKELETONS[kept]
    return from_plain(kept)


def stored_layout(layout: Layout) -> Any:
    """What tells a layout from every other one, as plain JSON values."""
    if isinstance(layout, Skeleton):
        return stored(layout)
    return layout.name if LANDMARKS.get(layout.name) is layout else [to_plain(layout.skeleton), layout.rules]


def read_definition(path: Path) -> Layout:
    """A user's own skeleton, or marker set, from a YAML file; without a name it is called like the file.

    Raises:
        ConfigError: If the file cannot be read, or a key in it is wrong.
    """
    try:
        text = read_text(path, MAX_FILE_BYTES)
        if repeats_itself(text):
            raise ValueError("it refers to parts of itself (*name)")
        plain: Any = yaml.safe_load(text)
    except RecursionError:
        raise ConfigError(f"{path} cannot be read as a skeleton in YAML: it nests too deeply") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as a skeleton in YAML: {why(error)}") from error
    if isinstance(plain, dict):
        plain = {"name": path.stem, **cast(dict[Any, Any], plain)}
        if "markers" in plain:
            return _read_markers(plain, str(path))
    return from_plain(plain, str(path))


def _read_markers(plain: dict[Any, Any], where: str) -> Landmarks:
    """Markers whose means are the joints of a skeleton.

    Raises:
        ConfigError: Naming the key that is wrong.
    """
    markers = plain.pop("markers")
    named = plain.get("joints")
    skeleton = SKELETONS[named] if isinstance(named, str) and named in SKELETONS else from_plain(plain, where)
    if not isinstance(markers, dict) or not 0 < len(cast(dict[Any, Any], markers)) <= 4 * MAX_JOINTS:
        raise ConfigError(f"{where}: markers: must name the joint of each marker, such as {{LASI: Hips}}")
    of_joint: dict[str, list[str]] = {joint: [] for joint in skeleton.joints}
    for marker, joints in cast(dict[Any, Any], markers).items():
        for joint in cast(list[Any], joints) if isinstance(joints, list) else [joints]:
            if not isinstance(marker, str) or not isinstance(joint, str) or joint not in of_joint:
                raise ConfigError(f"{where}: markers: {_shown(marker)}: there is no joint {_shown(joint)}")
            of_joint[joint].append(marker)
    if without := [joint for joint, own in of_joint.items() if not own]:
        raise ConfigError(f"{where}: markers: no marker belongs to the joint {without[0]}")
    rules = {joint: {marker: own.count(marker) / len(own) for marker in own} for joint, own in of_joint.items()}
    name = plain["name"] if isinstance(plain["name"], str) else skeleton.name
    return Landmarks(
        name, tuple(map(str, cast(dict[Any, Any], markers))), skeleton, rules, zero_is_missing=True, up=Up.y
    )


def layout(name: str) -> Layout:
    """The skeleton or the tracker's landmarks that ``data.skeleton`` names, or the user's own from a YAML file.

    Raises:
        ConfigError: If there is none of that name, or the file cannot be used.
    """
    if (known := {**SKELETONS, **LANDMARKS}.get(name)) is not None:
        return known
    if name.endswith((".yaml", ".yml")):
        return read_definition(Path(name).expanduser())
    raise ConfigError(
        f"data.skeleton={name}: must be {', '.join((*SKELETONS, *LANDMARKS))}, or a file NAME.yaml with your own"
    )


class _Definition:
    """Reads a definition key by key."""

    def __init__(self, plain: Any, where: str) -> None:
        self.where = where
        if not isinstance(plain, Mapping):
            raise self.error("joints", f"a skeleton is a list of keys ({', '.join(KEYS)}), not {_shown(plain)}")
        self.plain = cast(Mapping[Any, Any], plain)
        if unknown := [key for key in self.plain if key not in KEYS]:
            raise self.error(str(unknown[0])[:40], f"there is no such key; keys are {', '.join(KEYS)}")
        self.bones = self._bones()
        self.index = {joint: at for at, joint in enumerate(self.bones)}

    def error(self, key: str, problem: str) -> ConfigError:
        return ConfigError(f"{self.where}: {key}: {problem}")

    def skeleton(self) -> Skeleton:
        name = self.plain.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self.error("name", f"must be a short text, not {_shown(name)}")
        parents = tuple(self.index[parent] for parent in self.bones.values())
        top = next(joint for joint, parent in self.bones.items() if joint == parent)
        pairs = self._pairs()
        arms, legs = (self._limbs(key, pairs) for key in ("arms", "legs"))
        bends = self._groups("bends", 3) if self.plain.get("bends") else (*arms, *legs)
        skeleton = Skeleton(
            name=name,
            joints=tuple(self.bones),
            parents=parents,
            root=self._at("root", self.plain.get("root") or top),
            pairs=pairs,
            scale_bone=self._group("scale_bone", self.plain.get("scale_bone") or [], (0, 2)),
            shoulders=self._group("shoulders", self.plain.get("shoulders") or [], (0, 2)),
            bends=bends,
            arms=arms,
            legs=legs,
        )
        if name in SKELETONS and skeleton != SKELETONS[name]:
            raise self.error("name", f"{name} is built in, and this is another skeleton: call it something else")
        return skeleton

    def _bones(self) -> dict[str, str]:
        """Each joint and its parent; the root is its own."""
        listed = self.plain.get("joints")
        if not isinstance(listed, list) or not 2 <= len(cast(list[Any], listed)) <= MAX_JOINTS:
            raise self.error("joints", f"must be a list of 2 to {MAX_JOINTS} pairs [joint, parent]")
        bones: dict[str, str] = {}
        for each in cast(list[Any], listed):
            names = cast(list[Any], each) if isinstance(each, list) else [each]
            if not 1 <= len(names) <= 2 or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
                raise self.error("joints", f"{_shown(each)} is not [joint, parent], two names without commas or quotes")
            if names[0] in bones:
                raise self.error("joints", f"{names[0]} stands there twice")
            bones[names[0]] = names[-1]
        if unknown := [f"{parent}, the parent of {joint}" for joint, parent in bones.items() if parent not in bones]:
            raise self.error("joints", f"{unknown[0]}, is not listed itself")
        roots = [joint for joint, parent in bones.items() if joint == parent]
        if len(roots) != 1:
            which = f"there are {len(roots)}: {', '.join(roots)}" if roots else "there is none"
            raise self.error("joints", f"exactly one joint must have no parent; {which}")
        for joint in bones:
            path = {joint}
            while (joint := bones[joint]) != roots[0]:
                if joint in path:
                    raise self.error("joints", f"{joint} is its own ancestor; bones must lead to {roots[0]}")
                path.add(joint)
        return bones

    def _at(self, key: str, joint: Any) -> int:
        if not isinstance(joint, str) or joint not in self.index:
            raise self.error(key, f"there is no joint {_shown(joint)}; joints are {', '.join(self.index)}")
        return self.index[joint]

    def _group(self, key: str, value: Any, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Joints, none of them twice, of which there are so many."""
        joints = cast(list[Any], value) if isinstance(value, list) else None
        if joints is None or len(joints) not in sizes:
            raise self.error(key, f"must be a list of {sizes[-1]} joints, not {_shown(value)}")
        indices = tuple(self._at(key, joint) for joint in joints)
        if len(set(indices)) < len(indices):
            raise self.error(key, f"{_shown(value)} holds a joint twice")
        return indices

    def _groups(self, key: str, size: int) -> tuple[Any, ...]:
        value = self.plain.get(key) or []
        if not isinstance(value, list):
            raise self.error(key, f"must be a list of lists of {size} joints, not {_shown(value)}")
        return tuple(self._group(key, each, (size,)) for each in cast(list[Any], value))

    def _limbs(self, key: str, pairs: tuple[tuple[int, int], ...]) -> tuple[Any, ...]:
        limbs = self._groups(key, 3)
        if len(limbs) not in (0, 2):
            raise self.error(key, f"must be two lists of three joints, left and right, not {len(limbs)}")
        partners = {frozenset(pair) for pair in pairs}
        for left, right in zip(*limbs, strict=True):
            if frozenset((left, right)) not in partners:
                names = list(self.index)
                raise self.error(key, f"{names[left]} and {names[right]} are no pair of left and right (key pairs)")
        return limbs

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        if "pairs" not in self.plain:
            return self._pairs_by_name()
        pairs = self._groups("pairs", 2)
        joints = [joint for pair in pairs for joint in pair]
        if twice := [joint for joint in joints if joints.count(joint) > 1]:
            raise self.error("pairs", f"{list(self.index)[twice[0]]} is in two pairs")
        return pairs

    def _pairs_by_name(self) -> tuple[tuple[int, int], ...]:
        """A joint with left in its name and the one with right in its place."""
        sided = [joint for joint in self.index if _SIDE.search(joint)]
        if not sided:
            raise self.error(
                "pairs", "no joint has Left or Right in its name: list the pairs, or pairs: [] if there are none"
            )
        for joint in sided:
            if _other_side(joint) not in self.index:
                raise self.error("pairs", f"{joint} has no partner {_other_side(joint)}: list the pairs by hand")
        return tuple((self.index[left], self.index[_other_side(left)]) for left in sided if "left" in left.lower())


def _other_side(joint: str) -> str:
    return _SIDE.sub(lambda match: in_same_case(match[0], _SIDES[match[0].lower()]), joint)


def _shown(value: Any) -> str:
    return repr(value)[:60]
