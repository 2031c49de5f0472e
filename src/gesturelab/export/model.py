"""A trained model in use: positions in, answers out. It needs neither Hydra nor Lightning."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64

from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.datasets.formats.files import FASTEST_HZ, SLOWEST_HZ
from gesturelab.datasets.recording import Dataset, Recording, pack
from gesturelab.errors import BundleError, ConfigError, DataError, RecordingError
from gesturelab.evaluation.calibration import with_temperature
from gesturelab.evaluation.unknown import NONE_OF_THESE
from gesturelab.evaluation.windows import WindowSeries, combine_windows
from gesturelab.export.contents import Contents, from_plain
from gesturelab.models.known_gestures import KnownGestures, score_positions
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.windows import Windows, cut_windows
from gesturelab.progress import show_progress
from gesturelab.skeletons.skeleton import Skeleton

WINDOWS_AT_ONCE, FRAMES_AT_ONCE = 128, 65_536
"""In a batch; answers do not depend on it."""

NEARLY = 0.02
"""Rates that differ by less, as a share, are taken for the same."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to one recording.

    Attributes:
        label: The most probable class; `gesturelab.evaluation.unknown.NONE_OF_THESE` where that was asked for and the
            movement is like none.
        confidence: Its calibrated probability: by the temperature that was fitted on validation people, of the answers
            with a confidence of 0.8 about 80 % should be right.
        unsure: Whether the confidence is below the model's threshold.
        classes: What the model tells apart.
        values: Probability of each class, the mean over the windows, as in the run's predictions file: not calibrated.
        windows: The windows in order of time, with their seconds and probabilities (not calibrated either).
        frames: In the recording.
        seconds: How long it lasts.
    """

    label: str
    confidence: float
    unsure: bool
    classes: tuple[str, ...]
    values: Float64[np.ndarray, " classes"]
    windows: WindowSeries
    frames: int
    seconds: float

    @property
    def probabilities(self) -> dict[str, float]:
        """The probability of each class by name; not calibrated."""
        return dict(zip(self.classes, self.values.tolist(), strict=True))

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes and their probabilities, best first."""
        best = np.argsort(-self.values, kind="stable")[:count].tolist()
        return [(self.classes[place], float(self.values[place])) for place in best]


class Model:
    """A trained model, ready to answer.

    Attributes:
        contents: What it is and how it was tested.
        recogniser: The network with features and scaler, on the CPU.
        known: Where the gestures lie that it knows; None where that was not fitted.
        none_of_these: Whether movements that are like none of them get that answer (see `refuse_unknown`).
    """

    none_of_these = False

    def __init__(self, contents: Contents, recogniser: Recogniser, known: KnownGestures | None = None) -> None:
        self.contents = contents
        self.known = known
        self.recogniser = recogniser.eval().requires_grad_(False)

    @property
    def classes(self) -> tuple[str, ...]:
        """What it tells apart."""
        return self.contents.classes

    @property
    def skeleton(self) -> Skeleton:
        """The joints that a recording must have, in this order."""
        return self.contents.skeleton

    @property
    def warnings(self) -> list[str]:
        """What must be said wherever its numbers appear."""
        return self.contents.warnings

    def refuse_unknown(self) -> None:
        """From now on movements that are like no class are answered with "none of these".

        Raises:
            ConfigError: If the model cannot tell.
        """
        if isinstance(self, OnnxModel):
            raise ConfigError("an ONNX graph cannot tell unknown movements: take the model.zip it was made from")
        if self.known is None:
            raise ConfigError(
                "the model has no threshold for unknown movements: it is from an earlier version of gesturelab, tells "
                "correctness, or its network has no linear last layer; train it again, or ask without 'none of these'"
            )
        self.none_of_these = True

    def predict(self, positions: Any, rate_hz: float) -> Prediction:
        """The answer to one recording.

        Args:
            positions: Joint positions in metres, (frames, joints, 3): y up, z away from the sensor; joints as in
                `skeleton`. Any array or nested list of numbers.
            rate_hz: Frames a second.

        Raises:
            RecordingError: If there is no frame, another number of joints, a value that is not finite or not possible,
                or a rate that is none.
        """
        return self.predict_many([(positions, rate_hz)])[0]

    def predict_many(self, those: Iterable[tuple[Any, float]]) -> list[Prediction]:
        """The answers to many recordings, each positions and frames a second, in the same order.

        Raises:
            RecordingError: As `predict`; the message begins with the recording's number, from 1, if there are several.
        """
        recordings: list[Recording] = []
        inputs = list(those)
        for number, (positions, rate_hz) in enumerate(inputs, 1):
            try:
                recordings.append(self.recording(positions, rate_hz))
            except RecordingError as error:
                raise error if len(inputs) == 1 else RecordingError(f"recording {number}: {error}") from error
        return self.answer(recordings)

    def recording(self, positions: Any, rate_hz: float, name: str = "recording") -> Recording:
        """Positions as a recording that this model can answer.

        Raises:
            RecordingError: If it cannot; the message is the reason.
        """
        array, rate = self._array(positions), _rate(rate_hz)
        recording = Recording(name, array, rate, "", self.classes[0], skeleton=self.skeleton)
        self.refuse_other_rate(rate)
        if self.contents.window.short is Short.drop:
            try:
                self._windows([recording])
            except DataError as error:
                raise RecordingError(f"it is shorter than a window: {error}") from error
        return recording

    def answer(self, recordings: Sequence[Recording]) -> list[Prediction]:
        """The answers to recordings that `recording` made, in the same order."""
        if not recordings:
            return []
        dataset, windows = self._windows(recordings)
        rows = self.rows(dataset, windows)
        _, combined = combine_windows(windows.recording, rows)
        rates_hz = dataset.rates_hz[windows.recording]
        start, step = windows.start.astype(np.float64), windows.step.astype(np.float64)
        end = np.minimum(start + step * (windows.length_frames - 1), dataset.frame_counts[windows.recording] - 1)
        predictions: list[Prediction] = []
        unknown = self._unknown(dataset, windows) if self.none_of_these else [False] * len(combined)
        for place, (values, confidence) in enumerate(zip(combined, self.confidence(combined).tolist(), strict=True)):
            own = windows.recording == place
            frames = int(dataset.frame_counts[place])
            predictions.append(
                Prediction(
                    label=NONE_OF_THESE if unknown[place] else self.classes[int(values.argmax())],
                    confidence=confidence,
                    unsure=confidence < self.contents.unsure_below,
                    classes=self.classes,
                    values=values,
                    windows=WindowSeries((start / rates_hz)[own], (end / rates_hz)[own], rows[own]),
                    frames=frames,
                    seconds=frames / float(dataset.rates_hz[place]),
                )
            )
        return predictions

    def windows(self, recordings: Sequence[Recording]) -> Float[torch.Tensor, "windows frames joints 3"]:
        """The windows of recordings that `recording` made, in order."""
        dataset, windows = self._windows(recordings)
        return FrameStore(dataset, windows, torch.device("cpu")).gather(torch.arange(len(windows))).positions

    def rows(self, dataset: Dataset, windows: Windows) -> Float64[np.ndarray, "windows classes"]:
        """Probabilities of windows over recordings."""
        return over_windows(self.recogniser.probabilities, dataset, windows)

    def _unknown(self, dataset: Dataset, windows: Windows) -> list[bool]:
        """Whether each recording is like no class."""
        known, most = self.known, self.contents.unknown_above
        assert known is not None
        assert most is not None
        score = partial(score_positions, known, self.recogniser)
        scores = over_windows(score, dataset, windows)[:, None]
        return (combine_windows(windows.recording, scores)[1][:, 0] > most).tolist()

    def probabilities(
        self, windows: Float[np.ndarray, "batch frames joints 3"] | Float[torch.Tensor, "batch frames joints 3"]
    ) -> Float32[np.ndarray, "batch classes"]:
        """Probabilities of windows that are cut already: ``window.length_frames`` positions at the window's rate."""
        with torch.inference_mode():
            return self.recogniser.probabilities(torch.as_tensor(windows, dtype=torch.float32)).numpy()

    def confidence(self, values: Float64[np.ndarray, "rows classes"]) -> Float64[np.ndarray, " rows"]:
        """The calibrated probability of the most probable class of each row."""
        return with_temperature(values, self.contents.temperature).max(axis=1)

    def refuse_other_rate(self, rate_hz: float) -> None:
        """Windows that take frames as they come know one rate only; with others they would last another time.

        Raises:
            RecordingError: If it is another rate.
        """
        window, own = self.contents.window, self.contents.rate_hz
        as_they_come = window.span is Span.sliding and window.rate_hz is None
        if as_they_come and abs(rate_hz / own - 1) > NEARLY:
            raise RecordingError(
                f"its rate is {rate_hz:g} frames a second; this model (window.rate_hz=null) takes frames as they come, "
                f"{own:g} a second: bring the recording to that rate"
            )

    def _array(self, positions: Any) -> Float32[np.ndarray, "frames joints 3"]:
        try:
            array = np.asarray(positions, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise RecordingError(f"its positions are no array of numbers: {error}") from error
        joints = len(self.skeleton.joints)
        if array.ndim == 3 and len(array) == 0:
            raise RecordingError("it holds no frames")
        if array.ndim != 3 or array.shape[1:] != (joints, 3):
            shape = " x ".join(map(str, array.shape)) or "a single number"
            raise RecordingError(
                f"its positions have shape {shape}; the model needs frames x {joints} x 3: "
                f"the {joints} joints of {self.skeleton.name}, each x, y and z in metres"
            )
        return array

    def _windows(self, recordings: Sequence[Recording]) -> tuple[Dataset, Windows]:
        """In order of the recordings."""
        numbered = [
            Recording(f"{number:09d}", recording.positions, recording.rate_hz, "", self.classes[0])
            for number, recording in enumerate(recordings)
        ]
        dataset = pack(
            numbered,
            source="use",
            synthetic=False,
            gesture_names=self.classes,
            mirrored_gestures=range(len(self.classes)),
            fingerprint="",
            skeleton=self.skeleton,
        )
        return dataset, cut_windows(dataset, self.contents.window)


def over_windows(
    compute: Callable[[torch.Tensor], torch.Tensor],
    dataset: Dataset,
    windows: Windows,
    index: Int64[np.ndarray, " windows"] | None = None,
    device: torch.device | None = None,
    at_once: int = WINDOWS_AT_ONCE,
) -> Float64[np.ndarray, "windows *numbers"]:
    """What is computed of each window's positions, some windows at a time.

    Args:
        compute: From positions to a row for each window.
        dataset: The recordings.
        windows: Over them.
        index: Which windows; None: all.
        device: Where positions are; None: on the CPU.
        at_once: So many windows at most.
    """
    store = FrameStore(dataset, windows, device or torch.device("cpu"))
    chosen = torch.arange(len(windows)) if index is None else torch.from_numpy(index)
    at_once = max(min(at_once, FRAMES_AT_ONCE // windows.length_frames), 1)
    with torch.inference_mode():
        indices = show_progress(chosen.to(store.device).split(at_once), "answering, batches of windows")
        batches = (store.gather(each).positions for each in indices)
        return torch.cat([compute(each).cpu() for each in batches]).numpy().astype(np.float64)


def _rate(rate_hz: Any) -> float:
    try:
        rate = float(rate_hz)
    except (TypeError, ValueError):
        raise RecordingError(f"its rate is {rate_hz!r}, not a number of frames a second") from None
    if not SLOWEST_HZ <= rate <= FASTEST_HZ:
        raise RecordingError(
            f"its rate is {rate:g} frames a second; it must be a number from {SLOWEST_HZ:g} to {FASTEST_HZ:g}"
        )
    return rate


def has_rate(config: WindowConfig) -> bool:
    """Whether the frames a second of a recording matter."""
    return config.span is Span.sliding and config.rate_hz is not None


class OnnxModel(Model):
    """As `Model`, with a graph in place of the network: onnxruntime does the arithmetic, torch none of it."""

    def __init__(self, contents: Contents, running: Any) -> None:
        self.contents = contents
        self.known = None
        self.running = running

    def rows(self, dataset: Dataset, windows: Windows) -> Float64[np.ndarray, "windows classes"]:
        """Probabilities of the windows of each recording, as the graph cuts them."""
        recordings = (dataset[number] for number in range(len(dataset)))
        answers = [self.run(recording.positions[None], recording.rate_hz)[1][0] for recording in recordings]
        rows = np.concatenate(answers).astype(np.float64)
        if len(rows) != len(windows) or rows.shape[1] != len(self.classes):
            raise BundleError("the graph does not cut the windows that its description says")
        return rows

    def probabilities(
        self, windows: Float[np.ndarray, "batch frames joints 3"] | Float[torch.Tensor, "batch frames joints 3"]
    ) -> Float32[np.ndarray, "batch classes"]:
        """Probabilities of windows that are cut already: to the graph each is a recording at the window's rate."""
        return self.run(np.asarray(windows, dtype=np.float32), self.contents.window.rate_hz)[1][:, 0]

    def run(
        self, positions: Float32[np.ndarray, "batch frames joints 3"], rate_hz: float | None
    ) -> tuple[Float32[np.ndarray, "batch classes"], Float32[np.ndarray, "batch windows classes"]]:
        """Probabilities of recordings of one length, and of their windows, as the graph gives them."""
        inputs: dict[str, np.ndarray] = {"positions": positions}
        if has_rate(self.contents.window):
            inputs["rate_hz"] = np.array(rate_hz, dtype=np.float64)
        try:
            return tuple(self.running.run(["probabilities", "window_probabilities"], inputs))
        except Exception as error:  # onnxruntime's errors have no class in common
            raise BundleError(f"the graph cannot be run: {str(error)[:200]}") from error


def session(graph: bytes | str) -> Any:
    """A graph, or the file of one, ready to run on as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # an input with a default is meant; what fails is raised
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def load_onnx(path: Path) -> OnnxModel:
    """A graph that ``gesturelab export --format onnx`` wrote.

    Raises:
        BundleError: If it is damaged or from elsewhere.
        ConfigError: If onnxruntime is not installed.
    """
    if not path.is_file():
        raise BundleError(f"{path} does not exist")
    try:
        running = session(str(path))
    except ModuleNotFoundError as error:
        raise ConfigError(f"{path} needs the package onnxruntime: pip install 'gesturelab[export]'") from error
    except Exception as error:
        # onnxruntime has an error class for each of its states, all below Exception
        raise BundleError(f"{path} is no ONNX graph that can be run: {str(error)[:200]}") from error
    metadata = cast(dict[str, str], running.get_modelmeta().custom_metadata_map)
    if "gesturelab.state" in metadata:
        raise BundleError(f"{path} takes a frame and a state (--stateful), not recordings: export it without")
    if "gesturelab.bundle" not in metadata:
        raise BundleError(f"{path} is an ONNX graph, but not one of 'gesturelab export': it has no description")
    try:
        return OnnxModel(from_plain(json.loads(metadata["gesturelab.bundle"])), running)
    except (ValueError, RecursionError, BundleError) as error:
        raise BundleError(f"{path}: {error}") from error
