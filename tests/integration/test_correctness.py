"""data.target=correctness from configuration to report, on made-up people."""

import csv
import json
import logging
import shutil

import numpy as np
import pytest
from omegaconf import OmegaConf
from rich.console import Console
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from gesturelab.cli.train_result import print_result
from gesturelab.config.composing import compose
from gesturelab.config.data import Target
from gesturelab.config.split import NamedSplitConfig
from gesturelab.datasets.load import load
from gesturelab.errors import RunError, SplitError
from gesturelab.evaluation.cross_validation import differing
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.report.comparison import compare
from gesturelab.report.console import show
from gesturelab.report.cross_validation_figures import draw_cross_validation
from gesturelab.report.page import render_markdown, render_page
from gesturelab.runs.folder import RunDir
from gesturelab.sweeps.search.search import find_objective
from gesturelab.training.audit import audit
from gesturelab.training.trackers.tracker import scores
from trained import train_in

LOOK = ("data.people=10", "data.repetitions=2", "trainer=cpu", "trainer.threads=1", "model.hidden=16", "logger=none")
SETTINGS = ("data.target=correctness", "loss.class_weights=true", "augment=none", "window.length_frames=48")


def train(folder, *overrides):
    config = compose([*LOOK, *overrides])
    return train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """Two folds; the test people of the second one are healthy, and do everything correctly."""
    folder = tmp_path_factory.mktemp("correctness")
    (folder / "folds.json").write_text('[["101", "202", "204"], ["102", "103"]]')
    split = ("split=folds_file", f"split.file={folder / 'folds.json'}")
    longer = ("trainer.max_epochs=12", "optimizer.lr=0.01")
    first = train(folder / "runs/0", *SETTINGS, *longer, *split, "split.fold=0")
    second = train(folder / "runs/1", *SETTINGS, *longer, *split, "split.fold=1")
    return first, second


def table_of(run):
    with run.predictions.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_learns_more_than_the_majority_class(folds):
    assert folds[0][1]["metrics"]["train"]["recording"]["balanced_accuracy"] > 0.7


def test_predictions_and_scores_agree_with_scikit_learn(folds):
    run, info = folds[0]
    rows = table_of(run)
    assert list(rows[0]) == [
        *("recording", "subject", "gesture", "correct", "predicted"),
        *("p_correct", "p_incorrect", "seconds", "by_length", "by_majority"),
    ]
    truth = [row["correct"] != "1" for row in rows]
    assert all(row["gesture"] != row["predicted"] for row in rows), "the gesture column still says which movement it is"
    test = info["metrics"]["test"]["recording"]
    said = [row["predicted"] == "incorrect" for row in rows]
    assert test["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, said))
    assert test["roc_auc"] == pytest.approx(roc_auc_score(truth, [float(row["p_incorrect"]) for row in rows]), abs=0.01)
    assert (info["gestures"], np.sum(info["confusion"])) == (["correct", "incorrect"], len(rows))
    for name, column in (("length", "by_length"), ("majority", "by_majority")):
        said = [row[column] == "incorrect" for row in rows]
        assert info["baselines"][name]["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, said))
    assert info["baselines"]["length"]["roc_auc"] == pytest.approx(
        roc_auc_score(truth, [float(row["seconds"]) for row in rows])
    )


def test_length_was_fitted_on_training_people_alone(folds):
    _, info = folds[0]
    dataset = load(compose([*LOOK, *SETTINGS]).data)
    mine = np.isin(dataset.subjects, info["split"]["train"]["subjects"])
    seconds, truth = (dataset.frame_counts / 30)[mine], dataset.correctness[mine] != 1
    best = max(balanced_accuracy_score(truth, seconds > at) for at in (0, *np.unique(seconds)))
    threshold = info["baselines"]["length"]["threshold_s"]
    assert balanced_accuracy_score(truth, seconds > threshold) == pytest.approx(best)


def test_people_who_do_everything_correctly_have_no_balanced_accuracy(folds, caplog):
    run, info = folds[1]
    assert {row["correct"] for row in table_of(run)} == {"1"}
    test = info["metrics"]["test"]["recording"]
    assert (test["balanced_accuracy"], test["sensitivity"], test["roc_auc"]) == (None, None, None)
    assert test["specificity"] == pytest.approx(test["accuracy"])
    assert info["baselines"]["majority"]["balanced_accuracy"] is None
    assert "NaN" not in run.info.read_text(), "JSON has no such number"
    assert "test/recording_balanced_accuracy" not in scores(info), "trackers are told of numbers only"
    with caplog.at_level(logging.INFO):
        print_result(run, info)
    said = caplog.text
    assert "tiny: test balanced accuracy - on" in said
    assert "length alone" in said
    assert "one class only, so balanced accuracy is undefined" in said


def test_folds_are_joined_into_the_right_balanced_accuracy(folds):
    compared = compare(folds[0][0].path.parent)
    assert not compared.unread
    report = compared.to_json()
    json.dumps(report, allow_nan=False)
    (item,) = report["joined"]
    rows = [row for run, _ in folds for row in table_of(run)]
    truth = [row["correct"] != "1" for row in rows]
    for row in rows:
        row["by_group"] = "incorrect" if row["subject"].startswith("2") else "correct"
    columns = {"tiny": "predicted", "length alone": "by_length", "majority class": "by_majority"}
    columns["patient or not"] = "by_group"
    assert [one["candidate"] for one in item["results"]] == list(columns)
    for one in item["results"]:
        value = one["all"]["balanced_accuracy"]
        said = [row[columns[one["candidate"]]] == "incorrect" for row in rows]
        assert value["value"] == pytest.approx(balanced_accuracy_score(truth, said))
        assert value["low"] is not None
        assert one["all"]["recordings"] == len(rows)
        patients = [at for at, row in enumerate(rows) if row["subject"].startswith("2")]
        assert one["by_group"]["patient"]["balanced_accuracy"]["value"] == pytest.approx(
            balanced_accuracy_score([truth[at] for at in patients], [said[at] for at in patients])
        )
    # nobody healthy is incorrect, if the made-up people are as they should be: then their part has no such score
    healthy = item["results"][0]["by_group"]["healthy"]["balanced_accuracy"]
    assert healthy == {"value": None, "low": None, "high": None}
    assert any("length alone, a baseline" in line for line in item["beside_peers"])


def test_balanced_accuracy_leads_in_every_form(folds):
    comparison = compare(folds[0][0].path.parent)
    console = Console(width=120, record=True, file=None, quiet=True)
    console.quiet = False
    with console.capture() as shown:
        show(comparison, console, full=True)
    html = render_page(comparison, {})
    for text in (shown.get(), render_markdown(comparison), html):
        assert "balanced" in text
        assert text.index("balanced") < text.index("accuracy", text.index("balanced") + 20)
        assert "length alone" in text
        assert "majority class" in text
        assert "look at patients alone" in " ".join(text.split())
    table = comparison.runs_to_frame()
    assert table["length_balanced_accuracy"].notna().tolist() == [True, False]


def test_the_two_tasks_are_not_joined(folds, tmp_path):
    run, info = folds[0]
    other = json.loads(json.dumps(info))
    other["data"]["options"]["target"] = "gesture"
    assert "data.target differs (gesture, not correctness)" in differing(info, other)
    (tmp_path / "config.yaml").write_text("name: other\n")
    (tmp_path / run.info.name).write_text(json.dumps(other))
    report = compare([run.path, tmp_path]).to_json()
    assert len(report["groups"]) == 2
    assert "another task (data.target=" in report["groups"][1]["differs"][0]


def test_the_audit_knows_the_baselines(folds):
    run, _ = folds[0]
    checks = {check.claim: check for check in audit(run)}
    (own,) = [check for claim, check in checks.items() if "baselines" in claim]
    assert own.passed
    assert all(check.passed for check in checks.values())


def test_the_audit_takes_baselines_without_metrics_that_came_later(folds, tmp_path):
    shutil.copytree(folds[0][0].path, tmp_path / "run")
    path = tmp_path / "run/info_tiny.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    for baseline in info["baselines"].values():
        del baseline["cohen_kappa"]
    path.write_text(json.dumps(info), encoding="utf-8")
    assert own_check(RunDir(tmp_path / "run", "tiny")).passed
    info["baselines"]["length"]["balanced_accuracy"] += 0.1
    path.write_text(json.dumps(info), encoding="utf-8")
    assert not own_check(RunDir(tmp_path / "run", "tiny")).passed


def own_check(run):
    (own,) = [check for check in audit(run) if "baselines" in check.claim]
    return own


def test_a_damaged_file_is_refused(folds, tmp_path):
    path = tmp_path / "predictions_tiny.csv"
    text = folds[0][0].predictions.read_text()
    path.write_text("\n".join(line.rsplit(",", 3)[0] for line in text.splitlines()) + "\n")
    with pytest.raises(RunError, match="should end with the columns seconds,by_length,by_majority"):
        read_predictions(path)


def test_training_people_must_do_something_incorrectly(tmp_path):
    config = compose([*LOOK, *SETTINGS, "split=named", "split.test=[201,202,203,204,205]"])
    assert isinstance(config.split, NamedSplitConfig)
    assert config.data.target is Target.correctness
    with pytest.raises(SplitError, match="no training person has a recording that is incorrect"):
        train_in(tmp_path / "run", config, "")


def test_a_search_can_make_balanced_accuracy_large():
    objective = find_objective("validation_recording_balanced_accuracy", {})
    assert (objective.level, objective.metric, objective.maximise) == ("recording", "balanced_accuracy", True)


def test_a_single_run_shows_the_baselines_too(folds, tmp_path):
    run, info = folds[0]
    alone = json.loads(json.dumps(info))
    alone["split"] |= {"kind": "named", "options": {"seed": 0}}
    (tmp_path / "config.yaml").write_text("name: alone\n")
    (tmp_path / run.info.name).write_text(json.dumps(alone))
    comparison = compare(tmp_path)
    report = comparison.to_json()
    console = Console(width=120)
    with console.capture() as shown:
        show(comparison, console, full=True)
    expected = f"{100 * info['baselines']['length']['balanced_accuracy']:.1f} %"
    assert expected in shown.get()
    html = render_page(comparison, {})
    assert "Correct or incorrect, test recordings of each run" in html
    assert expected in html
    test = info["metrics"]["test"]["recording"]["balanced_accuracy"]
    assert report["recommendations"][0]["best_by_test"]["test_accuracy"] == pytest.approx(test)
    assert report["overfitting"][0]["recording_gap"] == pytest.approx(
        info["metrics"]["train"]["recording"]["balanced_accuracy"] - test
    )


def test_pictures_are_of_balanced_accuracy(folds, tmp_path):
    drawn = draw_cross_validation(compare(folds[0][0].path.parent).groups[0], tmp_path, "svg")
    assert [path.stem for path in drawn] == ["sizes", "people", "reliability", "ranks"], "no coverage"
    svg = drawn[0].read_text()
    assert "Balanced accuracy on unseen people" in svg
    assert "length alone, everybody" in svg
