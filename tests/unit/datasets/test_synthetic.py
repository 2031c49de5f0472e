"""Made-up recordings: the same every time, in the form of the real ones, and filtered as asked."""

import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from gesturelab.config.data import SyntheticConfig, Target
from gesturelab.datasets.recording import Dataset
from gesturelab.datasets.source import read_dataset
from gesturelab.datasets.synthetic.people import draw_correctness, make_person, person_id
from gesturelab.errors import DataError
from gesturelab.skeletons.skeleton import KINECT_V2
from processes import on_this_machine

KEPT: dict[str, Any] = {
    "rate_hz": 30.0,
    "target": Target.gesture,
    "gestures": None,
    "correctness": [1, 2],
    "subjects": None,
    "postures": None,
    "max_files": None,
    "strict": False,
    "cache_dir": None,
    "people": 4,
    "repetitions": 2,
    "seed": 0,
}


def made(**changed: Any) -> Dataset:
    return read_dataset(SyntheticConfig(**(KEPT | changed)))


@pytest.fixture(scope="module")
def many() -> Dataset:
    return made(people=20, repetitions=4)


def by_name(dataset: Dataset) -> dict[str, bytes]:
    return {dataset.names[i]: dataset[i].positions.tobytes() for i in range(len(dataset))}


def test_the_same_seed_gives_the_same_recordings_and_another_seed_others():
    first, again, other = made(), made(), made(seed=1)
    assert by_name(first) == by_name(again)
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != other.fingerprint
    assert not set(by_name(first).values()) & set(by_name(other).values())


def test_a_person_does_not_depend_on_the_others_nor_on_repetitions_or_filters():
    everybody = by_name(made(people=9, repetitions=3))
    for smaller in (
        made(people=5),
        made(people=9, subjects=["203"]),
        made(postures=["stand"]),
        made(correctness=[2]),
        made(max_files=7),
    ):
        assert by_name(smaller).items() <= everybody.items()


def test_what_cannot_change_recordings_does_not_change_the_fingerprint():
    fingerprint = made().fingerprint
    assert made(strict=True, cache_dir="elsewhere", correctness=[2, 1]).fingerprint == fingerprint
    assert made(rate_hz=25.0).fingerprint != fingerprint


def test_half_of_the_people_are_patients_whose_ids_start_with_2(many):
    assert Counter(many.people.values()) == {"healthy": 10, "patient": 10}
    assert all((subject[0] == "2") == (group == "patient") for subject, group in many.people.items())
    ids = [person_id(index) for index in range(3000)]
    assert len(set(ids)) == 3000
    assert ids[:4] == ["101", "201", "102", "202"]


def test_every_repetition_of_every_gesture_is_there():
    dataset = made(correctness=[1, 2, 3], people=3, repetitions=5)
    counts = Counter(zip(dataset.subjects, dataset.gestures.tolist(), strict=True))
    assert counts == {(subject, gesture): 5 for subject in ("101", "201", "102") for gesture in range(9)}
    assert dataset.synthetic
    assert dataset.source == "synthetic"
    assert dataset.skeleton is KINECT_V2


def test_lengths_are_like_the_real_ones(many):
    frames = many.frame_counts
    assert frames.min() >= 13
    assert frames.max() <= 600
    assert 50 <= np.median(frames) <= 80
    incorrect = many.correctness == 2
    assert np.median(frames[incorrect]) > 1.2 * np.median(frames[~incorrect])


def test_lengths_follow_the_rate():
    fast, slow = made(rate_hz=60.0), made(rate_hz=15.0)
    assert fast.names == slow.names
    np.testing.assert_allclose(fast.frame_counts / 60, slow.frame_counts / 15, atol=0.05)
    assert set(slow.rates_hz) == {15.0}


def test_incorrect_movements_are_those_of_patients(many):
    patients = np.array(many.groups) == "patient"
    assert 0.2 < np.mean(many.correctness[patients] == 2) < 0.7
    assert np.mean(many.correctness[~patients] == 2) < 0.05


def test_poorly_executed_movements_are_rare():
    rng = np.random.default_rng(0)
    patient = make_person(1, rng)
    drawn = Counter(draw_correctness(patient, rng) for _ in range(5000))
    assert 5 <= drawn[3] <= 60
    assert drawn[1]
    assert drawn[2]


def test_the_joint_that_moves_most_is_on_the_other_side_of_the_name(many):
    for i in range(len(many)):
        name = many.gesture_names[many.gestures[i]]
        if many.groups[i] == "patient" or many.correctness[i] != 1 or name == "shoulder_forward_elevation":
            continue
        positions = many[i].positions - many[i].positions[:, :1]
        joint = "Ankle" if name.startswith("side_tap") else "Wrist"
        travel = {
            side: np.linalg.norm(np.ptp(positions[:, KINECT_V2.index(joint + side)], axis=0))
            for side in ("Left", "Right")
        }
        assert max(travel, key=lambda side: travel[side]) == ("Right" if name.endswith("left") else "Left"), name


def test_people_face_the_sensor_from_a_few_metres(many):
    first = many.positions[many.offsets[:-1]]
    root, shoulders = first[:, KINECT_V2.root], first[:, KINECT_V2.shoulders[1]] - first[:, KINECT_V2.shoulders[0]]
    assert root[:, 2].min() > 1.4
    assert root[:, 2].max() < 3.6
    assert np.abs(np.degrees(np.arctan2(shoulders[:, 2], shoulders[:, 0]))).max() < 45
    assert (first[:, KINECT_V2.index("Head"), 1] > root[:, 1] + 0.4).all()


def test_seated_people_are_lower_from_hip_to_knee(many):
    first = many.positions[many.offsets[:-1]]
    drop = first[:, KINECT_V2.index("HipLeft"), 1] - first[:, KINECT_V2.index("KneeLeft"), 1]
    seated = np.isin(many.postures, ["chair", "wheelchair", "sit"])
    assert seated.any()
    assert drop[seated].max() < drop[~seated].min()


def test_some_frames_are_repeated_as_by_a_real_sensor(many):
    same = (many.positions[1:] == many.positions[:-1]).all(axis=(1, 2))
    assert 0.002 < same.mean() < 0.03


def test_filters_keep_what_was_asked_for():
    assert set(made(subjects=["102", "201"]).subjects) == {"102", "201"}
    assert set(made(correctness=[2], repetitions=4).correctness.tolist()) == {2}
    seated = made(people=12, postures=["chair", "wheelchair"])
    assert set(seated.postures) == {"chair", "wheelchair"}


def test_a_quick_try_is_spread_over_people_and_gestures():
    dataset = made(max_files=9)
    assert len(dataset) == 9
    assert len(set(dataset.gestures.tolist())) == 9
    assert set(dataset.subjects) == {"101", "102", "201", "202"}


def test_an_unknown_person_is_refused_with_those_there_are():
    with pytest.raises(DataError, match=r"no recording of 299, 7; there are 101, 102, 201, 202"):
        made(subjects=["101", "7", "299"])


def test_filters_that_leave_nothing_are_refused_with_the_postures_there_are():
    with pytest.raises(DataError, match=r"data\.postures: no recording of floating; there are .*stand"):
        made(postures=["floating"])


def test_three_hundred_recordings_take_under_five_seconds():
    start = time.process_time()  # of this process: another one beside it does not count
    dataset = made(people=17, repetitions=2, correctness=[1, 2, 3])
    assert len(dataset) == 306
    assert time.process_time() - start < on_this_machine(5)


def test_new_people_are_recognised_mostly_and_patients_mistakes_are_the_hard_part(many):
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.stack([_sixteen_frames(many[i].positions) for i in range(len(many))])
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=100.0))
    predicted = cross_val_predict(model, features, many.gestures, groups=np.array(many.subjects), cv=GroupKFold(4))
    right = predicted == many.gestures
    healthy, incorrect = np.array(many.groups) == "healthy", many.correctness == 2
    assert 0.8 < right.mean() < 0.98
    assert right[healthy & ~incorrect].mean() > 0.97
    assert right[~healthy & incorrect].mean() < right[~healthy & ~incorrect].mean() - 0.1


def _sixteen_frames(positions):
    centred = positions - positions[:, :1]
    wanted = np.linspace(0, len(positions) - 1, 16).round().astype(int)
    return (centred[wanted] / np.median(np.linalg.norm(centred[:, 20], axis=1))).ravel()
