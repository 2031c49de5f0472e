"""Everything that reads files from elsewhere, each with valid examples and ways to damage them.

A reader may answer, or raise one of our own errors that names the file; anything else is a failure.
"""

import io
import json
import logging
import math
import random
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints
from unittest.mock import patch

import numpy as np
import yaml
from omegaconf import OmegaConf

from fuzzing_case import Case, require
from fuzzing_inputs import as_json, damaged, damaged_value
from fuzzing_use import OTHER_PROGRAMS, bundle, definition, graph, labels, npy, table
from gesturelab.config.composing import compose
from gesturelab.config.data import Form, IrdsConfig
from gesturelab.config.saved import differences, read_config, read_data_config
from gesturelab.config.split import FoldsFileConfig, NamedSplitConfig
from gesturelab.config.training import TrainConfig
from gesturelab.datasets import cache as code
from gesturelab.datasets.cache import cached
from gesturelab.datasets.irds.fetch import unpack
from gesturelab.datasets.irds.files import GESTURES as IRDS_GESTURES
from gesturelab.datasets.irds.read import parse, parse_numbers, to_uniform_motion
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import FetchError, GesturelabError, RecordingError, RunError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.evaluation.windows import read_windows
from gesturelab.preprocessing.scaler import Scaler, no_scaler
from gesturelab.report.collect import collect
from gesturelab.report.groups import group_runs
from gesturelab.runs.folder import RunDir
from gesturelab.runs.status import is_alive, read_status
from gesturelab.splits.split import RecordingTable, choose_people
from gesturelab.sweeps.local import Task
from gesturelab.sweeps.progress import describe_progress, remaining_time, status_table
from gesturelab.sweeps.search.result import read_search
from info_builder import make_info, write_run
from predictions_builder import GESTURES, fold_run, write_fold_run, write_windows_of

JOINTS = 25


def _positions(frames: int = 12) -> np.ndarray:
    return np.random.default_rng(0).normal(1, 0.3, (frames, 3 * JOINTS)).round(6)


def simplified_text(frames: int = 12) -> bytes:
    """A Simplified recording."""
    return b"".join(",".join(map(str, row.tolist())).encode() + b"\r\n" for row in _positions(frames))


def raw_text(frames: int = 12) -> bytes:
    """A Raw recording, with a joint that is lost for a while."""
    from gesturelab.skeletons.skeleton import KINECT_V2

    lines = [b"Version0.1"]
    for frame, row in enumerate(_positions(frames)):
        parts = [f"{100 + frame},4,{33 * frame}"]
        for joint, name in enumerate(KINECT_V2.joints):
            x, y, z = row[3 * joint : 3 * joint + 3].tolist()
            state = "NotTracked" if joint == 7 and 3 < frame < 6 else "Tracked"
            parts.append(f"({name},{state},{x},{y},{z},200.5,-\u221e)")
        lines.append(",".join(parts).encode())
    return b"\r\n".join(lines)


def simplified(folder: Path) -> Case:
    return _recording(simplified_text(), Form.simplified)


def raw(folder: Path) -> Case:
    return _recording(raw_text(), Form.raw)


def _recording(seed: bytes, form: Form) -> Case:
    others = (simplified_text(2), raw_text(2))

    def read(data: bytes) -> None:
        found = to_uniform_motion(parse(data, form), 30.0)
        assert np.isfinite(found.positions).all()

    return Case(lambda rng: damaged(rng, seed, others), read)


def decimals(folder: Path) -> Case:
    """Must agree with `float`, number by number."""
    seed = simplified_text(2).splitlines()[0]

    def read(data: bytes) -> None:
        expected = [_float(word) for word in data.split(b",")]
        try:
            found = parse_numbers(data)
        except ValueError as error:
            require(None in expected, f"refused {data[:80]!r}: {error}")
            raise RecordingError(str(error)) from error
        assert None not in expected, f"took {data[:80]!r}"
        np.testing.assert_array_equal(found, np.array(expected, dtype=np.float64))

    return Case(lambda rng: damaged(rng, seed)[:3000], read)


def _float(word: bytes) -> float | None:
    try:
        return None if b"_" in word else float(word)
    except ValueError:
        return None


def _config(root: Path, form: Form = Form.simplified, **changes: Any) -> IrdsConfig:
    found = compose(["data=irds", f"data.root='{root}'"]).data
    assert isinstance(found, IrdsConfig)
    found.form = form
    for key, value in changes.items():
        setattr(found, key, value)
    return found


def folder(place: Path) -> Case:
    """One damaged recording in a folder, and no other can hide it."""
    seed = simplified_text()
    file = place / "101_18_0_1_1_stand.txt"
    settings = _config(place, strict=True, gestures=None)

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_dataset(settings)

    return Case(lambda rng: damaged(rng, seed), read, file.name)


def _zip(rng: random.Random | None) -> bytes:
    """An archive as published, or one whose members are not what they should be."""
    file = io.BytesIO()
    hostile = (
        *("../out.txt", "/tmp/out.txt", "a/../../out.txt", "C:\\out.txt", "a\\..\\b.txt", "x" * 300 + ".txt"),
        *(
            "\u202e.txt",
            "SkeletonData/Simplified/101_18_0_1_1_stand.txt",
            "SkeletonData",
            "a//b.txt",
            " ",
            "nul\x00.txt",
        ),
    )
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(3):
            info = zipfile.ZipInfo(f"SkeletonData/Simplified/101_18_{number}_1_1_stand.txt")
            content = simplified_text(3)
            kind = zipfile.ZIP_DEFLATED
            if rng is not None and rng.random() < 0.3:
                info.filename = rng.choice(hostile)
            if rng is not None and rng.random() < 0.1:
                content = damaged(rng, content)
            if rng is not None and rng.random() < 0.05:
                kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            if rng is not None and rng.random() < 0.02:
                content = b"1" * rng.choice((2**21, 2**24))
            if rng is not None and rng.random() < 0.05:
                info.external_attr = rng.choice((0o120777, 0o020777, 0o040777)) << 16
            archive.writestr(info, content, kind)
    return file.getvalue()


def _damaged_zip(rng: random.Random) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members with one name
        data = _zip(rng)
    if rng.random() < 0.5:
        return data
    if rng.random() < 0.5:
        return damaged(rng, data)
    changed = bytearray(data)  # its own headers: signatures stay, sizes, offsets and flags do not
    starts = [at for mark in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") for at in _all(data, mark)]
    for _ in range(rng.choice((1, 2, 3))):
        at = rng.choice(starts) + rng.randint(4, 45)
        width = rng.choice((1, 2, 4))
        changed[at : at + width] = rng.choice((b"\xff" * width, b"\0" * width, rng.randbytes(width)))
    return bytes(changed)


def _all(data: bytes, mark: bytes) -> list[int]:
    places: list[int] = []
    at = data.find(mark)
    while at >= 0:
        places.append(at)
        at = data.find(mark, at + 1)
    return places


def archive(place: Path) -> Case:
    file = place / "SkeletonData.zip"
    settings = _config(file, strict=False)

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_dataset(settings)

    return Case(_damaged_zip, read, "")  # two members of one name are named themselves


def unpacked(place: Path) -> Case:
    """What is unpacked must stay in its folder."""
    from rich.console import Console

    inside = place / "box"
    inside.mkdir()
    file, target = inside / "SkeletonData.zip", inside / "SkeletonData"
    console = Console(file=io.StringIO())

    def read(data: bytes) -> None:
        file.write_bytes(data)
        try:
            unpack(file, target, console)
        except OSError as error:  # as `fetch_irds` does
            raise FetchError(f"{file} cannot be written: {error}") from error
        finally:
            if target.is_dir():
                shutil.rmtree(target)
            left = sorted(path.name for path in place.rglob("*"))
            assert left == ["SkeletonData.zip", "box"], f"left behind: {left}"

    return Case(_damaged_zip, read, file.name)


def cache(place: Path) -> Case:
    """A damaged entry gives the same recordings again."""
    rows = [np.arange(75, dtype=np.float32).reshape(1, 25, 3) / 10 + number for number in range(3)]
    from conftest import dataset_of, walker

    dataset = dataset_of([walker(f"r{number}", 4 + number) for number in range(len(rows))])

    def build(file: Path | None) -> Any:
        if file is not None:
            np.save(file, dataset.positions)
        return dataset

    def load() -> Any:
        with patch.object(code, "_code", list):  # the hash of the sources takes longer than all the rest
            return cached(place, source="x", options={}, stamp=[], build=build)

    load()
    (entry,) = place.glob("x-*")
    whole = {path.name: path.read_bytes() for path in entry.iterdir()}
    names = sorted(whole)

    def make(rng: random.Random) -> bytes:
        name = rng.choice(names)
        if name.endswith(".json") and rng.random() < 0.5:
            checksum, _, text = whole[name].partition(b"\n")
            return b"\n".join([name.encode(), checksum, as_json(rng, json.loads(text))])
        return name.encode() + b"\n" + damaged(rng, whole[name])

    def read(data: bytes) -> None:
        name, _, content = data.partition(b"\n")
        for each, right in whole.items():
            (entry / each).write_bytes(content if each == name.decode() else right)
        found = load()
        np.testing.assert_array_equal(found.positions, dataset.positions)
        assert found.names == dataset.names
        assert found.gestures.tolist() == dataset.gestures.tolist()
        assert found.subjects == dataset.subjects

    return Case(make, read)


SUBJECTS = ("101", "102", "201", "202", "203")
GROUPS = ("healthy", "healthy", "patient", "patient", "patient")
TABLE = RecordingTable(SUBJECTS, SUBJECTS, GROUPS, ("wave",) * 5, (1,) * 5, ("",) * 5)


def folds(place: Path) -> Case:
    return _split(place, [["101", "201"], ["102", "202"], ["203"]], "split=folds_file", FoldsFileConfig)


def named(place: Path) -> Case:
    return _split(place, {"test": ["101", "201"], "validation": ["202"]}, "split=named", NamedSplitConfig)


def _split(place: Path, value: object, option: str, kind: type) -> Case:
    file = place / "folds.json"
    given = ["split.fold=0"] if kind is FoldsFileConfig else []
    settings = compose([option, f"split.file='{file}'", *given]).split
    assert isinstance(settings, kind)

    def read(data: bytes) -> None:
        file.write_bytes(data)
        try:
            people = choose_people(TABLE, settings)
        except GesturelabError as error:
            if "people are left" in str(error) or "split.test is empty" in str(error) or "named for both" in str(error):
                return  # the file is right, but names everybody or nobody
            raise
        sides = [*people.train, *people.validation, *people.test]
        assert sorted(sides) == sorted(SUBJECTS)

    return Case(lambda rng: as_json(rng, value), read, file.name)


def info(place: Path) -> Case:
    """`compare` beside a good run: the damaged one is named, or compared."""
    from gesturelab.report.comparison import compare_groups
    from gesturelab.report.page import render_markdown

    value = make_info(epochs=3)
    write_run(place / "good", make_info(seed=1, epochs=3))
    write_run(place / "bad", value)
    file = place / "bad" / "info_tiny.json"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        finished, unread = collect([place])
        assert len(finished) + len(unread) == 2
        assert "good" in {run.path.name for run in finished}
        comparison = compare_groups(group_runs(finished), unread)
        json.dumps(comparison.to_json(), allow_nan=False).encode()
        render_markdown(comparison).encode()
        if unread:
            raise RunError(unread[0].reason)

    return Case(lambda rng: as_json(rng, value), read, file.name)


def report(place: Path) -> Case:
    """The page, and folds joined: a damaged info, predictions or windows file beside good ones; pictures left out."""
    from gesturelab.report import page
    from gesturelab.report.comparison import compare_groups
    from gesturelab.report.player import Motion

    for fold in range(3):
        write_windows_of(write_fold_run(place / f"{fold}", run := fold_run(fold, epochs=2)), run)
    bad = place / "1"
    whole = {path.name: path.read_bytes() for path in bad.iterdir() if path.name != "config.yaml"}
    value = json.loads(whole["info_tiny.json"])
    names = sorted(whole)

    def motion(name: str) -> Motion:
        return Motion(np.zeros((20, 2, 3), dtype=np.float32), 30.0, ("a", "b"), (0, 0), "healthy", "stand")

    def make(rng: random.Random) -> bytes:
        name = rng.choice(names)
        content = as_json(rng, value) if name.startswith("info") else damaged(rng, whole[name])
        return name.encode() + b"\n" + content

    def read(data: bytes) -> None:
        name, _, content = data.partition(b"\n")
        for each, right in whole.items():
            (bad / each).write_bytes(content if each == name.decode() else right)
        finished, unread = collect([place])
        groups = group_runs(finished)
        with patch.object(page, "pictures", lambda *_: []), patch.object(page, "curves", lambda *_: []):
            motions = {one.basis.fingerprint: motion for one in groups}
            said = page.render_page(compare_groups(groups, unread), motions)
        said.encode()
        assert len(finished) + len(unread) == 3

    return Case(make, read)


def scaler(place: Path) -> Case:
    file = place / "scaler_tiny.json"
    no_scaler(["a", "b", "c"]).save(file)
    value = json.loads(file.read_text())

    def read(data: bytes) -> None:
        file.write_bytes(data)
        found = Scaler.load(file)
        assert found.mean.shape == found.deviation.shape == (len(found.names),)
        assert np.isfinite(found.mean).all()
        assert (found.deviation > 0).all()

    return Case(lambda rng: as_json(rng, value), read, file.name)


def weights(place: Path) -> Case:
    """Bytes, and values in an archive that is whole."""
    import torch

    from gesturelab.models.saved import read_recogniser

    run = RunDir(place, "tiny")
    _save_network(run)
    seed = run.weights.read_bytes()
    value = torch.load(run.weights, weights_only=True)

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.4:
            return damaged(rng, seed)
        if rng.random() < 0.3:
            return _zip_with(seed, rng)
        state = value["state_dict"]
        plain = damaged_value(rng, {key: one for key, one in value.items() if key != "state_dict"})
        if isinstance(plain, dict):
            plain["state_dict"] = _damaged_state(rng, state)
        file = io.BytesIO()
        torch.save(plain, file)
        return file.getvalue()

    def read(data: bytes) -> None:
        run.weights.write_bytes(data)
        found = read_recogniser(run)
        with torch.inference_mode():
            found.recogniser.probabilities(torch.zeros(1, min(found.length_frames, 50), found.joints, 3))

    return Case(make, read, run.weights.name)


def _damaged_state(rng: random.Random, state: dict[str, Any]) -> object:
    import torch

    if rng.random() < 0.5:
        return state
    changed = dict(state)
    name = rng.choice(sorted(changed))
    one = changed[name]
    changed[name] = rng.choice(
        (
            None, 7, "x", [], one.double(), one.flatten(), one[..., None], one.to(torch.int8), one * math.nan,
            torch.zeros(1).expand(10**6, 10**6), one.to_sparse(), one.to("meta"), torch.zeros(0), {"a": one},
        )
    )  # fmt: skip
    if rng.random() < 0.2:
        del changed[name]
    return changed


def _zip_with(seed: bytes, rng: random.Random) -> bytes:
    """The same archive with one member's content damaged, its checksum right."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(seed)) as old, zipfile.ZipFile(file, "w") as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            compress = zipfile.ZIP_DEFLATED if name == chosen and rng.random() < 0.1 else zipfile.ZIP_STORED
            new.writestr(name, damaged(rng, content) if name == chosen else content, compress)
    return file.getvalue()


def _save_network(run: RunDir) -> None:
    import torch

    from gesturelab.models.network import build_network
    from gesturelab.preprocessing.features import Features
    from gesturelab.skeletons.skeleton import KINECT_V2

    config = compose(["model.hidden=8"])
    names = Features(config.features, KINECT_V2).names
    frames = config.window.length_frames
    network = build_network(config.model, Features(config.features, KINECT_V2), len(IRDS_GESTURES), frames)
    contents = {
        "schema": 1,
        "model": _plain(config.model),
        "features": _plain(config.features),
        "feature_names": list(names),
        "window": _plain(config.window),
        "gestures": list(IRDS_GESTURES),
        "mirror_at_test": True,
        "mirrored_gestures": [1, 0, 3, 2, 5, 4, 6, 8, 7],
        "skeleton": KINECT_V2.name,
        "state_dict": network.state_dict(),
    }
    torch.save(contents, run.weights)
    no_scaler(names).save(run.scaler)


def _plain(config: Any) -> Any:
    return OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)


def predictions(place: Path) -> Case:
    run = fold_run(0)
    write_fold_run(place, run)
    file = place / "predictions_tiny.csv"
    seed = file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        found = read_predictions(file)
        assert found.probabilities.shape == (len(found), len(found.gestures))
        assert np.isfinite(found.probabilities).all()

    return Case(lambda rng: damaged(rng, seed), read, file.name)


def windows(place: Path) -> Case:
    run = fold_run(0)
    write_windows_of(place, run)
    file = place / "windows_tiny.csv"
    seed = file.read_bytes()
    names = run.predictions.names

    def read(data: bytes) -> None:
        file.write_bytes(data)
        for series in read_windows(file, GESTURES, names).values():
            assert np.isfinite(series.probabilities).all()
            assert series.probabilities.shape == (len(series), len(GESTURES))

    return Case(lambda rng: damaged(rng, seed), read, file.name)


def status(place: Path) -> Case:
    """`gesturelab status`, which shows what it can."""
    from rich.console import Console

    value = {
        "schema": 1, "state": "running", "attempt": 2, "pid": 7, "host": "elsewhere", "slurm_job": None,
        "started": "2026-11-22T20:00:00+00:00", "heartbeat": "2026-11-22T20:10:00+00:00", "first_epoch": 0, "epoch": 3,
        "max_epochs": 9, "metrics": {"train_loss": 1.5, "validation_loss": 1.6, "validation_accuracy": 0.4},
        "validation_losses": [2.0, None, 1.6], "best_validation_accuracy": 0.4, "epoch_s": 2.5, "reason": "",
        "finished": "2026-11-22T20:20:00+00:00", "traceback": "", "node": "n1", "requeues": 1,
    }  # fmt: skip
    file = RunDir(place, "").status
    console = Console(file=io.StringIO(), width=200)

    def read(data: bytes) -> None:
        file.write_bytes(data)
        status = read_status(place)
        is_alive(place, status)
        console.file = io.StringIO()
        console.print(status_table([Task("x", place)]))
        describe_progress(status)
        remaining_time(status)
        json.dumps(status, allow_nan=False, ensure_ascii=False)

    return Case(lambda rng: as_json(rng, value), read)


def saved_config(place: Path) -> Case:
    file = place / "config.yaml"
    text = OmegaConf.to_yaml(OmegaConf.structured(compose()))
    value = yaml.safe_load(text)

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.02:
            return _yaml_bomb()
        if rng.random() < 0.5:
            return damaged(rng, text.encode())
        try:
            return yaml.safe_dump(damaged_value(rng, value)).encode("utf-8", "surrogatepass")
        except (yaml.YAMLError, ValueError):
            return damaged(rng, text.encode())

    def read(data: bytes) -> None:
        file.write_bytes(data)
        differences(data.decode("utf-8", "replace"), text)
        try:
            read_data_config(file)
        except GesturelabError as error:
            require(file.name in str(error), str(error))
        assert isinstance(read_config(file), TrainConfig)

    return Case(make, read, file.name)


def _yaml_bomb() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines).encode()


def search(place: Path) -> Case:
    """A search's file on the page."""
    from gesturelab.report.page import importance_table, trial_table
    from gesturelab.sweeps.search.result import Search

    trial = {"number": 0, "state": "completed", "value": 0.5, "params": {"optimizer.lr": 0.1}, "folders": ["trial-0"],
             "epochs": [3], "reason": ""}  # fmt: skip
    kinds = {str: "x", int: 1, bool: True}
    value: dict[str, Any] = {key: kinds.get(kind, "x") for key, kind in get_type_hints(Search).items()}
    value |= {"schema": 1, "trials": [trial, {**trial, "number": 1}], "best": trial, "space": {"optimizer.lr": "x"},
              "importances": {"optimizer.lr": 0.7}, "average_over": [], "importances_missing": ""}  # fmt: skip
    file = place / "search.json"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        if (found := read_search(place)) is not None:
            assert importance_table(found).numeric is not None
            assert trial_table(found).numeric is not None

    read(json.dumps(value).encode())
    assert read_search(place) is not None
    return Case(lambda rng: as_json(rng, value), read)


def metrics(place: Path) -> Case:
    from gesturelab.training.metrics_csv import MetricsCsv

    file = place / "metrics.csv"
    seed = b"epoch,train_loss,validation_loss\n" + b"".join(f"{n},{1 / (n + 1)},{2.0}\n".encode() for n in range(9))

    def read(data: bytes) -> None:
        file.write_bytes(data)
        logger = MetricsCsv(place)
        logger.log_metrics({"epoch": 3, "train_loss": 0.5})
        logger.save()

    return Case(lambda rng: damaged(rng, seed), read, file.name)


def trackers(place: Path) -> Case:
    from gesturelab.training.trackers.tracker import tracked_run

    config = compose()
    file = RunDir(place, "").trackers
    value = {"id": "0" * 32, "settings": "f" * 64, "wandb": "x"}

    def read(data: bytes) -> None:
        file.write_bytes(data)
        found = tracked_run(config, place, [])
        assert isinstance(found.id, str)

    return Case(lambda rng: as_json(rng, value), read, file.name)


PARSERS: dict[str, Callable[[Path], Case]] = {
    "simplified": simplified,
    "raw": raw,
    "decimals": decimals,
    "folder": folder,
    "archive": archive,
    "unpack": unpacked,
    "cache": cache,
    "folds": folds,
    "named": named,
    "info": info,
    "report": report,
    "scaler": scaler,
    "weights": weights,
    "predictions": predictions,
    "windows": windows,
    "status": status,
    "config": saved_config,
    "search": search,
    "metrics": metrics,
    "trackers": trackers,
    "csv": table,
    "npy": npy,
    **OTHER_PROGRAMS,
    "labels": labels,
    "skeleton": definition,
    "bundle": bundle,
    "onnx": graph,
}
"""By name; each is given an empty folder."""

NEED_TORCH = frozenset({"weights", "metrics", "trackers", "bundle", "onnx"})


def case_of(name: str, folder: Path | None = None) -> Case:
    """A parser's case, in a new temporary folder if none is given."""
    logging.getLogger("gesturelab").setLevel(logging.CRITICAL)
    place = folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    place.mkdir(parents=True, exist_ok=True)
    return PARSERS[name](place)
