"""The network sees the past alone, and says frame by frame what it says of whole windows."""

from pathlib import Path

import torch

from gesturelab.config.composing import compose
from gesturelab.models.network import build_network
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2

CONF = Path(__file__).parent


def test_a_step_at_a_time_is_the_whole_window() -> None:
    """As long as it takes for the first frames to be out of sight."""
    config = compose(["model=tcn", "features=live"], config_dir=CONF)
    features = Features(config.features, KINECT_V2)
    torch.manual_seed(0)
    network = build_network(config.model, features, 5, 20).eval()
    windows = torch.randn(3, 20, len(features.names))
    state = network.initial_state(3)
    with torch.inference_mode():
        for frame in range(20):
            logits, state = network.step(windows[:, frame], state)
            assert torch.allclose(logits, network(windows[:, : frame + 1]), atol=1e-5)
