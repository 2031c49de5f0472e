"""The GRU: frame by frame it says what it says of the whole window, from the configuration to the state."""

import pytest
import torch

from gesturelab.config.composing import compose
from gesturelab.models.network import build_network
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_step_at_a_time_is_the_whole_window(pooling):
    config = compose(["model=gru", "experiment=live", "features=live", "model.hidden=12", f"model.pooling={pooling}"])
    torch.manual_seed(0)
    network = build_network(config.model, Features(config.features, KINECT_V2), 5, 9).eval()
    windows = torch.randn(4, 9, network.frame_features)
    state = network.initial_state(4)
    with torch.inference_mode():
        for frame in range(9):
            logits, state = network.step(windows[:, frame], state)
            assert torch.allclose(logits, network(windows[:, : frame + 1]), atol=1e-5)
