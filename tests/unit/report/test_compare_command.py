import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

import gesturelab
from gesturelab.cli.compare import run
from gesturelab.errors import RunError
from info_builder import make_info, write_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sizes, one of them with two seeds, a leaky run, and one that is not finished."""
    monkeypatch.chdir(tmp_path)
    sweep = Path("multirun/sizes")
    write_run(sweep / "0", make_info("tiny", 499_912, train=0.971, validation=0.912, test=0.884, seed=0))
    write_run(sweep / "1", make_info("tiny", 499_912, train=0.963, validation=0.902, test=0.876, seed=4_294_967_295))
    write_run(sweep / "2", make_info("xxlarge", 35_012_345, train=1.0, validation=0.853, test=0.799, name="a[bold]b|c"))
    write_run(Path("outputs/original/t"), make_info(kind="random_window", source="synthetic", name="o" * 70))
    Path("outputs/late").mkdir()
    Path("outputs/late/config.yaml").write_text("")
    return tmp_path


@pytest.mark.parametrize("columns", [40, 80, 100])
def test_every_number_is_shown_in_full(
    runs: Path, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run(["--full"]) == 0
    out = capsys.readouterr().out
    for fraction in (0.971, 0.912, 0.884, 0.963, 0.902, 0.876, 1.0, 0.853, 0.799, 0.834, 0.749):
        assert f"{100 * fraction:.1f} %" in out
    for text in ("4294967295", "35.01 M", "0.1000", "0.3100", "1 min 15 s", "LEAKY", "SYNTHETIC", "unfinished"):
        assert text in out
    assert "…" not in out
    assert "\x1b" not in out


def test_tables_fit_the_width(runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    (runs / "multirun/sizes/1/info_tiny.json").unlink()  # its seed has ten digits
    for columns in (80, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        run(["--full"])
        assert max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines()) <= columns


def test_the_recommendation_is_printed(runs: Path, capsys: pytest.CaptureFixture[str]):
    run([])
    out = " ".join(capsys.readouterr().out.split())
    assert "tiny (500 K parameters, mean of 2 runs, seeds 0, 4294967295) with validation accuracy 90.7 %" in out
    assert "its test accuracy is 88.0 %" in out
    assert "means nothing for new people" in out
    assert "Group 2 is not compared with group 1: another split (random_window, not subject_holdout)." in out


def test_the_answer_of_four_runs_fits_a_screen_and_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    sizes = {
        "tiny": (499_912, 0.884),
        "small": (1_503_100, 0.91),
        "medium": (4_503_100, 0.905),
        "large": (9_000_000, 0.7),
    }
    for size, (parameters, accuracy) in sizes.items():
        write_run(tmp_path / size, make_info(size, parameters, validation=accuracy - 0.01, test=accuracy))
    run([str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25
    assert lines[0].startswith("Recommended (by validation accuracy of recordings): small (1.50 M parameters")
    rows = [line for line in lines if line.split()[:1] and line.split()[0] in sizes]
    for row, (size, (_, accuracy)) in zip(rows, sizes.items(), strict=True):
        assert row.startswith(size)
        assert f"{100 * accuracy:.1f} %" in row
        assert f"{95 - 100 * accuracy:.1f} %" in row, "the gap"
    assert ["severe" in row for row in rows] == [False, False, False, True]
    assert ["recommended" in row for row in rows] == [False, True, False, False]
    assert "--full" in lines[-1]


def test_the_same_from_python(runs: Path):
    comparison = gesturelab.compare(["multirun", "outputs"])
    table = comparison.to_frame()
    assert table["candidate"].tolist() == ["tiny", "xxlarge", "tiny"]
    assert table["test"].tolist() == pytest.approx([0.88, 0.799, 0.88])
    assert table["runs"].tolist() == [2, 1, 1]
    assert table["band"].tolist() == ["slight", "severe", "slight"]
    assert table["marks"].tolist() == ["recommended", "", "LEAKY SYNTHETIC"]
    assert run(["multirun", "outputs", "--json", "c.json"]) == 0
    assert json.loads((runs / "c.json").read_text()) == json.loads(json.dumps(comparison.to_json()))
    with pytest.raises(RunError, match="does not exist"):
        gesturelab.compare("nowhere")


def test_markup_in_names_is_printed_as_it_is(runs: Path, capsys: pytest.CaptureFixture[str]):
    write_run(runs / "outputs/x", make_info(name="[red]\x1b[2J", fingerprint="f3"))
    run(["--full"])
    out = capsys.readouterr().out
    assert "a[bold]b|c" in out
    assert "[red]" in out
    assert "\x1b" not in out


def test_csv_holds_one_row_a_run(runs: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["--csv", "-"]) == 0
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert [row["model"] for row in rows] == ["tiny", "tiny", "xxlarge", "tiny"]
    assert [float(row["test_recording_accuracy"]) for row in rows] == [0.884, 0.876, 0.799, 0.88]
    assert rows[2]["name"] == "a[bold]b|c"
    assert rows[3]["flags"] == "LEAKY SYNTHETIC"
    assert "not compared: 1 unfinished or unreadable below outputs, multirun" in captured.err


def test_json_has_its_documented_form(runs: Path):
    assert run(["multirun", "outputs", "--json", "c.json"]) == 0
    report = json.loads((runs / "c.json").read_text())
    keys = ["schema", "runs", "groups", "recommendations", "joined", "costs", "across"]
    keys += ["learning_curves", "unknown", "overfitting", "unfinished"]
    assert list(report) == keys
    assert report["schema"] == 1
    assert [one["recommended"]["size"] for one in report["recommendations"]] == ["tiny", "tiny"]
    assert report["recommendations"][0]["recommended"]["test_accuracy"] == pytest.approx(0.88)
    assert [item["band"] for item in report["overfitting"]] == ["slight", "slight", "severe", "slight"]
    assert [(one["path"], one["state"]) for one in report["unfinished"]] == [("outputs/late", "unfinished")]


def test_markdown_tables_have_as_many_cells_as_columns(runs: Path):
    assert run(["--markdown", "c.md"]) == 0
    text = (runs / "c.md").read_text()
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) == 7  # two groups with their metrics, costs of the one with two sizes, overfitting, not compared
    for table in tables:
        cells = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1
    assert r"a\[bold\]b\|c" in text
    assert "| 88.4 % |" in text
    assert "outputs/late" in text


def test_png_shows_the_sizes(runs: Path):
    assert run(["--png", "c.png", "--csv", "c.csv"]) == 0
    height, width, _ = matplotlib.image.imread("c.png").shape
    assert width == 1600
    assert height > 900


def test_without_a_finished_run_the_answer_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/info_tiny.json").write_text("{")
    assert run([str(tmp_path), "--png", str(tmp_path / "c.png")]) == 1
    captured = capsys.readouterr()
    assert "unreadable" in captured.out
    assert "no finished run" in captured.err
    assert not (tmp_path / "c.png").exists()
    assert run([str(tmp_path), "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["runs"] == []


def test_without_folders_it_says_how_to_make_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="gesturelab train"):
        run([])


def test_two_outputs_cannot_share_standard_output(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        run(["--csv", "-", "--json", "-"])
    assert left.value.code == 2
    assert "only one of" in capsys.readouterr().err


def test_help_needs_nothing_heavy():
    code = (
        "import sys\nfrom gesturelab.cli.compare import run\n"
        "try:\n    run(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas', 'numpy', 'matplotlib', 'torch', 'rich'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gesturelab compare" in done.stdout


def test_comparing_needs_no_torch(runs: Path):
    code = (
        "import sys\nfrom gesturelab.cli.compare import run\nrun(['--png', 'c.png'])\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
