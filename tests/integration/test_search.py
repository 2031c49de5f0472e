"""``hydra/sweeper=optuna`` from the command line, with trainings that take no time."""

import json
import logging

import optuna
import pytest
from hydra.core.global_hydra import GlobalHydra

from gesturelab.cli.main import main
from gesturelab.runs.locking import single_instance
from gesturelab.sweeps import local
from gesturelab.sweeps.search import search as searching
from gesturelab.sweeps.search.study import repair_journal
from made_search import KilledError, MadeUpTrainings

DROPOUT = "model.dropout=interval(0.1,0.9)"
NO_WARMUP = ("hydra.sweeper.warmup_epochs=1", "hydra.sweeper.warmup_trials=2")


class Answer:
    """What a search came to."""

    def __init__(self, status, said, root):
        self.status = status
        self.said = said
        path = root / "search.json"
        self.found = json.loads(path.read_text()) if path.exists() else None
        self.trials = self.found["trials"] if self.found else []
        self.states = [trial["state"] for trial in self.trials]


@pytest.fixture
def made(monkeypatch):
    """The trainings; every search of a test uses them."""
    trainings = MadeUpTrainings()
    monkeypatch.setattr(local, "run_tasks", trainings.run_tasks)
    monkeypatch.setattr(searching, "POLL_S", 0.0)
    return trainings


@pytest.fixture
def search(tmp_path, monkeypatch, capsys, made):
    """Runs a search; gives what it came to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["gesturelab"])
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def run(*arguments, trials=6, epochs=4):
        GlobalHydra.instance().clear()
        made.trained.clear()
        made.launched.clear()
        options = ("hydra/sweeper=optuna", f"hydra.sweeper.n_trials={trials}", f"trainer.max_epochs={epochs}")
        try:
            status = main(["train", "-m", "trainer.device=cpu", *options, *arguments])
        except SystemExit as stop:
            status = stop.code
        except KilledError:
            status = "killed"
        said = capsys.readouterr()
        return Answer(status, said.out + said.err, tmp_path / "multirun" / "gestures")

    yield run
    root.handlers[:], root.level = before[0], before[1]


def params(answer):
    return [trial["params"] for trial in answer.trials]


def test_a_search_finds_the_best_and_says_how_to_train_it(search, tmp_path, made):
    answer = search(DROPOUT, "hydra.sweeper.pruner=none")
    assert answer.status == 0
    assert answer.states == ["completed"] * 6
    best = min(answer.trials, key=lambda trial: trial["params"]["model.dropout"])
    assert answer.found["best"] == best
    assert best["value"] == pytest.approx(best["params"]["model.dropout"] + 1 / 4)
    assert best["epochs"] == [4]
    value = best["params"]["model.dropout"]
    assert answer.found["command"] == (
        f"gesturelab train trainer.device=cpu trainer.max_epochs=4 model.dropout={value!r}"
    )
    assert f"train it with: {answer.found['command']}" in answer.said
    assert "6 trials: 6 completed" in answer.said
    assert "too few trials: 6 of 10" in answer.said
    for trial in answer.trials:
        folder = tmp_path / "multirun" / "gestures" / f"trial={trial['number']:04d}"
        assert trial["folders"] == [folder.name]
        assert f"dropout: {trial['params']['model.dropout']!r}" in (folder / "config.yaml").read_text()
    assert len(made.trained) == 6 * 4


def test_the_same_command_again_trains_nothing_and_a_higher_number_goes_on(search, made):
    first = search(DROPOUT)
    again = search(DROPOUT)
    assert (again.status, made.launched, again.trials) == (0, [], first.trials)
    more = search(DROPOUT, trials=8)
    assert made.launched == [["trial=0006"], ["trial=0007"]]
    assert more.trials[:6] == first.trials


@pytest.mark.parametrize(("sampler", "kill_after"), [("tpe", 4), ("random", 10), ("tpe", 17)])
def test_a_killed_search_ends_as_an_undisturbed_one(search, made, tmp_path, sampler, kill_after):
    arguments = (DROPOUT, "optimizer.lr=tag(log,interval(1e-5,1e-1))", f"hydra.sweeper.sampler={sampler}", *NO_WARMUP)
    made.kill_after = kill_after
    killed = search(*arguments)
    assert killed.status == "killed"
    begun = made.trained.copy()
    (tmp_path / "multirun" / "gestures" / "search.journal.lock").symlink_to("search.journal")  # as kill -9 leaves it
    made.kill_after = None
    resumed = search(*arguments)
    assert resumed.status == 0
    assert not set(begun) & set(made.trained), "no epoch is trained twice"
    assert set(params(killed)[0]) == {"model.dropout", "optimizer.lr"}
    (tmp_path / "multirun" / "gestures").rename(tmp_path / "multirun" / "first")
    whole = search(*arguments)
    assert resumed.trials == whole.trials


def test_a_hopeless_trial_is_pruned_and_never_begun_again(search, made, tmp_path):
    answer = search(DROPOUT, *NO_WARMUP, trials=12)
    assert answer.status == 0
    pruned = [trial for trial in answer.trials if trial["state"] == "pruned"]
    assert pruned
    completed = [trial for trial in answer.trials if trial["state"] == "completed"]
    for trial in pruned:
        earlier = sorted(other["params"]["model.dropout"] for other in completed if other["number"] < trial["number"])
        assert trial["params"]["model.dropout"] > earlier[(len(earlier) - 1) // 2], "worse than the median"
        assert trial["epochs"][0] < 4
        assert trial["reason"].startswith("validation loss")
        status = json.loads((tmp_path / "multirun" / "gestures" / trial["folders"][0] / "status.json").read_text())
        assert (status["state"], status["reason"]) == ("stopped", f"pruned: {trial['reason']}")
    assert [trial["state"] for trial in answer.trials[:2]] == ["completed"] * 2, "the warm-up"
    again = search(DROPOUT, *NO_WARMUP, trials=13)
    assert [name for names in made.launched for name in names] == ["trial=0012"]
    assert again.trials[:12] == answer.trials
    assert main(["status"]) == 0, "a pruned run is no failure"


def test_a_maximised_objective_is_pruned_by_loss_too(search):
    answer = search(DROPOUT, *NO_WARMUP, "hydra.sweeper.objective=validation_accuracy", trials=12)
    lowest = {trial["params"]["model.dropout"]: trial for trial in answer.trials}
    assert answer.found["best"] == lowest[min(lowest)]
    assert answer.found["best"]["value"] == pytest.approx(1 - (min(lowest) + 1 / 4) / 10)
    assert "pruned" in answer.states
    assert lowest[max(lowest)]["number"] < 3 or lowest[max(lowest)]["state"] == "pruned"


def test_hyperband_prunes(search):
    answer = search(DROPOUT, "hydra.sweeper.pruner=hyperband", "hydra.sweeper.warmup_epochs=1", trials=12, epochs=9)
    assert answer.status == 0
    assert {"pruned", "completed"} == set(answer.states)


def test_a_diverged_trial_is_survived_and_a_failed_one_gives_exit_status_1(search, made):
    answer = search(DROPOUT, "notes=choice(fine,nan)", "hydra.sweeper.sampler=random", trials=8)
    assert answer.status == 0
    assert len(answer.trials) == 8
    for trial in answer.trials:
        assert trial["state"] == ("diverged" if trial["params"]["notes"] == "nan" else "completed")
    assert "diverged  trial=000" in answer.said
    assert "the loss is not finite in epoch 2" in answer.said
    assert len(made.launched) == 8
    failing = search(DROPOUT, "notes=choice(fine,crash)", "name=other", "hydra.sweeper.sampler=random", trials=8)
    assert failing.status == 1
    assert "ValueError: bad luck" in failing.said
    assert "failed" in failing.said.split("8 trials: ")[1].splitlines()[0]


def test_optuna_reads_what_was_stored(search, tmp_path):
    answer = search(DROPOUT, "notes=choice(fine,nan)", "hydra.sweeper.storage=sqlite:///mine.db", *NO_WARMUP, trials=10)
    study = optuna.load_study(study_name="gestures", storage=f"sqlite:///{tmp_path / 'mine.db'}")
    expected = {"completed": "COMPLETE", "pruned": "PRUNED", "diverged": "FAIL"}
    assert [trial.state.name for trial in study.trials] == [expected[state] for state in answer.states]
    assert study.best_trial.number == answer.found["best"]["number"]
    assert study.best_value == answer.found["best"]["value"]
    assert not (tmp_path / "multirun" / "gestures" / "search.journal").exists()


def test_a_trial_is_the_mean_of_its_runs(search, made):
    average = "hydra.sweeper.average_over=['seed=0,3']"
    answer = search(DROPOUT, average, "hydra.sweeper.pruner=none", trials=2)
    assert made.launched[0] == ["trial=0000,seed=0", "trial=0000,seed=3"]
    for trial in answer.trials:
        assert trial["value"] == pytest.approx(trial["params"]["model.dropout"] + (0.0 + 0.3) / 2 + 1 / 4)
        assert trial["folders"] == [f"trial={trial['number']:04d},seed={seed}" for seed in (0, 3)]
        assert trial["epochs"] == [4, 4]
    assert answer.found["command"].startswith("gesturelab train -m ")
    assert answer.found["command"].endswith(" seed=0,3")


def test_runs_of_a_hopeless_trial_are_stopped_together(search, made):
    answer = search(DROPOUT, "hydra.sweeper.average_over=['seed=0,3']", *NO_WARMUP, trials=10)
    pruned = [trial for trial in answer.trials if trial["state"] == "pruned"]
    assert pruned
    for trial in pruned:
        reached = len([each for each in made.trained if each[0] == trial["folders"][1]])
        mean = trial["params"]["model.dropout"] + 0.15 + 1 / reached
        assert trial["reason"] == f"validation loss {mean:.4f} after {reached} epochs (median)"
        assert all(epochs < 4 for epochs in trial["epochs"])


def test_a_run_that_fails_ends_the_others_of_its_trial(search, made):
    answer = search(DROPOUT, "hydra.sweeper.average_over=['notes=crash,fine']", trials=1, epochs=9)
    assert (answer.status, answer.states) == (1, ["failed"])
    assert "bad luck" in answer.trials[0]["reason"]
    assert answer.trials[0]["epochs"][1] < 9


def test_trials_of_a_batch_are_launched_together(search, made):
    answer = search(DROPOUT, "hydra.sweeper.n_parallel=4", "hydra.sweeper.pruner=none", trials=6)
    assert [len(names) for names in made.launched] == [4, 2]
    assert answer.states == ["completed"] * 6


def test_equal_parameters_are_trained_once(search, made):
    answer = search("model.dropout=0.2,0.4", "hydra.sweeper.n_parallel=3", trials=7)
    assert (answer.status, len(answer.trials)) == (0, 7)
    for trial in answer.trials:
        assert trial["value"] == pytest.approx(float(trial["params"]["model.dropout"]) + 1 / 4)
    assert len(made.trained) == 2 * 4
    assert len({trial["folders"][0] for trial in answer.trials}) == 2


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (
            ("model.dropout=interval(0.1,0.8)",),
            "space.model.dropout: numbers from 0.1 to 0.9 -> numbers from 0.1 to 0.8",
        ),
        ((DROPOUT, "model.layers=1,2"), "space.model.layers: (not there) -> one of 1, 2"),
        ((DROPOUT, "hydra.sweeper.objective=validation_accuracy"), "objective: validation_loss -> validation_accuracy"),
        ((DROPOUT, "hydra.sweeper.average_over=['seed=0,1']"), "average_over: '' -> seed=0,1"),
        ((DROPOUT, "model.hidden=16"), "config.model.hidden: 172 -> 16"),
    ],
)
def test_a_changed_search_is_refused_with_the_difference(search, made, changed, difference):
    before = search(DROPOUT, trials=1)
    after = search(*changed, trials=3)
    assert after.status == 1
    assert difference in after.said
    assert "name=NAME" in after.said
    assert (made.launched, after.trials) == ([], before.trials)


def test_how_to_search_may_change(search):
    search(DROPOUT, trials=2)
    other = ("hydra.sweeper.sampler=random", "hydra.sweeper.pruner=none", "hydra.sweeper.n_parallel=2")
    assert search(DROPOUT, *other, trials=4).states == ["completed"] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model.dropout=0.3",), "there is nothing to search"),
        ((DROPOUT, "seed=0,1"), "seed cannot be searched: it would choose the luckiest one"),
        ((DROPOUT, "split.fold=0,1"), "split.fold cannot be searched"),
        (("model.droput=interval(0.1,0.5)",), "Did you mean dropout?"),
        (("model.dropout=intervall(0.1,0.5)",), "intervall"),
        (("model.dropout=interval(0.1,1.5)",), "model.dropout=1.5: must be at least 0 and below 1"),
        (("model=tiny,smal",), "smal"),
        ((DROPOUT, "hydra.sweeper.average_over=['sed=0,1']"), "sed"),
        ((DROPOUT, "seed=1", "hydra.sweeper.average_over=['seed=0,1']"), "seed is given twice"),
        ((DROPOUT, "hydra.sweeper.ntrials=3"), "ntrials"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(search, made, tmp_path, arguments, message):
    answer = search(*arguments)
    assert answer.status == 1
    assert message in answer.said
    assert "Traceback" not in answer.said
    assert made.launched == []
    assert not (tmp_path / "multirun").exists()


def test_a_combination_that_is_wrong_is_a_failed_trial(search):
    answer = search(
        "model.hidden=range(8,12)", "model.bidirectional=false,true", "hydra.sweeper.sampler=random", trials=8
    )
    assert answer.status == 1
    for trial in answer.trials:
        wrong = trial["params"]["model.bidirectional"] == "True" and trial["params"]["model.hidden"] % 2
        assert (trial["state"] == "failed") == bool(wrong)
        if wrong:
            assert "must be even" in trial["reason"]


def test_two_searches_of_one_name_are_refused(search, tmp_path):
    with single_instance(tmp_path / "multirun" / "gestures", ".search.lock", "another search is at work in"):
        (tmp_path / "multirun" / "gestures" / "multirun.yaml").touch()
        assert "another search is at work in" in search(DROPOUT).said


def test_half_a_line_that_a_killed_process_left_is_removed(tmp_path):
    journal = tmp_path / "search.journal"
    journal.write_bytes(b'{"a": 1}\n{"b"')
    repair_journal(journal)
    assert journal.read_bytes() == b'{"a": 1}\n'


def test_a_broken_study_is_told(search, tmp_path):
    search(DROPOUT, trials=1)
    (tmp_path / "multirun" / "gestures" / "search.journal").write_bytes(b"{\n{\n")
    answer = search(DROPOUT)
    assert answer.status == 1
    assert "search.journal cannot be read" in answer.said


def test_importances_name_what_matters(search):
    answer = search(DROPOUT, "optimizer.lr=interval(0.001,0.01)", "hydra.sweeper.sampler=random", trials=24)
    assert next(iter(answer.found["importances"])) == "model.dropout"
    assert sum(answer.found["importances"].values()) == pytest.approx(1, abs=0.001)
    assert "importance (PED-ANOVA): model.dropout" in answer.said


def test_params_of_an_experiment_are_searched(search, tmp_path, made):
    folder = tmp_path / "my" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "# @package _global_\ndefaults: [{override /hydra/sweeper: optuna}]\n"
        "hydra:\n  sweeper:\n    params:\n      model.dropout: interval(0.1,0.2)\n      notes: fine\n"
    )
    answer = search("--config-dir", str(tmp_path / "my"), "experiment=mine", trials=1)
    assert answer.status == 0
    assert answer.found["space"] == {"model.dropout": "numbers from 0.1 to 0.2"}
    assert f"--config-dir {tmp_path / 'my'} notes=fine" in answer.found["command"]
