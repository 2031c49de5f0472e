"""Optuna, behind what a search needs of it. Nothing else imports it, for that takes time."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from gesturelab.config.saved import differences
from gesturelab.config.sweeps import SearchConfig
from gesturelab.errors import RunError, first_line
from gesturelab.sweeps.search.request import Numbers, Parameter, Value
from gesturelab.sweeps.search.result import FEWEST, TrialOutcome, TrialResult

JOURNAL = "search.journal"
ABOUT = "gesturelab"
"""The attribute under which a study keeps what it searches, and a trial its result."""

ENDED = {
    TrialOutcome.completed: TrialState.COMPLETE,
    TrialOutcome.pruned: TrialState.PRUNED,
    TrialOutcome.diverged: TrialState.FAIL,
    TrialOutcome.failed: TrialState.FAIL,
}


class Study:
    """A stored study: its trials, and the next one.

    A sampler is seeded anew for each trial, from the seed and the trial's number, so that a search that was interrupted
    proposes what an undisturbed one would have proposed.

    Args:
        root: The sweep's folder; its name is the study's.
        options: How to search.
        space: What to search.
        max_epochs: The most that a trial can be trained (hyperband); None: the first trial tells.
        maximise: Whether more of the objective is better.
    """

    def __init__(
        self, root: Path, options: SearchConfig, space: Sequence[Parameter], max_epochs: int | None, *, maximise: bool
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._options = options
        self._maximise = maximise
        self._space = space
        self._study = optuna.create_study(
            study_name=root.name,
            storage=_storage(root, options.storage),
            sampler=self._sampler(0),
            pruner=_pruner(options, max_epochs),
            direction="maximize" if maximise else "minimize",
            load_if_exists=True,
        )

    def require_same_search(self, about: Mapping[str, Any]) -> None:
        """Makes sure that the study is of the same search, or writes into a new one what it is of.

        Raises:
            RunError: With the difference.
        """
        before = self._study.user_attrs.get(ABOUT)
        if before is None and not self._study.trials:
            self._study.set_user_attr(ABOUT, dict(about))
            return
        name = self._study.study_name
        if before is None:
            raise RunError(f"the study {name} was not made by gesturelab; choose another name=NAME")
        if changed := differences(yaml.safe_dump(before), yaml.safe_dump(dict(about), sort_keys=False)):
            listed = "\n  ".join(map(str, changed))
            raise RunError(
                f"the search {name} was begun with something else; its trials could not be compared with new ones\n"
                f"  {listed}\nGive this search another name with name=NAME"
            )

    @property
    def count(self) -> int:
        """How many trials there are."""
        return sum(trial.state != TrialState.WAITING for trial in self._study.trials)

    def unfinished(self) -> list[Trial]:
        """The trials that were begun and have no result."""
        running = [trial for trial in self._study.trials if trial.state == TrialState.RUNNING]
        return [Trial(self._study, trial._trial_id) for trial in running]  # pyright: ignore[reportPrivateUsage]

    def ask_trial(self) -> Trial:
        """A new trial."""
        return self._study.ask()

    def suggest_values(self, trial: Trial) -> dict[str, Value]:
        """The trial's value of each key; what it has no value of yet is proposed now."""
        self._study.sampler = self._sampler(trial.number)
        return {parameter.key: _suggest(trial, parameter) for parameter in self._space}

    def is_hopeless(self, trial: Trial, epoch: int, validation_loss: float) -> bool:
        """Reports an epoch, counted from 0; whether to give the trial up."""
        if epoch in trial._cached_frozen_trial.intermediate_values:  # pyright: ignore[reportPrivateUsage]
            return False
        # the pruner compares in the direction of the objective
        trial.report(-validation_loss if self._maximise else validation_loss, epoch)
        return bool(trial.should_prune())  # numpy.bool otherwise

    def store_result(self, trial: Trial, result: TrialResult) -> None:
        """Stores how a trial ended."""
        trial.set_user_attr(ABOUT, dict(result))
        state = ENDED[TrialOutcome(result["state"])]
        self._study.tell(trial.number, result["value"] if state is TrialState.COMPLETE else None, state=state)

    def results(self) -> list[TrialResult]:
        """Every trial, in order of number."""
        return [self._result(trial) for trial in self._study.trials if trial.state != TrialState.WAITING]

    def importances(self) -> tuple[dict[str, float], str]:
        """Each key's share in how good a trial is (PED-ANOVA, arXiv:2304.10255), or the reason why it is not known."""
        completed = [trial for trial in self._study.trials if trial.state == TrialState.COMPLETE]
        if len(completed) < FEWEST:
            return {}, f"too few trials: {len(completed)} of {FEWEST} that must be completed"
        if len({trial.value for trial in completed}) == 1:
            return {}, "all trials are equally good"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns when keys have no influence at all
            shares = get_param_importances(self._study, evaluator=PedAnovaImportanceEvaluator())
        return {key: round(float(share), 4) for key, share in shares.items()}, ""

    def _sampler(self, number: int) -> BaseSampler:
        seed = int(np.random.SeedSequence([self._options.seed, number]).generate_state(1)[0])
        return RandomSampler(seed=seed) if self._options.sampler == "random" else TPESampler(seed=seed)

    def _result(self, trial: FrozenTrial) -> TrialResult:
        stored: TrialResult | None = trial.user_attrs.get(ABOUT)
        if stored is not None and trial.state.is_finished():
            return stored
        state = TrialOutcome.failed if trial.state.is_finished() else TrialOutcome.running
        return TrialResult(
            number=trial.number, state=state, value=None, params=trial.params, folders=[], epochs=[], reason=""
        )


def _storage(root: Path, url: str | None) -> BaseStorage:
    try:
        if url is not None:
            return RDBStorage(url)
        journal = root / JOURNAL
        repair_journal(journal)
        return JournalStorage(JournalFileBackend(str(journal)))
    except Exception as error:  # whatever the database or the JSON reader raises
        raise RunError(f"the study in {url or root / JOURNAL} cannot be read: {first_line(error)}") from error


def repair_journal(journal: Path) -> None:
    """Removes what a process that was killed left in a journal: its lock, and half of a last line."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def _pruner(options: SearchConfig, max_epochs: int | None) -> BasePruner:
    if options.pruner == "median":
        return MedianPruner(n_startup_trials=options.warmup_trials, n_warmup_steps=options.warmup_epochs)
    if options.pruner == "hyperband":
        least = max(options.warmup_epochs, 1)
        most = "auto" if max_epochs is None else max(max_epochs, least)
        return HyperbandPruner(min_resource=least, max_resource=most)
    return NopPruner()


def _suggest(trial: Trial, parameter: Parameter) -> Value:
    key = parameter.key
    if not isinstance(parameter, Numbers):
        return str(trial.suggest_categorical(key, parameter.values))
    low, high, log = parameter.low, parameter.high, parameter.log
    if parameter.whole:
        return trial.suggest_int(key, int(low), int(high), step=parameter.step, log=log)
    return trial.suggest_float(key, low, high, log=log)
