import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gesturelab.config.data import FolderConfig, IrdsConfig
from gesturelab.datasets.quality import check_irds
from gesturelab.datasets.source import read_dataset
from gesturelab.report.view import render_view

FILES = ("101_18_0_1_1_stand", "101_18_1_1_3_stand", "201_18_0_1_2_chair", "201_18_1_1_1_chair")


@pytest.fixture
def irds(tmp_path: Path) -> Path:
    for number, name in enumerate(FILES):
        frames = np.random.default_rng(number).normal(0, 0.5, (10 + 10 * number, 75))
        np.savetxt(tmp_path / f"{name}.txt", frames, fmt="%.4f", delimiter=",")
    return tmp_path


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="motion">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def config_of(root: Path) -> IrdsConfig:
    return IrdsConfig(root=str(root), correctness=[1, 2, 3])


def test_the_table_of_intellirehabds_makes_its_files_a_folder_of_ones_own(irds: Path):
    table = data_of(render_view(check_irds(irds), config_of(irds)).page)["table"]
    published = read_dataset(config_of(irds))
    with (irds / "labels.csv").open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([table["columns"], *table["rows"]])
    own = read_dataset(FolderConfig(root=str(irds), correctness=[1, 2, 3]))
    columns = ("names", "subjects", "groups", "postures")
    assert [getattr(own, name) for name in columns] == [getattr(published, name) for name in columns]
    assert own.correctness.tolist() == [1, 3, 2, 1]
    assert [own.gesture_names[at] for at in own.gestures] == ["elbow_flexion_left", "elbow_flexion_right"] * 2
    np.testing.assert_allclose(own.positions, published.positions)


def test_more_recordings_than_a_page_holds_are_counted_and_stay_in_the_table(irds: Path):
    report = check_irds(irds)
    whole = data_of(render_view(report, config_of(irds)).page)["recordings"]
    view = render_view(report, config_of(irds), motion_bytes=sum(len(each["motion"]) for each in whole[:2]))
    assert (view.shown, view.recordings) == (2, 4)
    assert "Shown: 2 of 4 recordings" in view.page
    data = data_of(view.page)
    assert [each["name"] for each in data["recordings"]] == [FILES[0], FILES[1]], "shorter than a window, then by name"
    assert [row[0] for row in data["table"]["rows"]] == [f"{name}.txt" for name in FILES]
