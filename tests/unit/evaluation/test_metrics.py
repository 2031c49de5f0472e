"""The registry, and metrics of users' own: what they are given, where they are undefined, and what is refused."""

import json
import logging

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from gesturelab.errors import ConfigError
from gesturelab.evaluation.cross_validation import join_folds
from gesturelab.evaluation.metrics import (
    METRICS,
    check_metrics,
    make_metrics,
    metrics_for,
    metrics_of_runs,
    primary_metric,
    read_definitions,
    score,
    table_metrics,
)
from gesturelab.evaluation.result import summarise
from predictions_builder import fold_run, predictions_of

KAPPA = {"_target_": "sklearn.metrics.cohen_kappa_score"}
TRUTH = np.array([0, 1, 2, 0, 1, 2])


def guests_of(**options):
    return make_metrics(read_definitions(options))


def share_right(y_true, y_pred):
    """A user's metric that is fast."""
    return (y_true == y_pred).mean()


def always_raises(y_true, y_pred):
    """A user's metric that does not work."""
    raise RuntimeError("no luck")


def returns_text(y_true, y_pred):
    """Not a number."""
    return "high"


def needs_several_classes(y_true, y_pred):
    """Raises where only one class occurs."""
    if len(set(y_true.tolist())) < 2:
        raise ValueError("one class only")
    return 1.0


CALLS: list[str] = []


def dangerous(y_true, y_pred):
    """What a stranger's info file might name."""
    CALLS.append("called")
    return 0.0


@pytest.mark.parametrize("target", ["gesture", "correctness"])
def test_each_target_has_one_primary_metric_and_no_name_twice(target):
    names = [metric.name for metric in metrics_for(target)]
    assert len(set(names)) == len(names)
    assert [metric.primary_for for metric in METRICS].count(target) == 1
    assert table_metrics(target)[0] is primary_metric(target)


def test_metrics_stay_within_their_bounds():
    rng = np.random.default_rng(0)
    for target, classes in (("gesture", 4), ("correctness", 2)):
        rows = rng.dirichlet(np.ones(classes), size=50)
        values = score(rows, rng.integers(0, classes, size=50), target)
        for metric in metrics_for(target):
            low, high = metric.bounds
            assert metric.with_people or low <= values[metric.name] <= high


def test_a_users_metric_of_labels_and_one_of_probabilities():
    rows = np.random.default_rng(1).dirichlet(np.ones(3), size=6)
    losses = {"_target_": "sklearn.metrics.log_loss", "needs": "probabilities", "higher_is_better": False}
    values = score(rows, TRUTH, guests=guests_of(own=KAPPA, cross_entropy=losses))
    assert values["own"] == pytest.approx(sklearn_metrics.cohen_kappa_score(TRUTH, rows.argmax(axis=1)))
    assert values["cross_entropy"] == pytest.approx(sklearn_metrics.log_loss(TRUTH, rows))


def test_of_two_classes_it_is_given_the_probability_of_the_second():
    rows = np.random.default_rng(2).dirichlet(np.ones(2), size=8)
    truth = np.array([0, 1] * 4)
    area = {"_target_": "sklearn.metrics.roc_auc_score", "needs": "probabilities"}
    values = score(rows, truth, "correctness", guests_of(area=area))
    assert values["area"] == pytest.approx(values["roc_auc"])


def test_functions_of_torchmetrics_take_predictions_first():
    rows = np.random.default_rng(3).dirichlet(np.ones(3), size=6)
    own = {"_target_": "torchmetrics.functional.classification.multiclass_f1_score", "num_classes": 3}
    values = score(rows, TRUTH, guests=guests_of(f1={**own, "average": "macro"}))
    assert values["f1"] == pytest.approx(values["macro_f1"], abs=1e-6)


def test_where_it_raises_it_is_null_and_that_is_said_once(caplog):
    guests = guests_of(own={"_target_": f"{__name__}.needs_several_classes"})
    rows = np.eye(3)[[0, 0]]
    with caplog.at_level(logging.WARNING):
        values = [score(rows, np.array([0, 0]), guests=guests)["own"] for _ in range(3)]
    assert values == [None, None, None]
    assert [record.message for record in caplog.records] == [
        "metrics.own is undefined for some recordings: ValueError: one class only"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"own": {"_target_": "nowhere.at_all"}}, r"metrics\.own\._target_=nowhere\.at_all: cannot be imported"),
        ({"own": {"_target_": "sklearn.metrics.no_such_score"}}, r"metrics\.own\._target_=.*no_such_score"),
        ({"own": {"weights": "linear"}}, r"metrics\.own: it has no _target_"),
        ({"own": "sklearn.metrics.f1_score"}, r"metrics\.own: it has no _target_"),
        ({"accuracy": KAPPA}, r"metrics\.accuracy: this name is taken"),
        ({"a b": KAPPA}, r"metrics\.a b: a metric's name must be"),
        ({"own": {**KAPPA, "needs": "logits"}}, r"metrics\.own\.needs=logits: must be one of labels, probabilities"),
        ({"own": {**KAPPA, "higher_is_better": "no"}}, r"metrics\.own\.higher_is_better=no"),
        ({"own": {**KAPPA, "_partial_": True}}, r"metrics\.own\._partial_: there is no such key"),
        ({"own": {**KAPPA, "wieghts": "linear"}}, r"metrics\.own: .*unexpected keyword argument 'wieghts'"),
        ({"own": {"_target_": "collections.Counter"}}, r"metrics\.own: collections\.Counter is no function"),
        ({"own": {"_target_": "os.sep"}}, r"metrics\.own: os\.sep is no function"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        guests_of(**options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("always_raises", r"metrics\.own: .*always_raises raises RuntimeError .*no luck.*expected a function"),
        ("returns_text", r"metrics\.own: .*returns_text returns str, not a number; expected a function"),
    ],
)
def test_what_fails_on_the_labels_is_refused_before_training(name, message):
    guests = guests_of(own={"_target_": f"{__name__}.{name}"})
    with pytest.raises(ConfigError, match=message):
        check_metrics(guests, TRUTH, 3)


def test_what_works_on_the_labels_is_accepted():
    check_metrics(guests_of(own=KAPPA, half={"_target_": f"{__name__}.share_right"}), TRUTH, 3)


def test_over_folds_a_users_metric_has_the_value_of_scikit_learn_and_the_interval_of_a_counted_one(monkeypatch):
    monkeypatch.setattr("gesturelab.evaluation.result.GUEST_DRAWS", 250)
    folds = join_folds([fold_run(fold) for fold in range(6)])
    accuracy = {"_target_": f"{__name__}.share_right"}
    result = summarise(folds, guests_of(own=KAPPA, same=accuracy))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    first = folds.by_seed[0]
    own = result["all"]["own"]
    assert own["value"] == pytest.approx(sklearn_metrics.cohen_kappa_score(first.truth, first.predicted))
    assert own["low"] < own["value"] < own["high"]
    counted, called = result["all"]["accuracy"], result["all"]["same"]
    assert called["value"] == pytest.approx(counted["value"])
    assert [called["low"], called["high"]] == pytest.approx([counted["low"], counted["high"]], abs=0.02)
    assert result["by_group"]["patient"]["own"]["low"] is not None
    assert result["by_gesture"]["left"]["own"]["low"] is None
    assert result["seeds"][0]["own"] == pytest.approx(own["value"])


def test_people_are_drawn_with_all_their_recordings():
    """The value of a draw is that of the people's recordings repeated."""
    from gesturelab.evaluation.counts import cases_of
    from gesturelab.evaluation.result import mean_over_seeds

    predictions = predictions_of([("101", 0, 0), ("101", 1, 0), ("102", 1, 1), ("102", 2, 2), ("103", 2, 1)])
    statistic = mean_over_seeds(guests_of(own=KAPPA), [cases_of(predictions, ("101", "102", "103"))])
    rows = [0, 1, 0, 1, 2, 3]
    expected = sklearn_metrics.cohen_kappa_score(predictions.truth[rows], predictions.predicted[rows])
    assert statistic(np.array([[2.0, 1.0, 0.0]]))[0, 0] == pytest.approx(expected)


def test_code_that_only_an_info_file_names_is_not_called_unless_trusted():
    target = f"{__name__}.dangerous"
    runs = [fold_run(fold) for fold in range(3)]
    for run in runs:
        run.info["metric_definitions"] = read_definitions({"odd": {"_target_": target}})
    definitions = [run.info["metric_definitions"] for run in runs]
    CALLS.clear()
    metrics, notes = metrics_of_runs(definitions)
    assert metrics == ()
    assert notes == [
        f"metric odd has no interval: it would call {target}, which the info file names; if you trust that code, add "
        f"--trust {target}"
    ]
    assert CALLS == []
    metrics, notes = metrics_of_runs(definitions, [target])
    assert ([metric.name for metric in metrics], notes) == (["odd"], [])


@pytest.mark.parametrize(
    "target", ["os.system", "sklearn.metrics.os.system", "sklearn.metrics._base.np.load", "sklearn.metrics.cluster.x.y"]
)
def test_only_public_functions_of_trusted_libraries_are_called_without_asking(target):
    metrics, [note] = metrics_of_runs([{"odd": {"_target_": target, "arguments": {}}}])
    assert metrics == ()
    assert f"--trust {target}" in note


def test_runs_that_define_a_metric_differently_do_not_share_it():
    linear = read_definitions({"own": {**KAPPA, "weights": "linear"}})
    metrics, [note] = metrics_of_runs([read_definitions({"own": KAPPA}), linear])
    assert metrics == ()
    assert "metric own has no interval: the runs define it differently" in note
    assert metrics_of_runs([{"own": "damaged"}])[1] == [
        "metric own has no interval: its definition in the info file is damaged"
    ]
