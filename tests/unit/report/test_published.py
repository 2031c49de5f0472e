"""The tables that come with gesturelab, and what is tolerated."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from gesturelab.config.composing import compose
from gesturelab.errors import ConfigError
from gesturelab.report.published import Cell, Published, list_published, other_conditions, read_published
from info_builder import make_info

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", list_published())
def test_each_table_composes_and_its_numbers_stand_on_its_page(name):
    table = read_published(name)
    for number in range(len(table.sweep[1].split(","))):
        picked = [
            text if "," not in text else f"{text.split('=')[0]}={text.split('=')[1].split(',')[number]}"
            for text in table.sweep
        ]
        assert compose(picked).model.name in table.cells
    page = (PROJECT / table.page).read_text(encoding="utf-8")
    for cells in table.cells.values():
        assert all(f"{100 * value:.1f}" in page for value in cells.values())


@pytest.mark.parametrize(
    ("measured", "tolerated", "difference", "good"),
    [
        (0.9, 0.0, 0.0, True),
        (0.9 + 4e-7, 0.0, 0.0, True),  # six digits were published
        (0.89, 0.0, -0.01, False),
        (0.89, 0.02, -0.01, True),
        (0.93, 0.02, 0.03, False),
    ],
)
def test_a_cell_is_good_within_what_is_tolerated(measured, tolerated, difference, good):
    cell = Cell("tiny", "all", 0.9, measured, tolerated)
    assert math.isclose(cell.difference, difference, abs_tol=1e-9)
    assert cell.good is good


def test_a_missing_number_is_not_good():
    assert not Cell("tiny", "all", 0.9, None, 1.0).good


def test_conditions_are_processor_recordings_and_versions():
    run = make_info()
    run["versions"] = {"torch": "2.9", "rich": "1"}
    run["cost"] = {"flops_per_window": 1, "cpu": "Z80", "cores": 1, "threads": 1, "load": 0.0}
    table = Published("t", cpu="Z80", recordings=run["data"]["fingerprint"][:16], versions={"torch": "2.9"})
    assert other_conditions(table, [run]) == []
    (version, processor) = (replace(table, versions={"torch": "2.8"}), replace(table, cpu="6502"))
    assert other_conditions(version, [run]) == ["torch 2.9 (published: 2.8)"]
    assert other_conditions(processor, [run]) == ["processor Z80 (published: 6502)"]


@pytest.mark.parametrize("text", ["title: a\ncell: {}\n", "title: a\nminutes: long\n", "title: [\n", "- a\n"])
def test_a_file_with_other_keys_or_values_is_refused_by_name(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml: "):
        read_published(str(tmp_path / "mine.yaml"))
