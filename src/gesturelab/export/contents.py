"""What a model file says of itself: everything that an answer depends on, and how good the answers were."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from gesturelab.config.data import FeaturesConfig, Target, WindowConfig
from gesturelab.config.options import from_values, read_free
from gesturelab.config.options import to_plain as option_to_plain
from gesturelab.config.saved import upgrade
from gesturelab.config.training import ModelConfig
from gesturelab.config.typed import typed_config
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.errors import BundleError, ConfigError
from gesturelab.evaluation.predictions import Predictions
from gesturelab.evaluation.result import score_part
from gesturelab.models.saved import refuse_excess
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.runs.info import Info
from gesturelab.skeletons.definition import from_plain as skeleton_from
from gesturelab.skeletons.definition import to_plain as skeleton_to_plain
from gesturelab.skeletons.skeleton import Skeleton

BUNDLE_SCHEMA, ADAPTED_SCHEMA, GENERAL_SCHEMA = 3, 2, 1
"""Version of ``bundle.json``; that of a model which knows no unknown movements, and then is not adapted to a person
either. A newer one is refused."""

KIND = "gesturelab bundle"

KEPT = ("seed", "data", "split", "metrics", "confusion", "versions", "git", "classes", "finished", "baselines")
"""Keys of an info file that travel with a model; its notes and tags stay at home."""

UNSURE_BELOW = 0.5
"""The threshold of runs that did not fit one: an answer that is rather wrong than right."""

MOST_HIDDEN, MOST_LAYERS, MOST_FRAMES, MOST_JOINTS, MOST_HZ = 16_384, 64, 10_000, 1_000, 1_000
"""A file that asks for more is refused before anything of that size is made."""


@dataclass(frozen=True)
class Adaptation:
    """For whom a model was adapted, and with what.

    Attributes:
        person: The subject's id.
        recordings: For each calibrated class how many recordings there were.
        only: Whether other classes are never answered; else their answers are as they were.
    """

    person: str
    recordings: dict[str, int]
    only: bool


@dataclass(frozen=True, eq=False)
class Contents:
    """All of a model but its weights.

    Attributes:
        name: The run's name.
        size: The model option's name.
        target: What is recognised.
        classes: What it tells apart.
        model: The network.
        features: What the network sees of each frame.
        window: How windows are cut.
        skeleton: Joints that a recording must have, in this order.
        scaler: Of the features.
        mirrored_classes: For each class its mirror image, where the mirror image of a window has a say; else None.
        rate_hz: Frames a second of recordings that do not say it.
        temperature: Calibrates: the logarithms of a recording's probabilities are divided by it.
        unsure_below: Answers with a calibrated confidence below it are unsure.
        unsure_fitted: Whether `unsure_below` was fitted on validation people; else it is `UNSURE_BELOW`.
        facts: How it was trained and tested, as plain values (see `facts_of`).
        adaptation: None for a model of everybody.
        unknown_above: A movement whose score of `gesturelab.evaluation.unknown` is higher is none of the classes; None
            where that was not fitted.
    """

    name: str
    size: str
    target: Target
    classes: tuple[str, ...]
    model: ModelConfig
    features: FeaturesConfig
    window: WindowConfig
    skeleton: Skeleton
    scaler: Scaler
    mirrored_classes: tuple[int, ...] | None
    rate_hz: float
    temperature: float
    unsure_below: float
    unsure_fitted: bool
    facts: dict[str, Any]
    adaptation: Adaptation | None = None
    unknown_above: float | None = None

    @property
    def warnings(self) -> list[str]:
        """What must be said wherever its numbers appear: LEAKY and SYNTHETIC among them."""
        return [str(text) for text in self.facts["warnings"]]

    def people(self, subset: str) -> frozenset[str]:
        """Ids of the people in a subset: train, validation or test."""
        return frozenset(map(str, self.facts["split"][subset]["subjects"]))

    def to_plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        scaler = zip(self.scaler.names, self.scaler.mean.tolist(), self.scaler.deviation.tolist(), strict=True)
        optional = {"adaptation": self.adaptation and vars(self.adaptation), "unknown_above": self.unknown_above}
        values = {name: value for name, value in vars(self).items() if name not in optional}
        general = GENERAL_SCHEMA if self.adaptation is None else ADAPTED_SCHEMA
        return {
            "kind": KIND,
            "schema": general if self.unknown_above is None else BUNDLE_SCHEMA,
            **values,
            "target": str(self.target),
            "classes": list(self.classes),
            "model": option_to_plain(self.model),
            "features": option_to_plain(self.features),
            "window": option_to_plain(self.window),
            "skeleton": skeleton_to_plain(self.skeleton),
            "scaler": [{"name": name, "mean": mean, "deviation": deviation} for name, mean, deviation in scaler],
            "mirrored_classes": None if self.mirrored_classes is None else list(self.mirrored_classes),
            **{name: value for name, value in optional.items() if value is not None},
        }


def from_plain(values: Any) -> Contents:
    """Reads what `Contents.to_plain` made; nothing in it is believed.

    Raises:
        BundleError: Naming the key that is missing or cannot be.
    """
    if not isinstance(values, dict) or cast(Any, values).get("kind") != KIND:
        raise BundleError(f"bundle.json does not begin as one of gesturelab ('kind' is not {KIND!r})")
    plain = cast(dict[str, Any], values)
    schema = plain.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise BundleError("bundle.json has no number 'schema'")
    if schema > BUNDLE_SCHEMA:
        raise BundleError(
            f"bundle.json has schema {schema}, but this gesturelab reads up to {BUNDLE_SCHEMA}: update it"
        )
    try:
        contents = Contents(
            name=_text(plain, "name"),
            size=_text(plain, "size"),
            target=Target(plain["target"]),
            classes=_words(plain, "classes"),
            model=typed_config(upgrade({"model": plain["model"]})).model,
            features=read_free(FeaturesConfig, plain["features"], "features"),
            window=from_values(WindowConfig, plain["window"], "window"),
            skeleton=skeleton_from(plain["skeleton"]),
            scaler=_scaler(plain["scaler"]),
            mirrored_classes=_mirrored(plain["mirrored_classes"], len(plain["classes"])),
            rate_hz=_number(plain, "rate_hz", 0.01, 100_000),
            temperature=_number(plain, "temperature", 0.01, 100),
            unsure_below=_number(plain, "unsure_below", 0, 1),
            unsure_fitted=plain["unsure_fitted"] is True,
            facts=_facts(plain["facts"]),
            adaptation=_adaptation(plain.get("adaptation"), plain["classes"]),
            unknown_above=None if plain.get("unknown_above") is None else _number(plain, "unknown_above", 0, 1e30),
        )
        _refuse_excess(contents)
    except KeyError as error:
        raise BundleError(f"bundle.json has no {error}") from error
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"bundle.json: {error}") from error
    return contents


def _refuse_excess(contents: Contents) -> None:
    refuse_excess(contents.model, MOST_HIDDEN, MOST_LAYERS)
    sizes = (
        ("window.length_frames", contents.window.length_frames, MOST_FRAMES),
        ("window.rate_hz", contents.window.rate_hz or 0, MOST_HZ),
        ("the number of joints", len(contents.skeleton.joints), MOST_JOINTS),
        ("the number of classes", len(contents.classes), MOST_JOINTS),
    )
    for name, value, most in sizes:
        if value > most:
            raise ValueError(f"{name} is {value:,}; at most {most:,} is possible")


def _text(plain: dict[str, Any], key: str) -> str:
    if not isinstance(plain[key], str) or not plain[key]:
        raise ValueError(f"{key} must be text")
    return plain[key]


def _words(plain: dict[str, Any], key: str) -> tuple[str, ...]:
    words: Any = plain[key]
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
        raise ValueError(f"{key} must be a list of words")
    if len(set(words)) < len(words):
        raise ValueError(f"{key} has one of them twice")
    return tuple(words)


def _number(plain: dict[str, Any], key: str, least: float, most: float) -> float:
    value = plain[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{key} must be a number from {least:g} to {most:g}")
    return float(value)


def _mirrored(values: Any, classes: int) -> tuple[int, ...] | None:
    if values is None:
        return None
    numbers = isinstance(values, list) and all(type(value) is int for value in values)
    if not numbers or sorted(values) != list(range(classes)):
        raise ValueError("mirrored_classes must hold each class once, as a list of whole numbers, or be null")
    return tuple(values)


def _adaptation(values: Any, classes: list[str]) -> Adaptation | None:
    if values is None:
        return None
    recordings: dict[str, Any] = values["recordings"]
    if not recordings or not recordings.keys() <= set(classes) or any(type(n) is not int for n in recordings.values()):
        raise ValueError("adaptation.recordings must say of some classes how many recordings there were")
    return Adaptation(_text(values, "person"), dict(recordings), values["only"] is True)


def _scaler(values: list[dict[str, Any]]) -> Scaler:
    mean = np.array([entry["mean"] for entry in values], dtype=np.float64)
    deviation = np.array([entry["deviation"] for entry in values], dtype=np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all() and (deviation > 0).all()):
        raise ValueError("scaler: a mean or deviation is not finite or not positive")
    return Scaler(tuple(str(entry["name"]) for entry in values), mean, deviation)


def _facts(values: Any) -> dict[str, Any]:
    """Facts that have what the rest of the program reads."""
    if not isinstance(values, dict):
        raise ValueError("facts must be a dictionary")
    facts = cast(dict[str, Any], values)
    if not isinstance(facts["warnings"], list):
        raise ValueError("facts.warnings must be a list")
    if not isinstance(facts["data"], dict) or not isinstance(cast(Any, facts["data"]).get("options", {}), dict):
        raise ValueError("facts.data must be a dictionary, its options too")
    if missing := sorted({"tested", "parameters", "versions", "seed"} - facts.keys()):
        raise ValueError(f"facts has no {missing[0]}")
    for subset in ("train", "validation", "test"):
        if not isinstance(facts["split"][subset]["subjects"], list):
            raise ValueError(f"facts.split.{subset}.subjects must be a list")
    try:
        json.dumps(facts, allow_nan=False)
    except ValueError as error:
        raise ValueError("facts: a number is not finite") from error
    return facts


def facts_of(info: Info, predictions: Predictions) -> dict[str, Any]:
    """What a model file tells of its run, as plain values.

    Returns:
        ``warnings`` (LEAKY and SYNTHETIC among them); the keys of `KEPT` that the info file has; ``training`` (epochs,
        device and the like, without the history); ``parameters``; and ``tested``, one a part of the test recordings:
        ``part``, ``people``, ``recordings``, ``accuracy`` and ``balanced_accuracy`` (null where a class is missing).
    """
    whole = cast(dict[str, Any], info)
    data = {key: value for key, value in whole["data"].items() if key != "postures"}  # a line a recording
    training = {key: value for key, value in whole["training"].items() if key not in ("history", "callbacks")}
    return {
        "warnings": list(info["warnings"]),
        **{key: whole[key] for key in KEPT if key in whole},
        "data": data,
        "training": training,
        "parameters": info["model"]["parameters"],
        "augment": info["model"]["hyperparameters"].get("augment"),
        "tested": tested(predictions, info["data"].get("groups", {})),
    }


def tested(predictions: Predictions, groups: dict[str, str]) -> list[dict[str, Any]]:
    """Scores of everybody, and by group, correctness and both."""
    of_group = [groups.get(subject, "") for subject in predictions.subjects]
    of_label = [f"{CORRECTNESS.get(label, label)} movements" for label in predictions.correctness.tolist()]
    both = [f"{group}, {label}" if group else "" for group, label in zip(of_group, of_label, strict=True)]
    everybody = ["everybody"] * len(predictions)
    return [
        _row(part, predictions, labels)
        for labels in (everybody, of_group, of_label, both)
        for part in sorted(set(labels) - {""})
    ]


def _row(part: str, predictions: Predictions, labels: Sequence[str]) -> dict[str, Any]:
    scores = score_part([predictions], np.array([label == part for label in labels]), with_intervals=False)
    return {
        "part": part,
        "people": scores["people"],
        "recordings": scores["recordings"],
        "accuracy": scores["accuracy"]["value"],
        "balanced_accuracy": scores["balanced_accuracy"]["value"],
    }
