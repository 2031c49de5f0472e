from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
from matplotlib.figure import Figure

from gesturelab.errors import RunError
from gesturelab.report import figures
from gesturelab.report.collect import Finished
from gesturelab.report.comparison import compare_groups
from gesturelab.report.figures import draw_confusion, draw_curves, draw_sizes
from gesturelab.report.groups import group_runs
from info_builder import make_info


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer pixels, for speed."""
    monkeypatch.setattr(figures, "DPI", 50)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the figures drawn in a test."""
    texts: list[str] = []
    original = Figure.tight_layout

    def spy(figure: Figure, **options: Any) -> None:
        original(figure, **options)
        found = figure.findobj(lambda artist: hasattr(artist, "get_text") and artist.get_visible())
        texts.extend(artist.get_text() for artist in found)

    monkeypatch.setattr(Figure, "tight_layout", spy)
    return texts


def table_of(*infos: dict[str, Any]):
    finished = [Finished(Path(f"r/{at}"), str(at), info) for at, info in enumerate(infos)]  # type: ignore[arg-type]
    return compare_groups(group_runs(finished), []).runs


def pixels(path: Path) -> tuple[int, int]:
    height, width, _ = matplotlib.image.imread(path).shape
    return width, height


def test_curves_mark_the_epoch_that_was_kept(tmp_path: Path, said: list[str]):
    info = make_info(epochs=10)
    info["training"]["best_epoch"] = 3
    draw_curves(info, tmp_path / "curves.png")  # type: ignore[arg-type]
    width, height = pixels(tmp_path / "curves.png")
    assert width == 450  # 9 inches
    assert height >= 200
    loss = info["training"]["history"][3]["validation_loss"]
    assert f"kept: epoch 4 of 10\nloss {loss:.3f}" in said
    assert {"train", "validation"} <= set(said)
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_curves_of_few_epochs_are_drawn(tmp_path: Path, epochs: int):
    draw_curves(make_info(epochs=epochs), tmp_path / "curves.png")  # type: ignore[arg-type]
    assert pixels(tmp_path / "curves.png")[0] == 450


def test_confusion_shows_counts_shares_and_readable_gestures(tmp_path: Path, said: list[str]):
    draw_confusion(make_info(), tmp_path / "confusion.png")  # type: ignore[arg-type]
    assert min(pixels(tmp_path / "confusion.png")) > 250
    assert {"20\n87 %", "3\n13 %", "shoulder flexion right", "shoulder flexion right  (n = 23)"} <= set(said)
    assert any("189 of 201 test recordings right (94.0 %)" in text for text in said)


def test_a_share_that_rounds_to_all_or_nothing_is_not_shown_as_such(tmp_path: Path, said: list[str]):
    info = make_info()
    info["gestures"], info["confusion"] = ["a", "b"], [[999, 1], [0, 0]]
    draw_confusion(info, tmp_path / "confusion.png")  # type: ignore[arg-type]
    assert {"999\n>99 %", "1\n<1 %", "b  (n = 0)"} <= set(said)


def test_confusion_without_recordings_is_drawn(tmp_path: Path, said: list[str]):
    info = make_info()
    info["confusion"] = [[0] * 9 for _ in range(9)]
    draw_confusion(info, tmp_path / "confusion.png")  # type: ignore[arg-type]
    assert any("no test recordings" in text for text in said)


def test_warnings_are_printed_on_every_picture(tmp_path: Path, said: list[str]):
    info = make_info(kind="random_window", source="synthetic")
    draws = [
        lambda path: draw_curves(info, path),  # type: ignore[arg-type]
        lambda path: draw_confusion(info, path),  # type: ignore[arg-type]
        lambda path: draw_sizes(table_of(info, make_info()), path),
    ]
    for draw in draws:
        said.clear()
        draw(tmp_path / "figure.png")
        text = " ".join(" ".join(said).split())
        assert "say nothing about new people" in text
        assert "say nothing about real people" in text


def test_clean_pictures_carry_no_warning(tmp_path: Path, said: list[str]):
    draw_curves(make_info(), tmp_path / "figure.png")  # type: ignore[arg-type]
    assert "nothing" not in " ".join(said)


def test_sizes_are_labelled(tmp_path: Path, said: list[str]):
    infos = [make_info("tiny", 500_000, seed=seed) for seed in (0, 1)] + [make_info("large", 11_000_000)]
    draw_sizes(table_of(*infos), tmp_path / "sizes.png")
    assert pixels(tmp_path / "sizes.png")[0] == 400
    assert {"tiny", "large", "500 K", "11.00 M", "test", "validation"} <= set(said)


def test_many_groups_are_drawn(tmp_path: Path, said: list[str]):
    folds = [make_info(options={"seed": seed}, fingerprint=f"f{seed}") for seed in range(9)]
    draw_sizes(table_of(*folds), tmp_path / "sizes.png")
    assert "group 6: irds subject_holdout " in said
    assert any("leaves out 3 groups" in text for text in said)


def test_names_with_dollars_or_unknown_letters_are_drawn_as_they_are(tmp_path: Path, said: list[str]):
    info = make_info(name="cost $x_{1$ \N{CJK UNIFIED IDEOGRAPH-4E2D}")
    info["gestures"][0] = "$\\bad$"
    for draw in (draw_curves, draw_confusion):
        draw(info, tmp_path / "figure.png")  # type: ignore[arg-type]
    assert any("cost $x_{1$" in text for text in said)
    draw_sizes(table_of(info, make_info(name="$b_$", learning_rate=1.0)), tmp_path / "figure.png")


def test_an_unwritable_place_is_a_clear_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        draw_curves(make_info(), tmp_path / "file/curves.png")  # type: ignore[arg-type]
