"""The page of `gesturelab report` in a real browser."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pytest

from browser import Browser
from gesturelab.evaluation.explanation import Explanation
from gesturelab.report.comparison import compare
from gesturelab.report.groups import Candidate
from gesturelab.report.page import render_page
from gesturelab.report.player import Motion
from gesturelab.skeletons.skeleton import KINECT_V2
from predictions_builder import fold_run, write_fold_run, write_windows_of

NAME = "<script>alert(1)</script>"


def waving(name: str) -> Motion:
    positions = np.random.default_rng(0).normal(0, 0.3, (1, 25, 3)).repeat(150, axis=0)
    positions[:, KINECT_V2.index("HandLeft"), 0] += np.linspace(0, 1, 150)
    return Motion(positions.astype(np.float32), 30.0, KINECT_V2.joints, KINECT_V2.parents, "patient", "chair")


def explain(candidate: Candidate, names: Collection[str]) -> tuple[dict[str, Explanation], str]:
    """The hand and the second of two moments carried every answer of one size; the other has no weights."""
    if candidate.size == "large":
        return {}, "the weights <b>are missing</b>"
    importance = np.zeros(25)
    importance[[KINECT_V2.index("HandLeft"), KINECT_V2.index("Head")]] = 2, 1
    without = np.full(25, 0.4)
    moments = (np.array([0.0, 2.0]), np.array([2.0, 5.0]), np.array([1.0, 4.0]), np.array([0.7, 0.1]))
    made = Explanation("both", 0.8, KINECT_V2.joints, importance, without, *moments)
    return dict.fromkeys(names, made), ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    one = Browser()
    yield one
    one.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    for size, parameters in (("tiny", 500_000), ("large", 4_500_000)):
        for fold in range(3):
            one = fold_run(fold, size=size, parameters=parameters, name=NAME)
            write_fold_run(folder / size / str(fold), one)
            if size == "tiny":  # the other size is of before there were windows files
                write_windows_of(folder / size / str(fold), one)
    path = folder / "report.html"
    path.write_text(render_page(compare(folder), {"f1": waving}, explain), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, written: Path) -> Iterator[Browser]:
    browser.open(written)
    yield browser
    assert browser.log() == [], "the console is silent"


PICTURE = "return document.getElementById('skeleton').toDataURL()"


def test_page_opens_and_a_hostile_name_is_only_text(opened: Browser):
    assert opened.run("return document.title") == NAME
    assert opened.run("return document.querySelector('h1').textContent") == NAME
    assert opened.run("return document.querySelectorAll('script').length") == 2
    loaded = "return [...document.images].filter((one) => !one.complete || !one.naturalWidth).length"
    assert opened.run(loaded) == 0
    assert opened.run("return document.images.length") > 5
    assert opened.run("return performance.getEntriesByType('resource').every((one) => one.name.startsWith('data:'))")


def test_a_recording_plays_pauses_and_is_scrubbed(opened: Browser):
    first = opened.run(PICTURE)
    opened.run("document.getElementById('speed').value = '4'")
    opened.click("#play")
    opened.wait("return Number(document.getElementById('scrub').value) > 0.3")
    assert opened.run(PICTURE) != first
    opened.wait("return document.getElementById('play').textContent === 'Play'")  # at the end
    assert opened.run("return document.getElementById('time').textContent") == "4.9 of 4.9 s"
    opened.run("document.getElementById('speed').value = '0.25'")
    opened.click("#play")
    opened.wait("return Number(document.getElementById('scrub').value) > 0")
    opened.click("#play")
    still = opened.run(PICTURE)
    assert opened.run(PICTURE) == still
    scrub = "const one = document.getElementById('scrub'); one.value = 0; one.dispatchEvent(new Event('input'))"
    opened.run(scrub)
    assert opened.run(PICTURE) == first


def test_misclassified_recordings_are_listed_first_for_each_size(opened: Browser):
    marks = "return [...document.querySelectorAll('#recording option')].map((one) => one.textContent[0]).join('')"
    lists: list[str] = []
    for size in (0, 1):
        choose = "const one = document.getElementById('model'); one.value = arguments[0];"
        opened.run(choose + " one.dispatchEvent(new Event('change'))", str(size))
        lists.append(opened.run(marks))
        assert lists[-1] == "".join(sorted(lists[-1], key="✗✓".index))
    assert lists[0] != lists[1]


def test_bars_are_the_probabilities_of_the_chosen_recording(opened: Browser):
    found = opened.run(
        "const data = JSON.parse(document.getElementById('motion').textContent);"
        "const one = data.recordings[document.getElementById('recording').value];"
        "return [one.said[0], [...document.querySelectorAll('#bars dd:not(.now)')].map((each) => each.textContent),"
        " document.getElementById('about').textContent, one.name]"
    )
    assert [float(text.split()[0]) for text in found[1]] == [pytest.approx(100 * share) for share in found[0]]
    assert found[3] in found[2]
    assert "(wrong)" in found[2]


NOW = "return [...document.querySelectorAll('#bars dd.now')].map((each) => each.textContent.trim())"
SEEK = "const one = document.getElementById('scrub'); one.value = arguments[0]; one.dispatchEvent(new Event('input'))"


def shown_windows(opened: Browser) -> list[list[int]]:
    """Whole per cent of each window of the recording on the stage, as the page holds them."""
    return opened.run(
        "const data = JSON.parse(document.getElementById('motion').textContent);"
        "const one = data.recordings[document.getElementById('recording').value];"
        "const bytes = [...atob(one.windows[0].said)].map((letter) => letter.charCodeAt(0));"
        "return one.windows[0].ends.map((_, at) => bytes.slice(3 * at, 3 * at + 3))"
    )


def test_the_probabilities_of_now_evolve_while_a_recording_plays(opened: Browser):
    windows = shown_windows(opened)
    whole = opened.run("return [...document.querySelectorAll('#bars dd:not(.now)')].map((each) => each.textContent)")
    assert opened.run(NOW) == ["–"] * 3, "no window has ended yet"
    opened.run("document.getElementById('speed').value = '4'")
    opened.click("#play")
    opened.wait("return document.getElementById('play').textContent === 'Play'")  # at the end
    assert opened.run(NOW) == [f"{share} %" for share in windows[5]], "the last window ends with the recording"
    after = opened.run("return [...document.querySelectorAll('#bars dd:not(.now)')].map((each) => each.textContent)")
    assert after == whole, "the recording's own answer stays"
    for seconds, window in ((0.99, None), (1.0, 0), (2.59, 1), (2.61, 2)):
        opened.run(SEEK, str(seconds))
        assert opened.run(NOW) == (["–"] * 3 if window is None else [f"{share} %" for share in windows[window]])
    assert "Now, of 1.6 to 2.6 s" in opened.run("return document.getElementById('now').textContent")


def test_the_chart_has_a_line_a_gesture_and_a_cursor_that_can_be_moved(opened: Browser):
    assert opened.run("return document.querySelectorAll('#chart path').length") == 3
    assert opened.run("return document.querySelectorAll('#chart .truth, #chart .taken').length") == 2
    places: list[float] = []
    for seconds in (0, 2.0, 4.9):
        opened.run(SEEK, str(seconds))
        places.append(float(opened.run("return document.getElementById('cursor').getAttribute('x1')")))
    assert places == pytest.approx([52, 52 + 420 * 2 / 4.9, 472])
    opened.click("#chart")  # in the middle
    assert float(opened.run("return document.getElementById('scrub').value")) == pytest.approx(2.19, abs=0.1)


def test_a_size_without_windows_says_so(opened: Browser):
    opened.run("const one = document.getElementById('model'); one.value = 1; one.dispatchEvent(new Event('change'))")
    assert opened.run("return document.getElementById('evolution').hidden")
    assert opened.run("return document.querySelectorAll('#bars dd.now').length") == 0
    assert "have no windows_<size>.csv" in opened.run("return document.getElementById('still').textContent")


def test_what_carried_an_answer_is_in_rings_in_bars_and_in_words(opened: Browser):
    sentence = "Why: both (0.80) is less probable without HandLeft (0.40), Head (0.40); without 2.0 to 5.0 s (0.10)."
    assert opened.run("return document.getElementById('why').textContent") == sentence
    bars = opened.run(
        "return [...document.querySelectorAll('#moments span')].map((bar) => [bar.offsetHeight, bar.offsetWidth])"
    )
    assert bars[0][0] == pytest.approx(bars[1][0] / 4, abs=1)
    assert bars[1][1] / bars[0][1] == pytest.approx(1.5, abs=0.1), "two and three seconds"
    marked = opened.run(PICTURE)
    opened.run("const one = document.getElementById('model'); one.value = 1; one.dispatchEvent(new Event('change'))")
    assert opened.run("return document.getElementById('moments').hidden")
    expected = "Not explained: the weights <b>are missing</b>"
    assert opened.run("return document.getElementById('why').textContent") == expected
    assert opened.run(PICTURE) != marked, "the rings are gone"


def test_a_table_sorts_by_number_and_back(opened: Browser):
    column = "const table = [...document.querySelectorAll('table')].find((one) => one.caption.textContent === 'Runs');"
    column += " const at = [...table.tHead.rows[0].cells].findIndex((one) => one.textContent === 'parameters');"
    column += " table.tHead.rows[0].cells[at].firstChild.id = 'heading';"
    column += " return [[...table.tBodies[0].rows].map((row) => row.cells[at].textContent),"
    column += " table.tHead.rows[0].cells[at].getAttribute('aria-sort')]"
    expected = ["500 K"] * 3 + ["4.50 M"] * 3
    assert opened.run(column)[1] == "none"
    opened.click("#heading")
    assert opened.run(column) == [expected, "ascending"]
    opened.click("#heading")
    assert opened.run(column) == [expected[::-1], "descending"]
    assert opened.run("return document.querySelectorAll('th:not([aria-sort=none])').length") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(opened: Browser, scheme: str):
    opened.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    pairs = (
        ("--ink", "--paper"),
        ("--soft", "--panel"),
        ("--warn", "--warnback"),
        ("--accent", "--paper"),
        ("--why", "--panel"),
    )
    for front, back in pairs:
        colours = [
            opened.run("return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])", name).strip()
            for name in (front, back)
        ]
        assert contrast(*colours) >= 4.5, (front, back)
    shown = opened.run("return getComputedStyle(document.body).backgroundColor")
    assert (shown == "rgb(255, 255, 255)") == (scheme == "light")


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        line = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
