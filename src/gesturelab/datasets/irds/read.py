"""IntelliRehabDS as a dataset: real people, patients and healthy, nine rehabilitation gestures."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from gesturelab.config.data import IrdsConfig
from gesturelab.datasets.irds.files import (
    GESTURES,
    MIRRORED_GESTURES,
    IrdsFile,
    Label,
    irds_files,
    parse_label,
    reading,
)
from gesturelab.datasets.irds.parse import MAX_FRAMES, Track, fill_untracked, impossible_values, parse
from gesturelab.datasets.recording import Dataset, Recording, Rejected, only_gestures, pack
from gesturelab.datasets.selection import chosen_gestures, spread
from gesturelab.errors import DataError, RecordingError
from gesturelab.runs.signals import raise_if_received
from gesturelab.skeletons.definition import stored

__all__ = [
    "GESTURES",
    "MIRRORED_GESTURES",
    "IrdsFile",
    "Label",
    "fingerprint",
    "irds_files",
    "parse_label",
    "read_irds",
    "resample",
    "select",
    "to_recording",
]


def read_irds(config: IrdsConfig, files: Sequence[IrdsFile] | None = None) -> Dataset:
    """Reads the recordings that the configuration asks for.

    Args:
        config: Where they are, and which to keep.
        files: What `irds_files` found, if that was asked already.

    Raises:
        DataError: If there are none, a person, posture or gesture does not occur, or (strict) a recording is
            unusable.
    """
    files = irds_files(Path(config.root), config.form) if files is None else files
    chosen, rejected = select(files, config)
    if config.strict and rejected:
        raise DataError(_refusal(rejected[0]))
    recordings: list[Recording] = []
    with reading(files) as read:
        for file, label in chosen:
            raise_if_received()
            try:
                recordings.append(to_recording(file.name, label, parse(read(file), config.form), config.rate_hz))
            except RecordingError as error:
                rejected.append(Rejected(file.name, str(error)))
                if config.strict:
                    raise DataError(_refusal(rejected[-1])) from error
    if not recordings:
        why = f", for one {_named(rejected[0])}" if rejected else ""
        raise DataError(f"data.root={config.root} holds no usable recording: {len(rejected)} cannot be used{why}")
    dataset = pack(
        recordings,
        source="irds",
        synthetic=False,
        gesture_names=GESTURES,
        mirrored_gestures=MIRRORED_GESTURES,
        fingerprint="",
        rejected=sorted(rejected, key=lambda one: one.recording),
    )
    dataset = only_gestures(dataset, chosen_gestures(config.gestures, GESTURES))
    return dataclasses.replace(dataset, fingerprint=fingerprint(dataset))


def _named(rejected: Rejected) -> str:
    return f"{rejected.recording}.txt: {rejected.reason}"


def _refusal(rejected: Rejected) -> str:
    return f"{_named(rejected)} (data.strict=false leaves it out instead)"


def select(files: Iterable[IrdsFile], config: IrdsConfig) -> tuple[list[tuple[IrdsFile, Label]], list[Rejected]]:
    """Applies the filters; also gives the files whose names mean nothing.

    Raises:
        DataError: If a person, posture or gesture asked for does not occur, or nothing is left.
    """
    gestures = chosen_gestures(config.gestures, GESTURES)
    labelled: list[tuple[IrdsFile, Label]] = []
    rejected: list[Rejected] = []
    for file in files:
        try:
            labelled.append((file, parse_label(file.name)))
        except RecordingError as error:
            rejected.append(Rejected(file.name, str(error)))
    _refuse_unknown("subjects", config.subjects, {label.subject for _, label in labelled})
    _refuse_unknown("postures", config.postures, {label.posture for _, label in labelled})
    kept = [
        (file, label)
        for file, label in labelled
        if label.correctness in config.correctness
        and label.gesture in gestures
        and (config.subjects is None or label.subject in config.subjects)
        and (config.postures is None or label.posture in config.postures)
    ]
    if not kept:
        why = f"; for one {_named(rejected[0])}" if rejected else ""
        raise DataError(
            f"no recording of data.root={config.root} has data.correctness={config.correctness}, "
            f"data.subjects={config.subjects}, data.postures={config.postures}, data.gestures={config.gestures}{why}"
        )
    first = spread([label.subject for _, label in kept], [label.gesture for _, label in kept], config.max_files)
    return [kept[index] for index in first], rejected


def _refuse_unknown(key: str, wanted: Sequence[str] | None, there: set[str]) -> None:
    if unknown := sorted(set(wanted or ()) - there):
        raise DataError(f"data.{key}: no recording of {', '.join(unknown)}; there are {', '.join(sorted(there))}")


def to_recording(name: str, label: Label, track: Track, rate_hz: float) -> Recording:
    """Makes a recording: values checked, untracked joints filled in, Raw brought to a uniform rate.

    Raises:
        RecordingError: If it cannot be used.
    """
    if (problem := impossible_values(track)) is not None:
        raise RecordingError(problem)
    positions = fill_untracked(track)
    if track.times_ms is not None:
        positions = resample(positions, track.times_ms, rate_hz)
    return Recording(
        name=name,
        positions=positions,
        rate_hz=rate_hz,
        subject=label.subject,
        group=label.group,
        gesture=label.gesture,
        correctness=label.correctness,
        posture=label.posture,
    )


def resample(
    positions: Float32[np.ndarray, "frames joints 3"], times_ms: Float64[np.ndarray, " frames"], rate_hz: float
) -> Float32[np.ndarray, "resampled joints 3"]:
    """Brings frames at any times to a uniform rate, linearly; a frame no later than one before it is passed over.

    Raises:
        RecordingError: If more than a tenth of the frames would be passed over, or the times span hours.
    """
    later = np.ones(len(times_ms), dtype=np.bool_)
    later[1:] = times_ms[1:] > np.maximum.accumulate(times_ms)[:-1]
    if later.mean() < 0.9:
        raise RecordingError("its timestamps do not run forward")
    times, positions = times_ms[later], positions[later]
    count = np.floor((times[-1] - times[0]) * rate_hz / 1000 + 1e-6) + 1
    if count > MAX_FRAMES:
        raise RecordingError(f"its timestamps span {(times[-1] - times[0]) / 3.6e6:.3g} hours")
    if len(times) == 1:
        return positions
    wanted = times[0] + np.arange(int(count)) * (1000 / rate_hz)
    left = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, len(times) - 2)
    share = ((wanted - times[left]) / np.diff(times)[left]).clip(0, 1)[:, None, None]
    return (positions[left] * (1 - share) + positions[left + 1] * share).astype(np.float32)


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of the recordings used, to the bit, and their labels; it does not depend on where the files lie."""
    columns = [
        dataset.source,
        stored(dataset.skeleton),
        dataset.gesture_names,
        dataset.names,
        dataset.subjects,
        dataset.groups,
        dataset.postures,
        dataset.gestures.tolist(),
        dataset.correctness.tolist(),
        dataset.rates_hz.tolist(),
        dataset.offsets.tolist(),
    ]
    digest = hashlib.sha256(json.dumps(columns).encode())
    digest.update(np.ascontiguousarray(dataset.positions, dtype="<f4").data)
    return digest.hexdigest()
