from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
from matplotlib.figure import Figure

from gesturelab.cli.compare import run
from info_builder import make_info, write_run
from predictions_builder import fold_run, write_fold_run


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written on the pictures."""
    texts: list[str] = []
    from gesturelab.report import cross_validation_figures

    kept = cross_validation_figures.save

    def remember(figure: Figure, *rest: Any) -> None:
        kept(figure, *rest)
        texts.extend(text.get_text() for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text")))

    monkeypatch.setattr(cross_validation_figures, "save", remember)
    return texts


def test_joined_folds_have_six_pictures(tmp_path: Path, said: list[str]):
    for size, parameters in (("tiny", 500_000), ("a$b$_large", 4_500_000)):
        for fold in range(6):
            one = fold_run(fold, size=size, parameters=parameters)
            if fold != 4 or size == "tiny":
                write_fold_run(tmp_path / f"{size}{fold}", one)
    assert run([str(tmp_path), "--figures", str(tmp_path / "figures")]) == 0
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["cost.png", "coverage.png", "people.png", "ranks.png", "reliability.png", "sizes.png"]
    for name in names:
        height, width, _ = matplotlib.image.imread(tmp_path / "figures" / name).shape
        assert height > 500
        assert width > 1000
    assert {"healthy", "patient", "everybody", "203"} <= set(said)
    assert any("PARTIAL: a$b$_large lacks 202" in text for text in said)


def test_without_folds_there_is_no_picture(tmp_path: Path):
    write_run(tmp_path / "a", make_info())
    assert run([str(tmp_path), "--figures", str(tmp_path / "figures")]) == 0
    assert not (tmp_path / "figures").exists()
