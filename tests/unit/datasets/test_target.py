"""What is to be recognised: classes of a dataset, a choice of gestures, and what mirroring may do."""

import dataclasses

import numpy as np
import pytest
import torch

from conftest import dataset_of, walker
from gesturelab.config.composing import compose
from gesturelab.config.data import Target
from gesturelab.config.saved import read_config, read_data_config
from gesturelab.datasets.load import load
from gesturelab.errors import ConfigError, DataError
from gesturelab.preprocessing.augmentation import Augment
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.training.build import make_data

FEW = ("data.people=6", "data.repetitions=1")


def test_classes_are_gestures_or_correct_and_incorrect():
    dataset = dataclasses.replace(
        dataset_of([walker(f"a{at}", 9, gesture=at % 3) for at in range(4)]), correctness=np.array([1, 2, 3, 1])
    )
    assert (dataset.class_names, dataset.classes.tolist()) == (("left", "right", "both"), [0, 1, 2, 0])
    other = dataclasses.replace(dataset, target=Target.correctness)
    assert (other.class_names, other.classes.tolist()) == (("correct", "incorrect"), [0, 1, 1, 0])
    assert other.fingerprint == dataset.fingerprint, "the recordings are the same"


def test_a_mirrored_movement_is_another_gesture_but_as_correct_as_it_was():
    config = compose(["augment=mirror", "augment.mirror_probability=1"]).augment
    dataset = dataset_of([walker("a", 9)])
    batch = Batch(torch.randn(2, 4, 25, 3), torch.tensor([0, 1]), torch.tensor([0, 0]))
    for target, classes in ((Target.gesture, [1, 0]), (Target.correctness, [0, 1])):
        augment = Augment(config, dataset.skeleton, dataclasses.replace(dataset, target=target).mirrored_classes)
        assert augment(batch, torch.Generator()).classes.tolist() == classes


def test_some_gestures_are_numbered_anew():
    dataset = load(compose([*FEW, "data.gestures=[elbow_flexion_right,shoulder_forward_elevation]"]).data)
    assert dataset.gesture_names == ("elbow_flexion_right", "shoulder_forward_elevation")
    assert {name.split("_")[2]: gesture for name, gesture in zip(dataset.names, dataset.gestures, strict=True)} == {
        "1": 0,
        "6": 1,
    }
    assert dataset.mirrored_gestures == (-1, 1), "the mirror image of the first is not kept"


def test_gestures_are_chosen_by_name_or_number():
    data = [compose([*FEW, f"data.gestures={chosen}"]).data for chosen in ("[elbow_flexion_left,7]", "null")]
    some, every = (load(one) for one in data)
    assert some.gesture_names == ("elbow_flexion_left", "side_tap_left")
    kept = np.isin(every.gestures, [0, 7])
    assert some.names == tuple(name for name, keep in zip(every.names, kept, strict=True) if keep)
    assert some.fingerprint != every.fingerprint
    with pytest.raises(DataError, match="there is no waving; gestures are 0 elbow_flexion_left, 1"):
        load(compose([*FEW, "data.gestures=[waving]"]).data)


def test_one_side_alone_is_not_mirrored():
    one_side = [*FEW, "data.gestures=[0]", "data.target=correctness", "split=random_recording", "augment=light"]
    config = compose(one_side)
    with pytest.raises(ConfigError, match="elbow_flexion_left becomes a gesture that is not kept"):
        make_data(config, load(config.data))
    config.augment.mirror_probability = 0
    assert make_data(config, load(config.data)).dataset.class_names == ("correct", "incorrect")


def test_both_classes_are_needed():
    for kept in ("[1]", "[2,3]"):
        with pytest.raises(ConfigError, match=r"data.target=correctness needs correct movements \(1\) and incorrect"):
            compose(["data.target=correctness", f"data.correctness={kept}"])


def test_runs_of_earlier_versions_recognised_gestures(tmp_path):
    from omegaconf import OmegaConf

    saved = OmegaConf.create(OmegaConf.to_yaml(OmegaConf.structured(compose([]))))
    del saved.data["target"], saved.data["gestures"]
    OmegaConf.save(saved, tmp_path / "config.yaml")
    for data in (read_data_config(tmp_path / "config.yaml"), read_config(tmp_path / "config.yaml").data):
        assert (data.target, data.gestures) == (Target.gesture, None)


@pytest.mark.irds
def test_real_recordings_have_both_classes_and_the_labels_of_their_names(irds_root, tmp_path):
    options = ["data=irds", f"data.root={irds_root}", f"data.cache_dir={tmp_path}", "data.max_files=60"]
    dataset = load(compose([*options, "data.target=correctness", "data.gestures=[8]"]).data)
    assert dataset.classes.tolist() == [int(name.split("_")[4] != "1") for name in dataset.names]
    assert {name.split("_")[2] for name in dataset.names} == {"8"}
    assert dataset.gesture_names == ("side_tap_right",)
