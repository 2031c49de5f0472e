"""The door for networks: what is given to a class, and what is refused at birth."""

import pytest
import torch
from torch import nn

from gesturelab.config.composing import compose
from gesturelab.config.training import GuestModelConfig
from gesturelab.config.typed import typed_config
from gesturelab.errors import ConfigError, TrustError
from gesturelab.models.flops import flops_per_window
from gesturelab.models.network import FittedNetwork, Network, build_network, count_parameters
from gesturelab.models.trust import is_built_in, refuse_untrusted
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2

FEATURES = Features(compose(["features=live"]).features, KINECT_V2)
FRAMES, CLASSES = 6, 4


class Flat(nn.Module):
    """The smallest network: an affine map of the whole window."""

    def __init__(
        self, features: int, classes: int, frames: int, skeleton, feature_names, *, scale: float = 1.0
    ) -> None:
        super().__init__()
        assert len(feature_names) == features
        assert skeleton is KINECT_V2
        self.scale = scale
        self.map = nn.Linear(frames * features, classes)

    def forward(self, features):
        return self.scale * self.map(features.flatten(1))


class Raises(Flat):
    def forward(self, features):
        raise RuntimeError("shapes cannot be multiplied")


class Squeezes(Flat):
    def forward(self, features):
        return super().forward(features)[:, :-1]


class Pair(Flat):
    def forward(self, features):
        return super().forward(features), None


class NotFinite(Flat):
    def forward(self, features):
        return super().forward(features) / 0


class Frozen(nn.Module):
    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, features):
        return features.new_zeros(len(features), self.classes)


class Forgets(Network):
    """Its step does not do what its forward does: the state is dropped."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.map = nn.Linear(features, classes)

    def forward(self, features):
        return self.map(features.sum(dim=1))

    def initial_state(self, rows):
        return (torch.zeros(rows, 1),)

    def step(self, features, state):
        return self.map(features), state


class Sorts(Flat):
    """Cannot run without values."""

    def forward(self, features):
        assert features.sum().item() <= 1e9
        return super().forward(features)


class Zeros(FittedNetwork):
    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(features, classes))

    def forward(self, features):
        return features.mean(dim=1) @ self.weights


def not_a_module(features: int, classes: int) -> str:
    return f"{features} {classes}"


def guest(name: str, **arguments) -> GuestModelConfig:
    return GuestModelConfig(_target_=f"{__name__}.{name}", arguments=arguments)


def build(name: str, **arguments) -> nn.Module:
    return build_network(guest(name, **arguments), FEATURES, CLASSES, FRAMES)


def test_a_class_is_given_the_context_that_it_names_and_its_own_keys():
    network = build("Flat", scale=2.0)
    assert network.map.in_features == FRAMES * len(FEATURES.names)
    assert network.scale == 2.0
    assert network.training


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("not_a_module", r"must be a torch\.nn\.Module class .* but it gave str"),
        ("Raises", r"raised RuntimeError: shapes cannot be multiplied"),
        ("Squeezes", r"into \(2, 4\), but gave \(2, 3\)"),
        ("Pair", r"gave tuple"),
        ("NotFinite", r"logits that are not finite"),
        ("Frozen", r"no weight that a gradient could change.*FittedNetwork"),
        ("Forgets", r"step of .*Forgets must give .* what forward gives .* after frame 2"),
        ("Missing", r"model\._target_=.*Missing: cannot be imported"),
    ],
)
def test_what_is_no_network_is_refused_by_key_class_and_expectation(name, message):
    with pytest.raises(ConfigError, match=message) as refused:
        build(name)
    assert str(refused.value).startswith("model")
    assert f"{__name__}.{name}" in str(refused.value)


def test_a_key_that_its_class_does_not_take_is_named():
    with pytest.raises(ConfigError, match="widht"):
        build("Flat", widht=3)


def test_the_trial_draws_nothing_and_changes_nothing():
    config = compose(["model.hidden=8"]).model
    torch.manual_seed(0)
    untried = build_network(config, FEATURES, CLASSES, FRAMES, trial=False)
    after = torch.get_rng_state()
    torch.manual_seed(0)
    tried = build_network(config, FEATURES, CLASSES, FRAMES)
    assert torch.equal(torch.get_rng_state(), after)
    expected = untried.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in tried.state_dict().items())
    assert all(parameter.grad is None for parameter in tried.parameters())


def test_operations_of_a_guest_are_counted_where_it_runs():
    by_hand = 2 * FRAMES * len(FEATURES.names) * CLASSES
    assert flops_per_window(build("Flat"), FRAMES, len(FEATURES.names)) == by_hand
    assert flops_per_window(build("Sorts"), FRAMES, len(FEATURES.names)) == by_hand
    assert flops_per_window(Raises(1, 2, 3, KINECT_V2, "a"), 3, 1) is None


def test_of_a_fitted_network_the_buffers_are_counted():
    assert count_parameters(build("Zeros")) == len(FEATURES.names) * CLASSES


@pytest.mark.parametrize(
    ("target", "built_in"),
    [
        ("gesturelab.models.lstm.LSTMClassifier", True),
        ("gesturelab.models.minirocket.MiniRocket", True),
        ("gesturelab.datasets.msr_action3d.MSRAction3D", True),
        ("gesturelab.datasets.msr_action3d.kinect_v1", False),
        ("gesturelab.datasets.msr_action3d.RecordingSource", False),
        ("gesturelab.models.lstm.nn.Linear", False),
        ("gesturelab.models.lstm.torch", False),
        ("gesturelab.models.flops.on_meta_device", False),
        ("gesturelab.models.lstm.BatchNorm", False),
        ("gesturelab.models.recogniser.Network", False),
        ("gesturelab.cli.main.main", False),
        ("gesturelab.models.missing.Network", False),
        ("os.system", False),
        (f"{__name__}.Flat", False),
    ],
)
def test_only_network_and_dataset_classes_of_gesturelab_need_no_trust(target, built_in):
    assert is_built_in(target) == built_in


@pytest.mark.parametrize(
    "groups",
    [
        {"model": {"_target_": "os.system"}},
        {"model": {"_target_": "gesturelab.models.lstm.LSTMClassifier", "hidden": {"_target_": "os.system"}}},
        {"features": {"mine": {"_target_": "os.system"}}},
        {"features": [{"deep": [{"_target_": "os.system"}]}]},
    ],
)
def test_a_foreign_class_is_refused_at_any_depth_unless_it_is_named_exactly(groups):
    for trust in ((), ("os",), ("os.system.more",)):
        with pytest.raises(TrustError, match=r"m\.zip names os\.system, .*--trust os\.system"):
            refuse_untrusted(groups, trust, "m.zip")
    refuse_untrusted(groups, ("os.system",), "m.zip")


def test_a_guest_is_called_like_its_class():
    assert typed_config({"model": {"_target_": "a.B", "width": 3}}).model.name == "B"
