"""The feature's numbers, worked out by hand."""

from pathlib import Path

import pytest
import torch

from gesturelab.config.composing import compose
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2

CONF = Path(__file__).parent


def test_hands_that_are_3_and_4_cm_apart_along_x_and_y() -> None:
    """A triangle with sides of 3, 4 and 5 cm."""
    config = compose(["features=mine"], config_dir=CONF)
    positions = torch.zeros(1, 2, len(KINECT_V2.joints), 3)
    positions[:, 1, KINECT_V2.index("HandLeft")] = torch.tensor([0.03, 0.04, 0.0])
    features = Features(config.features, KINECT_V2)
    column = features.names.index("distance:HandLeft:HandRight")
    assert features(positions)[0, :, column].tolist() == pytest.approx([0.0, 0.05])
