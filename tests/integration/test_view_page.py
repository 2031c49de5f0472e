"""The page of `gesturelab data view` in a real browser, from recordings to a training on the labels saved there."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from browser import Browser
from gesturelab.cli.main import main
from gesturelab.evaluation.predictions import read_predictions
from trained import train_small

PEOPLE = ("Anna, M.", "Bo", "Cem", "Dua")
PLAYED = "return document.getElementById('skeleton').toDataURL()"
TEXTS = "return [...document.querySelectorAll('#recording option')].map((one) => one.textContent)"
CHANGE = (
    "const one = document.getElementById(arguments[0]); one.value = arguments[1];"
    "one.dispatchEvent(new Event('input')); one.dispatchEvent(new Event('change'))"
)


def write_recordings(folder: Path) -> None:
    """Of four people, two gestures twice each; one label has a slip, one recording is short, one holds a text."""
    folder.mkdir()
    rows = [["subject", " Gesture", "file", "mirrored", "group"]]
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 0.3, (25, 3))
    for place, person in enumerate(PEOPLE):
        for gesture, image in (("wave_left", "wave_right"), ("wave_right", "")):
            for again in range(2):
                positions = np.tile(pose, (15 if (place, again) == (1, 0) else 60, 1, 1))
                side = 0 if gesture == "wave_left" else 1
                positions[:, 7 + 4 * side, 1] += np.sin(np.arange(len(positions)) / 5 + rng.normal())
                name = f"{place}{side}{again}.npy"
                np.save(folder / name, positions.astype(np.float32))
                rows.append([person, gesture, name, image, "<b>healthy</b>"])
    rows[1][1], rows[1][3] = "wave_letf", "none"
    (folder / "311.npy").write_text("no array")
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows(rows)


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as opened:
        return {row["file"]: row for row in csv.DictReader(opened)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    one = Browser()
    yield one
    one.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view") / "mine"
    write_recordings(folder)
    assert main(["data", "view", str(folder), "-o", str(folder.parent / "view.html")]) == 0
    return folder


@pytest.fixture
def opened(browser: Browser, folder: Path) -> Iterator[Browser]:
    browser.open(folder.parent / "view.html")
    yield browser
    assert browser.log() == [], "the console is silent"


def press(browser: Browser, key: str) -> None:
    codes = {"ArrowDown": 40, " ": 32, "b": 66}
    text = {"text": key} if len(key) == 1 else {}
    for kind in ("keyDown", "keyUp"):
        browser.devtools("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key], **text)


def save(browser: Browser, folder: Path) -> Path:
    """Clicks, and waits for the file."""
    browser.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.click("#save")
    saved = folder / "labels.csv"
    for _ in range(1000):
        if saved.exists() and saved.stat().st_size:
            return saved
        browser.run("return new Promise((done) => setTimeout(done, 10))")
    raise AssertionError("no labels.csv was downloaded")


def test_recordings_in_which_the_check_found_something_come_first(opened: Browser):
    first, second, third, *rest = opened.run(TEXTS)
    assert [first[0], second[0], third[0]] == ["⚠"] * 3
    assert first.startswith("⚠ 311: wave right, Dua · Cannot be read")
    assert {second[2:5], third[2:5]} == {"100", "110"}, "the short ones"
    assert len(rest) == 13
    assert "no array" in opened.run("return document.getElementById('findings').textContent")
    assert opened.run("return document.querySelectorAll('main b').length") == 0, "a hostile group is only text"
    opened.run(CHANGE, "order", "gesture")
    gestures = [text.split(": ")[1].split(",")[0] for text in opened.run(TEXTS)]
    assert gestures == sorted(gestures)


def test_two_recordings_play_side_by_side_in_one_time(opened: Browser):
    listed = opened.run(TEXTS)
    place = next(at for at, text in enumerate(listed) if text.startswith("⚠ 100"))
    opened.run(CHANGE, "recording", opened.run(f"return document.getElementById('recording').options[{place}].value"))
    assert opened.run("return document.getElementById('second').hidden")
    assert opened.run("return document.getElementById('scrub').max") == "0.4", "15 frames, at 10 a second"
    other = opened.run(
        "return [...document.querySelectorAll('#other option')].find((one) => /200/.test(one.text)).value"
    )
    opened.run(CHANGE, "other", other)
    assert "200: wave left" in opened.run("return document.getElementById('caption2').textContent")
    second = PLAYED.replace("skeleton", "skeleton2")
    before = opened.run(PLAYED), opened.run(second)
    opened.run("document.getElementById('speed').value = '4'")
    opened.click("#play")
    opened.wait("return document.getElementById('play').textContent === 'Play'")
    assert opened.run("return document.getElementById('time').textContent") == "1.9 of 1.9 s", (
        "until the longer one ends"
    )
    assert opened.run(PLAYED) != before[0]
    assert opened.run(second) != before[1]


def test_labels_that_were_mended_with_keys_and_mouse_are_saved_and_trained_on(
    opened: Browser, folder: Path, tmp_path: Path
):
    before = read_rows(folder / "labels.csv")
    opened.run("document.getElementById('recording').focus()")
    press(opened, "b")
    assert opened.run(TEXTS)[0].startswith("✗ 311")
    assert opened.run("return document.getElementById('bad').checked")
    press(opened, "ArrowDown")
    press(opened, " ")
    opened.wait("return Number(document.getElementById('scrub').value) > 0")
    press(opened, "b")
    press(opened, "b")
    assert opened.run(TEXTS)[1].startswith("⚠"), "bad no longer"
    slip = opened.run(
        "return [...document.querySelectorAll('#recording option')].find((one) => /000/.test(one.text)).value"
    )
    opened.run(CHANGE, "recording", slip)
    assert opened.run("return document.getElementById('gesture').value") == "wave_letf"
    opened.run(CHANGE, "gesture", "wave_left")
    opened.run(CHANGE, "correctness", "poorly executed")
    opened.click("#undo")
    assert opened.run("return document.getElementById('gesture').value") == "wave_letf"
    opened.run(CHANGE, "gesture", "wave_left")
    marked = "return document.getElementById('marked').textContent"
    assert opened.run(marked) == "1 bad, 1 relabelled, not saved yet."
    saved = save(opened, tmp_path)
    assert opened.run(marked) == "1 bad, 1 relabelled, saved."
    del before["311.npy"]
    before["000.npy"]["gesture"] = "wave_left"
    expected = {file: {key.strip().lower(): value for key, value in row.items()} for file, row in before.items()}
    for row in expected.values():
        row["mirrored"] = "wave_right" if row["gesture"] == "wave_left" else ""
    assert read_rows(saved) == expected
    shutil.copy(saved, folder / "labels.csv")
    few = ("data=folder", f"data.root={folder}", "model=minirocket", "model.outputs=84", "window.length_frames=20")
    run = train_small(tmp_path / "run", *few, f"data.cache_dir={tmp_path}")
    assert set(read_predictions(run.predictions).gestures) == {"wave_left", "wave_right"}


@pytest.mark.parametrize("width", [390, 1300])
def test_nothing_is_wider_than_the_window(opened: Browser, width: int):
    opened.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
    opened.run(CHANGE, "other", "1")
    assert opened.run("return document.documentElement.scrollWidth") <= width
    opened.devtools("Emulation.clearDeviceMetricsOverride")
