"""What the network answers for a window, with and without its mirror image."""

import numpy as np
import pytest
import torch
from torch import nn

from gesturelab.config.data import Centre, FeaturesConfig
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.augmentation import mirror
from gesturelab.preprocessing.scaler import no_scaler
from gesturelab.skeletons.skeleton import KINECT_V2 as K

WRIST = FeaturesConfig(
    centre=Centre.none,
    body_scale=False,
    joints=["WristLeft"],
    scaler=False,
    channels={"velocities": False, "displacements": False},
)


class LeftWrist(nn.Module):
    """One answer when the left wrist is at a positive x, another one when it is not."""

    def forward(self, features):
        right_of_it = torch.tensor([0.7, 0.2, 0.1])
        left_of_it = torch.tensor([0.1, 0.6, 0.3])
        return torch.where(features[:, :1, 0] > 0, right_of_it, left_of_it).log()


def recogniser(classifier, mirrored_gestures=None):
    return Recogniser(WRIST, K, no_scaler(("x", "y", "z")), classifier, mirrored_gestures)


def window():
    positions = torch.zeros(1, 2, 25, 3)
    positions[:, :, K.index("WristLeft"), 0] = 1.0
    positions[:, :, K.index("WristRight"), 0] = 2.0  # in the mirror the left wrist, at x = -2
    return positions


def test_without_a_mirror_the_answer_is_the_windows_own():
    assert recogniser(LeftWrist()).probabilities(window())[0].tolist() == pytest.approx([0.7, 0.2, 0.1])


def test_the_mirror_image_has_half_the_say_with_its_labels_swapped_back():
    # the mirror image: 0.1, 0.6, 0.3; with gestures 0 and 1 swapped back: 0.6, 0.1, 0.3
    answer = recogniser(LeftWrist(), (1, 0, 2)).probabilities(window())
    assert answer[0].tolist() == pytest.approx([0.65, 0.15, 0.2])


def test_a_gesture_that_is_its_own_mirror_image_is_averaged_with_itself():
    answer = recogniser(LeftWrist(), (0, 1, 2)).probabilities(window())
    assert answer[0].tolist() == pytest.approx([0.4, 0.4, 0.2])


def test_left_and_right_are_answered_alike():
    torch.manual_seed(0)
    network = recogniser(nn.Sequential(nn.Flatten(), nn.Linear(6, 3)), (1, 0, 2))
    motion = torch.randn(8, 2, 25, 3)
    one, other = network.probabilities(motion), network.probabilities(mirror(motion, K))
    assert torch.allclose(one[:, [1, 0, 2]], other, atol=1e-6)
    assert np.allclose(one.sum(dim=1).detach().numpy(), 1, atol=1e-6)
    alone = recogniser(network.classifier)
    assert not torch.allclose(
        alone.probabilities(motion)[:, [1, 0, 2]], alone.probabilities(mirror(motion, K)), atol=1e-3
    )


def test_the_mirror_is_not_part_of_the_weights():
    assert recogniser(LeftWrist(), (1, 0, 2)).state_dict().keys() == recogniser(LeftWrist()).state_dict().keys()
