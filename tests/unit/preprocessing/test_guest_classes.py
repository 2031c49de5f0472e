"""Features and augmentations of the user's own: what fits goes in, what does not is refused by its key."""

from dataclasses import fields

import pytest
import torch
from torch import nn

from gesturelab.config.data import AugmentConfig, FeaturesConfig
from gesturelab.config.options import read_free, to_plain
from gesturelab.config.typed import typed_config
from gesturelab.errors import ConfigError
from gesturelab.preprocessing.augmentation import Augment
from gesturelab.preprocessing.features import BUILT_IN, Feature, Features, check_feature
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.skeletons.skeleton import KINECT_V2 as K

MOTION = torch.randn(2, 9, 25, 3, generator=torch.Generator().manual_seed(4)).cumsum(dim=1)


class HeadHeight(Feature):
    """How high the head is, in some unit."""

    looks_back = 0

    def __init__(self, skeleton, unit=1.0):
        super().__init__()
        self.head, self.unit = skeleton.index("Head"), unit
        self.names = ("head:height",)

    def forward(self, positions):
        return positions[:, :, self.head, 1:2] / self.unit


class Wrong(HeadHeight):
    """One of the ways in which a feature does not fit, by its key ``how``."""

    def __init__(self, skeleton, how):
        super().__init__(skeleton)
        self.how = how
        self.looks_back = 1 if how == "more steps" else 0
        self.per_window = how == "per window"
        if how == "no names":
            self.names = ()
        if how == "two names":
            self.names = ("a", "b")
        if how == "weights":
            self.weight = nn.Parameter(torch.ones(1))

    def forward(self, positions):
        height = super().forward(positions)
        return {
            "no frames": lambda: height[:, 0],
            "nan": lambda: (height - 100).log(),
            "double": height.double,
            "mean": lambda: height - height.mean(dim=1, keepdim=True),
            "ahead": lambda: torch.cat([height[:, 1:], height[:, -1:]], dim=1),
            "more steps": lambda: torch.diff(height, n=2, dim=1, prepend=torch.cat([height[:, :1]] * 2, dim=1)),
            "batch": lambda: height - height.mean(),
            "random": lambda: height + torch.randn(1),
            "raises": lambda: height @ height,
            "in place": lambda: positions.mul_(2)[:, :, :1, 0],
        }.get(self.how, lambda: height)()


class Shift:
    """Moves a window by the same random step along each axis."""

    def __init__(self, metres=0.1):
        self.metres = metres

    def __call__(self, positions, generator):
        return positions + self.metres * torch.randn(len(positions), 1, 1, 3, generator=generator)


def shift_by_the_global_generator():
    """A change that no one can repeat."""
    return lambda positions, generator: positions + torch.randn(1)


def lose_a_frame():
    """A change of shape."""
    return lambda positions, generator: positions[:, 1:]


def feature(**keys):
    off = {"centre": "none", "body_scale": False, "velocities": False, "displacements": False}
    return read_free(FeaturesConfig, off | keys, "features")


def guest(name, **keys):
    return {"_target_": f"{__name__}.{name}", **keys}


def test_a_feature_of_the_users_own_stands_beside_the_others():
    features = Features(feature(height=guest("HeadHeight", unit=2.0), summary=True, angles=True), K)
    own = features.names.index("head:height")
    assert torch.equal(features(MOTION)[:, :, own], MOTION[:, :, K.index("Head"), 1] / 2)
    others = Features(feature(summary=True, angles=True), K)
    assert features.names == (*others.names[:own], "head:height", *others.names[own:])
    assert len(features.names) - features.summaries == own + 1, "before those of the whole window"
    assert features.non_causal == ("features.summary=true",)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no names", "names must be a tuple"),
        ("two names", "makes 1 channels, but has 2 names"),
        ("weights", "must hold no weights"),
        ("no frames", r"into channels \(batch, frames, channels\); of shape \(2, 16, 25, 3\) it makes \(2, 1\)"),
        ("nan", "NaN or infinite"),
        ("double", "torch.float64"),
        ("mean", "looks_back=0 is not true"),
        ("ahead", "looks_back=0 is not true"),
        ("more steps", "looks_back=1 is not true.*say how many it needs, or None"),
        ("batch", "must depend on the window alone"),
        ("random", "must depend on the window alone"),
        ("raises", "fails on positions of shape"),
        ("in place", "must leave the positions"),
        ("per window", "per_window=True, but its values differ"),
    ],
)
def test_a_feature_that_does_not_fit_is_refused_by_its_key(how, message):
    with pytest.raises(ConfigError, match=rf"features\.mine \({__name__}\.Wrong\): .*{message}"):
        Features(feature(mine=guest("Wrong", how=how)), K)


def test_what_is_no_feature_is_refused():
    with pytest.raises(ConfigError, match=r"features\.mine .* must be a gesturelab.*Feature, but is Shift"):
        Features(feature(mine=guest("Shift")), K)
    with pytest.raises(ConfigError, match=r"features\.foo=true: there is no such feature; there are positions, "):
        Features(feature(foo=True), K)
    with pytest.raises(ConfigError, match=r"features\.foo=0\.5: must be true or false"):
        typed_config({"features": {"foo": 0.5}})
    with pytest.raises(ConfigError, match=r"features\.foo=.*: must be true or false"):
        typed_config({"features": {"foo": {"_target_": 3}}})
    with pytest.raises(ConfigError, match=r"another feature has a channel head:height already"):
        Features(feature(mine=guest("HeadHeight"), other=guest("HeadHeight")), K)
    with pytest.raises(ConfigError, match="about the whole window; switch on a feature of each frame"):
        Features(feature(positions=False, summary=True), K)


@pytest.mark.parametrize("key", BUILT_IN)
def test_the_built_in_ones_fit(key):
    known = {"skeleton": K, "joints": (3, 7)}
    names = BUILT_IN[key].__init__.__annotations__
    check_feature(key, BUILT_IN[key](**{name: value for name, value in known.items() if name in names}), K)


def test_a_file_has_features_flat_and_is_read_again():
    config = feature(height=guest("HeadHeight", unit=2.0), other=None, angles=True)
    plain = to_plain(config)
    assert plain["height"] == guest("HeadHeight", unit=2.0)
    assert (plain["angles"], plain["bones"], plain["centre"]) == (True, False, "none")
    assert "other" not in plain
    assert to_plain(read_free(FeaturesConfig, plain, "features")) == plain


def augment(**keys):
    off = {each.name: 0.0 for each in fields(AugmentConfig) if each.name not in ("mirror_at_test", "guests")}
    return Augment(read_free(AugmentConfig, off | keys, "augment"), K, (0,))


def test_a_change_of_the_users_own_draws_from_the_generator_of_the_epoch():
    batch = Batch(MOTION, torch.zeros(2, dtype=torch.long), torch.arange(2))
    changed = augment(shift=guest("Shift", metres=0.5))(batch, torch.Generator().manual_seed(1)).positions
    steps = torch.randn(2, 1, 1, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(changed, MOTION + 0.5 * steps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (guest("shift_by_the_global_generator"), r"augment\.mine .*must draw from the generator that it gets"),
        (
            guest("lose_a_frame"),
            r"augment\.mine .*of the shape and type that it gets, .* not \(2, 15, 25, 3\)",
        ),
        (guest("HeadHeight"), r"augment\.mine .*fails on positions"),
        (0.5, r"augment\.mine=0\.5: there is no such key; augment has mirror_probability"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_by_its_key(change, message):
    before = torch.get_rng_state()
    with pytest.raises(ConfigError, match=message):
        augment(mine=change)
    assert torch.equal(torch.get_rng_state(), before), "looking at it draws nothing"
