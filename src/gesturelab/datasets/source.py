"""The door for datasets: what ``data._target_`` names gives recordings; everything else is done for it here.

A dataset is a class (best derived from `RecordingSource`), a function or a generator function. It gives `Recording`s,
and nothing more is asked of it. Which of them are used, that they are sound, the cache and the fingerprint are the
framework's business.
"""

import hashlib
import inspect
import json
import math
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from gesturelab.config.data import DataConfig
from gesturelab.config.options import arguments_of, construct, locate, source_sha256, target_of, to_plain
from gesturelab.datasets.mirror_names import UNKNOWN, mirrored_gestures
from gesturelab.datasets.recording import (
    Dataset,
    Motion,
    Recording,
    RecordingLabel,
    Rejected,
    fingerprint,
    pack,
)
from gesturelab.datasets.selection import chosen_gestures, spread, without_gesture
from gesturelab.datasets.untrimmed import UntrimmedRecording
from gesturelab.errors import ConfigError, DataError, GesturelabError, RecordingError
from gesturelab.progress import show_progress
from gesturelab.runs.signals import raise_if_received
from gesturelab.skeletons.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Unread(RecordingLabel):
    """A recording that is known but not read yet: a quick try (``data.max_files``) then reads no more than it uses.

    Attributes:
        read: Reads it; may raise RecordingError, whose message says why the recording cannot be used.
        file: What errors call it; its name if empty.
    """

    read: Callable[[], Motion]
    file: str = field(default="", kw_only=True)

    def recording(self, skeleton: Skeleton) -> Recording:
        """Reads it.

        Raises:
            RecordingError: If it cannot be used.
        """
        motion = self.read()
        return Recording(positions=motion.positions, rate_hz=motion.rate_hz, skeleton=skeleton, **self.columns)


@dataclass(frozen=True, eq=False)
class Spooled(Unread):
    """A recording that its source gave read already; a file holds its positions until it is known who is used."""

    skeleton: Skeleton = field(kw_only=True)

    def recording(self, skeleton: Skeleton) -> Recording:
        """Takes it from the file, with its own skeleton."""
        del skeleton
        return super().recording(self.skeleton)


def _spool(recording: Recording, file: IO[bytes]) -> Spooled:
    """Writes a recording's positions to the end of a file, and gives what reads them again.

    Raises:
        OSError: If the file cannot be written.
    """
    positions = np.ascontiguousarray(recording.positions)
    at, shape, rate_hz = file.seek(0, os.SEEK_END), positions.shape, recording.rate_hz
    file.write(positions.data)

    def read() -> Motion:
        file.seek(at)
        values = np.frombuffer(file.read(4 * math.prod(shape)), dtype=np.float32)
        return Motion(values.reshape(shape), rate_hz)

    label = {each.name: getattr(recording, each.name) for each in fields(RecordingLabel)}
    return Spooled(**label, read=read, skeleton=recording.skeleton)


class RecordingSource:
    """Base class of datasets: derive, and give recordings in ``__iter__``.

    The constructor takes the keys of the YAML file that are not those of every dataset (``gestures``, ``subjects`` and
    so on, see `gesturelab.config.data.DataConfig`), and ``rate_hz`` where it names it. It is called at each start, so
    it only keeps what it is given. `__iter__` is called only when the cache does not hold the recordings.

    Attributes:
        root: The folder or file that is read, if there is one; ``audit --data-root`` moves it.
        gestures: Names of all gestures, in order; None: those that occur, sorted.
        mirrored: What gestures become when left and right are swapped, as far as their names do not tell (see
            `gesturelab.datasets.mirror_names`); a name that is no gesture means none of these.
        mirror_key: Where a user can say so; empty where it is known for certain.
        refuses_lone_subjects: Whether a gesture that one person alone does is refused: nobody is left to test it on.
        synthetic: True when no real person moved; every result says so.
        skeleton: Whose joints they are; None: as the recordings say.
    """

    root: str | Path | None = None
    gestures: Sequence[str] | None = None
    mirrored: Mapping[str, str] = {}
    mirror_key: str = "the attribute mirrored of the dataset's class"
    refuses_lone_subjects: bool = True
    synthetic: bool = False
    skeleton: Skeleton | None = None

    def __iter__(self) -> Iterator[Recording | Unread | Rejected]:
        """The recordings; in their midst those that cannot be used, with reasons."""
        raise NotImplementedError

    def untrimmed(self) -> Iterable[UntrimmedRecording]:
        """Recordings that hold several gestures, with their intervals; none where there are only trimmed ones."""
        return ()

    def stamp(self) -> list[Any]:
        """What changes when the recordings do, as plain JSON values: size and times of every file below the root."""
        if self.root is None:
            return []
        root = Path(self.root).expanduser()
        files = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
        stats = [(file, file.stat()) for file in files if file.exists()]
        return [[str(file), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for file, stat in stats]

    def where(self, gesture: str) -> str:
        """Where a gesture stands, for errors about it."""
        del gesture
        return "data"

    def fingerprint(self, dataset: Dataset, options: Mapping[str, Any]) -> str:
        """SHA-256 of everything that a result can depend on.

        Args:
            dataset: The recordings used.
            options: The configuration's keys and values.
        """
        del options
        return hashlib.sha256(json.dumps([fingerprint(dataset), dataset.mirrored_gestures]).encode()).hexdigest()


class _Wrapped(RecordingSource):
    """Anything that gives recordings, as a source; attributes that it lacks have their defaults."""

    def __init__(self, guest: Any, recordings: Callable[[], Any], root: Any) -> None:
        self._recordings = recordings
        self.root = root
        for name in ("root", "gestures", "mirrored", "mirror_key", "synthetic", "skeleton", "stamp"):
            if hasattr(guest, name) and (name != "stamp" or callable(guest.stamp)):
                setattr(self, name, getattr(guest, name))

    def __iter__(self) -> Iterator[Recording | Unread | Rejected]:
        recordings = self._recordings()
        if not isinstance(recordings, Iterable):
            raise TypeError(f"it gives {type(recordings).__name__}, not recordings one after another")
        yield from cast(Iterable[Any], recordings)


def open_source(config: DataConfig) -> RecordingSource:
    """What ``data._target_`` names, ready to be read; a function is called only when recordings are asked for.

    Raises:
        ConfigError: If it cannot be imported, or refuses its keys.
    """
    target, arguments = target_of(config), arguments_of(config, DataConfig)
    located = locate("data", target)
    context = {"rate_hz": config.rate_hz}

    def make() -> Any:
        return construct("data", target, arguments, context)

    if callable(located) and not inspect.isclass(located):
        return _Wrapped(located, make, arguments.get("root"))
    source = make()
    if isinstance(source, RecordingSource):
        return source
    if not (hasattr(source, "__iter__") or callable(source)):
        raise ConfigError(f"data._target_={target}: has neither __iter__ nor __call__, so it gives no recordings")
    return _Wrapped(source, (lambda: source) if hasattr(source, "__iter__") else source, arguments.get("root"))


def options_of(config: DataConfig) -> dict[str, Any]:
    """The keys and values of a configuration on which recordings can depend, the place of their files resolved."""
    options = {key: value for key, value in to_plain(config).items() if key not in ("cache_dir", "target")}
    if options["unknown_gesture"] is None:  # as fingerprints and caches of earlier versions have it
        del options["unknown_gesture"]
    if isinstance(root := options.get("root"), str):
        options["root"] = str(Path(root).expanduser().resolve())
    return options


def stamp_of(config: DataConfig, source: RecordingSource) -> list[Any]:
    """What changes when the files of a dataset do, or the code that reads them."""
    try:
        return [source.stamp(), source_sha256(locate("data", target_of(config)))]
    except OSError as error:
        raise DataError(f"{_where(config)}: {error}") from error


def read_dataset(config: DataConfig, source: RecordingSource | None = None, file: Path | None = None) -> Dataset:
    """Reads the recordings that a configuration asks for, whatever the cache holds.

    Args:
        config: Which recordings.
        source: What gives them; None: what the configuration names.
        file: Where positions are written to, so that memory never holds more than one recording's; None: memory holds
            all.

    Raises:
        DataError: If there are none, a person, posture or gesture does not occur, or (strict) one cannot be used.
        ConfigError: If there is no such dataset.
        OSError: If the file cannot be written.
    """
    source = open_source(config) if source is None else source
    with nullcontext() if file is None else tempfile.TemporaryFile(dir=file.parent) as spool:
        dataset = _read_dataset(config, source, file, spool)
    return replace(dataset, fingerprint=source.fingerprint(dataset, options_of(config)))


def _read_dataset(config: DataConfig, source: RecordingSource, file: Path | None, spool: IO[bytes] | None) -> Dataset:
    """The dataset without its fingerprint."""
    entries, rejected = _list_recordings(config, source, spool)
    if rejected:
        _refuse_if_strict(config, rejected[0])
    names = list(source.gestures) if source.gestures is not None else sorted({entry.gesture for entry in entries})
    gestures = chosen_gestures(config.gestures, names)
    if config.unknown_gesture is not None:
        gestures = without_gesture(gestures, config.unknown_gesture, names)
    chosen = _select(config, source, entries, names, gestures, rejected)
    skeleton = source.skeleton or _skeleton(config, chosen)
    images = mirrored_gestures(names, source.mirrored)
    try:
        dataset = pack(
            _read_recordings(config, chosen, skeleton, rejected),
            source=config.source,
            synthetic=source.synthetic,
            gesture_names=[names[number] for number in gestures],
            mirrored_gestures=[
                gestures.index(image) if (image := images[number]) in gestures else min(image, UNKNOWN)
                for number in gestures
            ],
            fingerprint="",
            skeleton=skeleton,
            mirror_key=source.mirror_key,
            file=file,
        )
    except RecordingError as error:
        raise DataError(f"{_where(config)}: {error}") from error
    return replace(dataset, rejected=tuple(sorted(rejected, key=lambda each: each.recording)))


def _read_recordings(
    config: DataConfig, entries: Sequence[Recording | Unread], skeleton: Skeleton, rejected: list[Rejected]
) -> Iterator[Recording]:
    """The recordings, in order of name; those that cannot be used are added to the rejected.

    Raises:
        DataError: If none can be used, one cannot be read, or (strict) one cannot be used.
    """
    usable = False
    for entry in show_progress(sorted(entries, key=lambda entry: entry.name), "reading recordings"):
        raise_if_received()
        try:
            recording = entry if isinstance(entry, Recording) else entry.recording(skeleton)
        except RecordingError as error:
            rejected.append(Rejected(entry.name, str(error), cast(Unread, entry).file))
            _refuse_if_strict(config, rejected[-1])
            continue
        except Exception as error:
            file = cast(Unread, entry).file or entry.name
            raise DataError(f"{_where(config)}: {file} cannot be read: {error!r}") from error
        usable = True
        yield recording
    if not usable:
        first = f", for one {rejected[0]}" if rejected else ""
        raise DataError(f"{_where(config)} holds no usable recording: {len(rejected)} cannot be used{first}")


def _refuse_if_strict(config: DataConfig, rejected: Rejected) -> None:
    if config.strict:
        raise DataError(f"{rejected} (data.strict=false leaves it out instead)")


def _where(config: DataConfig) -> str:
    root = arguments_of(config, DataConfig).get("root")
    return f"data._target_={target_of(config)}" if root is None else f"data.root={root}"


def _list_recordings(
    config: DataConfig, source: RecordingSource, spool: IO[bytes] | None
) -> tuple[list[Recording | Unread], list[Rejected]]:
    """Everything that a source gives; recordings that it has read go into the spool, if there is one.

    Raises:
        DataError: If there is nothing.
        OSError: If the spool cannot be written.
    """
    entries: list[Recording | Unread] = []
    rejected: list[Rejected] = []
    for entry in show_progress(_checked_entries(config, source), "listing recordings"):
        if isinstance(entry, Rejected):
            rejected.append(entry)
        else:
            entries.append(_spool(entry, spool) if spool is not None and isinstance(entry, Recording) else entry)
    if not entries and not rejected:
        raise DataError(f"{_where(config)}: {target_of(config)} gives no recording")
    return entries, rejected


def _checked_entries(config: DataConfig, source: RecordingSource) -> Iterator[Recording | Unread | Rejected]:
    """What a source gives, one after another.

    Raises:
        DataError: Naming the class and the recording, if the source breaks off, or gives something else.
    """
    latest = ""
    where = f"data._target_={target_of(config)}"
    try:
        for entry in cast(Iterable[Any], source):
            if not isinstance(entry, Recording | Unread | Rejected):
                raise DataError(f"{where} gives {type(entry).__name__}, not a gesturelab Recording")
            latest = latest if isinstance(entry, Rejected) else entry.name
            yield entry
    except Exception as error:
        if isinstance(error, RecordingError) and error.recording:
            raise DataError(f"{where}: recording {error.recording!r}: {error}") from error
        if isinstance(error, GesturelabError) and not isinstance(error, RecordingError):
            raise
        after = f" after recording {latest!r}" if latest else ""
        raise DataError(f"{where} breaks off{after}: {type(error).__name__}: {error}") from error


def _select(
    config: DataConfig,
    source: RecordingSource,
    entries: Sequence[Recording | Unread],
    names: Sequence[str],
    gestures: Sequence[int],
    rejected: Sequence[Rejected],
) -> list[Recording | Unread]:
    """The recordings that the configuration asks for.

    Raises:
        DataError: If a person or posture does not occur, nothing is left, or one person alone does a gesture.
    """
    subjects: defaultdict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.gesture not in names:
            raise DataError(
                f"{_where(config)}: recording {entry.name!r} has the gesture {entry.gesture!r}, but gestures are "
                f"{', '.join(names)}"
            )
        subjects[entry.gesture].add(entry.subject)
    kept_names = [names[number] for number in gestures]
    if source.refuses_lone_subjects:
        _refuse_lone_subjects(source, kept_names, subjects)
    _refuse_unknown("subjects", config.subjects, {entry.subject for entry in entries})
    _refuse_unknown("postures", config.postures, {entry.posture for entry in entries})
    kept = [
        entry
        for entry in entries
        if entry.gesture in kept_names
        and entry.correctness in config.correctness
        and (config.subjects is None or entry.subject in config.subjects)
        and (config.postures is None or entry.posture in config.postures)
    ]
    if not kept:
        first = f"; for one {rejected[0]}" if rejected else ""
        raise DataError(
            f"no recording of {_where(config)} has data.correctness={config.correctness}, "
            f"data.subjects={config.subjects}, data.postures={config.postures}, data.gestures={config.gestures}{first}"
        )
    kinds = [kept_names.index(entry.gesture) for entry in kept]
    return [kept[index] for index in spread([entry.subject for entry in kept], kinds, config.max_files)]


def _refuse_lone_subjects(source: RecordingSource, gestures: Sequence[str], subjects: Mapping[str, set[str]]) -> None:
    """Refuses gestures that one person alone does; `subjects` are those of each gesture that occurs."""
    everybody = set[str]().union(*subjects.values())
    if len(everybody) == 1:
        raise DataError(
            f"data: there is one subject only, {everybody.pop()}: to learn from some people and test on others "
            "there must be three or more"
        )
    for gesture in gestures:
        if len(people := subjects.get(gesture, set())) == 1:
            others = ",".join(sorted(subjects.keys() - {gesture}))
            raise DataError(
                f"{source.where(gesture)}: gesture {gesture} is done by {next(iter(people))} only, so nobody is left "
                f"to test it on: record it with others, or leave it out with 'data.gestures=[{others}]'"
            )


def _refuse_unknown(key: str, wanted: Sequence[str] | None, occurring: set[str]) -> None:
    if unknown := sorted(set(wanted or ()) - occurring):
        raise DataError(f"data.{key}: no recording of {', '.join(unknown)}; there are {', '.join(sorted(occurring))}")


def _skeleton(config: DataConfig, entries: Sequence[Recording | Unread]) -> Skeleton:
    """The skeleton of all recordings.

    Raises:
        DataError: If two have different ones, or it is not known before a recording is read.
    """
    read = [entry for entry in entries if isinstance(entry, Recording | Spooled)]
    if len(read) < len(entries):
        raise DataError(f"data._target_={target_of(config)}: its attribute skeleton must say whose joints files name")
    for recording in read:
        if recording.skeleton != read[0].skeleton:
            raise DataError(
                f"{_where(config)}: recording {recording.name!r} has the skeleton {recording.skeleton.name}, "
                f"{read[0].name!r} has {read[0].skeleton.name}; all must have one"
            )
    return read[0].skeleton
