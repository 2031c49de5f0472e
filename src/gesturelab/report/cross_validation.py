"""Cross-validation: for each candidate one result on everybody, and the candidates against each other."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from gesturelab.errors import GesturelabError, RunError
from gesturelab.evaluation.cross_validation import CrossValidation, FoldRun, differing, join_folds
from gesturelab.evaluation.metrics import metrics_of_runs
from gesturelab.evaluation.pairs import Pair, Ranks, compare_pairs, rank_models
from gesturelab.evaluation.predictions import Predictions, read_predictions
from gesturelab.evaluation.result import Result, Value, primary_by_person, primary_difference, summarise
from gesturelab.files import sha256
from gesturelab.progress import show_progress
from gesturelab.report.collect import Finished
from gesturelab.report.groups import Candidate, Group
from gesturelab.report.recommendation import beside_peers, best_by_validation, compare_kinds, select_model
from gesturelab.report.results import (
    BASELINES,
    PARTS,
    CandidateResult,
    CrossValidationResult,
    LeftOut,
)
from gesturelab.runs.folder import RunDir

PATIENT = "patient"
"""The group whose movements may be incorrect."""

WHO = "patient or not"
"""What the baseline is called that knows only who moves."""


def cross_validate(group: Group, trust: Collection[str] = ()) -> CrossValidationResult:
    """Joins the folds of a group, candidate by candidate, and compares them on the recordings that all share.

    Of correctness the trivial answers follow as baselines, on the recordings of the first candidate.

    Args:
        group: Of runs that are folds.
        trust: Functions of users' metrics that may be called, though only info files name them.
    """
    results: list[CandidateResult] = []
    joined: list[CrossValidation] = []
    left_out: list[LeftOut] = []
    metrics_left_out: list[str] = []
    for candidate in show_progress(group.candidates, "joining folds, models"):
        folds = _read_folds(candidate.runs, left_out)
        if not folds:
            continue
        try:
            whole = join_folds(folds)
        except GesturelabError as error:
            left_out += [LeftOut(run.label, str(error)) for run in folds]
            continue
        joined.append(whole)
        guests, untrusted = metrics_of_runs([run.info.get("metric_definitions", {}) for run in folds], trust)
        metrics_left_out += untrusted
        scores = summarise(whole, guests)
        if candidate.peer:
            _remove_confidence(scores)
        scores["notes"] = [*scores["notes"], *untrusted, *_namesakes(candidate, group.candidates)]
        validation = None if candidate.peer else candidate.score("validation")
        head = (candidate.label, candidate.size, candidate.peer, False, candidate.parameters, group.target)
        results.append(CandidateResult(*head, candidate.score("train"), validation, scores, candidate.lstm))
    for label, whole in _baselines(joined[0]).items() if joined else ():
        joined.append(whole)
        scores = summarise(whole)
        _remove_confidence(scores)
        results.append(CandidateResult(label, label, True, True, 1, group.target, None, None, scores))
    pairs, ranks = _compare(results, joined)
    selection = select_model(results, pairs)
    models = [result for result in results if not result.peer]
    chosen = selection.chosen or (best_by_validation(models).candidate if models else None)
    trained = {candidate.label: candidate for candidate in group.candidates}
    return CrossValidationResult(
        tuple(results),
        pairs,
        ranks,
        selection,
        compare_kinds(chosen, results, pairs, trained) if chosen and not group.leaky else "",
        tuple(beside_peers(results, pairs)),
        tuple(left_out),
        tuple(dict.fromkeys(metrics_left_out)),
    )


def _read_folds(runs: Sequence[Finished], left_out: list[LeftOut]) -> list[FoldRun]:
    """The runs with their predictions; those without go to `left_out`, with the reason."""
    folds: list[FoldRun] = []
    for run in show_progress(runs, "reading predictions, runs"):
        path = RunDir(run.path, run.info["model"]["size"]).predictions
        try:
            predictions = read_predictions(path)
            check_sum(run, path)
            folds.append(FoldRun(run.label, run.info, predictions))
        except RunError as error:
            left_out.append(LeftOut(run.label, str(error)))
    return folds


def check_sum(run: Finished, path: Any) -> None:
    """Refuses a file that is not the one that the run wrote.

    Raises:
        RunError: If its SHA-256 differs from the info file's.
    """
    written = run.info.get("files", {}).get(path.name)
    if written is not None and sha256(path) != written:
        raise RunError(f"{path} is not the file that the run wrote (its SHA-256 differs from the info file's)")


def _remove_confidence(scores: Result) -> None:
    """Takes out what would mean something of probabilities only."""
    by_kind = [cast(dict[str, Any], scores)[kind] for kind in PARTS]
    for part in [scores["all"], scores["ensemble"], *(part for parts in by_kind for part in parts.values())]:
        if part is not None:
            part["calibration_error"] = Value(value=None, low=None, high=None)
    for seed in scores["seeds"]:
        seed["calibration_error"] = None
    scores.update({"calibrated_error": None, "answered": [], "coverage_curve": [], "reliability": []})


def _namesakes(candidate: Candidate, others: Sequence[Candidate]) -> Iterator[str]:
    """Why a size that is there with several settings is not one result."""
    for other in others:
        if other.size == candidate.size and other is not candidate:
            reasons = "; ".join(differing(other.runs[0].info, candidate.runs[0].info))
            yield f"not joined with {other.label}: {reasons}"


def _baselines(whole: CrossValidation) -> dict[str, CrossValidation]:
    """What trivial answers score on exactly these recordings; nothing where gestures are recognised.

    Length alone and the majority class come from each fold's own training people, and are the same for all seeds. Where
    patients and others were tested, there is a third: whoever knows which of them moves, and looks at nothing else.
    """
    first = whole.by_seed[0]
    if first.trivial is None:
        return {}  # gestures are recognised
    seconds = first.trivial.seconds
    half = np.full(len(first), 0.5)
    answers = {
        BASELINES["length"]: _answer(first, first.trivial.by_length, seconds / (1 + seconds)),
        BASELINES["majority"]: _answer(first, first.trivial.by_majority, half),
    }
    if {whole.groups.get(person) for person in first.people} > {PATIENT}:
        patient = np.array([whole.groups.get(subject) == PATIENT for subject in first.subjects])
        answers[WHO] = _answer(first, patient.astype(np.int64), np.where(patient, 0.9, 0.1))
    return {
        label: replace(whole, seeds=whole.seeds[:1], by_seed=(predictions,), calibrated=(), notes=())
        for label, predictions in answers.items()
    }


def _answer(first: Predictions, predicted: np.ndarray, order: np.ndarray) -> Predictions:
    """A baseline's predictions; its probabilities only put recordings in order, for the area under the curve."""
    return replace(first, predicted=predicted, probabilities=np.stack([1 - order, order], axis=1))


def _compare(
    results: Sequence[CandidateResult], joined: Sequence[CrossValidation]
) -> tuple[tuple[Pair, ...], Ranks | None]:
    """Tests between candidates, on the recordings that all were tested on."""
    shared = set.intersection(*(set(whole.by_seed[0].names) for whole in joined)) if joined else set[str]()
    if len(joined) < 2 or not shared:
        return (), None
    common = [_only(whole, shared) for whole in joined]
    by_person = [primary_by_person(whole) for whole in common]
    people = list(by_person[0])
    if any(math.isnan(value) for values in by_person for value in values.values()):
        return (), None  # of correctness, with one class only
    labels = [result.candidate for result in results]
    values = np.array([[values[person] for person in people] for values in by_person])
    peers = [result.peer for result in results]
    apart_by = partial(primary_difference, common) if joined[0].by_seed[0].of_correctness else None
    pairs = compare_pairs(labels, values, peers, len(shared), apart_by)
    return pairs, rank_models(labels, values, pairs)


def _only(whole: CrossValidation, names: set[str]) -> CrossValidation:
    kept = np.array([at for at, name in enumerate(whole.by_seed[0].names) if name in names], dtype=np.int64)
    return replace(whole, by_seed=tuple(predictions.take(kept) for predictions in whole.by_seed))
