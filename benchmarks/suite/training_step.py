"""Item 2: a training step through Lightning, as users run it, against a bare loop and against the original's way.

All three take turns within one training, a few steps each, so that whatever else the machine does hits them alike; the
ratio is the median over the turns. Each way begins its turn with a step that does not count: it finds caches and memory
as another way left them. Time is processor time, of all threads, also that of the matrix product which
rates are shares of: waiting for other programs does not count.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

import torch
from lightning.pytorch import Callback
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

from gesturelab.config.options import to_plain
from gesturelab.config.training import TrainConfig
from gesturelab.datasets.load import load
from gesturelab.models.flops import flops_per_window
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.training.build import make_data, make_module, make_scaler, make_trainer
from gesturelab.training.datamodule import GestureData, TrainingLoader, WindowLoader
from gesturelab.training.experiment import quiet_lightning
from gesturelab.training.metrics_csv import MetricsCsv
from gesturelab.training.optimizers import cosine_share, make_optimizer
from gesturelab.training.trackers.guard import Guarded
from suite.machine import matrix_gflops
from suite.row import Row
from suite.settings import SIZES, Form, Settings

LOOP_GOAL, LOOP_BOUND = 0.95, 0.8
ORIGINAL_GOAL, ORIGINAL_BOUND = 2.0, 1.0
LIMIT_GOAL = 0.8
ORIGINAL_BATCH = 16
ORIGINAL_WINDOWS = 1024
CPU = torch.device("cpu")


class Way(Protocol):
    """A way to train, a few steps at a time."""

    def train(self, windows: int) -> None:
        """Trains on about so many windows."""


class BareLoop:
    """The same network, data, optimizer and schedule in a loop of PyTorch alone."""

    def __init__(
        self, config: TrainConfig, data: GestureData, scaler: Scaler, bf16: bool = False, device: torch.device = CPU
    ) -> None:
        self.bf16 = bf16
        self.device = device
        store = FrameStore(data.dataset, data.windows, device)
        batch = config.trainer.batch_size
        self.loader = TrainingLoader(store, data.subsets.train, batch, augment=data.augment, seed=config.seed)
        self.batches = iter(self.loader)
        self.network = make_module(config, data, scaler).recogniser.to(device).train()
        self.optimizer = make_optimizer(self.network, to_plain(config.optimizer))
        steps = config.trainer.max_epochs * len(self.loader)
        shape = (config.scheduler.warmup_fraction, config.scheduler.final_fraction)
        self.schedule = LambdaLR(self.optimizer, lambda step: cosine_share(step, steps, *shape))
        self.config = config

    def train(self, windows: int) -> None:
        """Trains on so many windows."""
        while windows > 0:
            batch = next(self.batches, None)
            if batch is None:
                self.batches = iter(self.loader)
                continue
            smoothing = self.config.loss.label_smoothing
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                logits = self.network(batch.positions)
            loss = functional.cross_entropy(logits.float(), batch.classes, label_smoothing=smoothing)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.trainer.gradient_clip_norm or 1e9)
            self.optimizer.step()
            self.schedule.step()
            windows -= len(batch.classes)


class OriginalLoop:
    """The original's way: features of every window made before, TensorDataset, DataLoader, batch 16, ``.item()``.

    On a network of ours of the same size, without augmentation, so that only the way differs. Batches are copied to
    the device one by one.
    """

    def __init__(self, config: TrainConfig, data: GestureData, scaler: Scaler, device: torch.device = CPU) -> None:
        self.device = device
        store = FrameStore(data.dataset, data.windows, CPU)
        recogniser = make_module(config, data, scaler).recogniser
        batches = list(WindowLoader(store, data.subsets.train[:ORIGINAL_WINDOWS], 256))
        with torch.no_grad():
            mean, deviation = recogniser.mean, recogniser.deviation
            features = torch.cat([(recogniser.features(batch.positions) - mean) / deviation for batch in batches])
        gestures = torch.cat([batch.classes for batch in batches])
        self.loader = DataLoader(TensorDataset(features, gestures), batch_size=ORIGINAL_BATCH, shuffle=True)
        self.batches = iter(self.loader)
        self.network = recogniser.classifier.to(device).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.loss = 0.0
        self.correct = 0.0

    def train(self, windows: int) -> None:
        """Trains on so many windows."""
        while windows > 0:
            batch = next(self.batches, None)
            if batch is None:
                self.batches = iter(self.loader)
                continue
            features, gestures = (values.to(self.device) for values in batch)
            logits = self.network(features)
            loss = functional.cross_entropy(logits, gestures)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.loss += loss.item()
            self.correct += (logits.argmax(dim=1) == gestures).sum().item()
            windows -= len(gestures)


class EnoughError(Exception):
    """Ends the training."""


@dataclass
class TakeTurns(Callback):
    """Between steps of a Lightning training, lets other ways train on as many windows.

    Attributes:
        others: The other ways.
        steps: Of Lightning in a turn.
        turns: How many at most, beside a first one that does not count.
        seconds: Ends after so long, if there were two turns.
        batch: Windows in a step of Lightning.
        clock: Takes the time of each turn.
        limit: What a matrix product reaches, 10^9 operations a second; measured after each turn.
        lightning: Seconds of each turn.
        other: The same of the other ways.
        gflops: Of a matrix product after each turn.
    """

    others: dict[str, Way]
    steps: int
    turns: int
    seconds: float
    batch: int
    clock: Callable[[], float] = time.process_time
    limit: Callable[[], float] = lambda: matrix_gflops(torch.float32, clock=time.process_time)
    lightning: list[float] = field(default_factory=list)
    other: dict[str, list[float]] = field(default_factory=dict)
    gflops: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began, self._since = time.perf_counter(), 0.0
        self._done = -1
        self._warm = False

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """A turn lies within an epoch: what an epoch costs is another item."""
        self._done = -1

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Ends Lightning's turn when it is over."""
        self._done += 1
        if self._done == 0:
            self._since = self.clock()
        if self._done < self.steps or len(batch.classes) < self.batch:
            return
        taken = self.clock() - self._since
        others: dict[str, float] = {}
        for name, way in self.others.items():
            way.train(self.batch)
            began = self.clock()
            way.train(self.steps * self.batch)
            others[name] = self.clock() - began
        if self._warm:
            self.lightning.append(taken)
            for name, seconds in others.items():
                self.other.setdefault(name, []).append(seconds)
            self.gflops.append(self.limit())
        self._warm = True
        late = time.perf_counter() - self._began > self.seconds and len(self.lightning) >= 2
        if late or len(self.lightning) >= self.turns:
            raise EnoughError
        self._done = -1

    def ratio(self, slower: str, faster: str) -> float:
        """How many times as many windows a second one of the other ways trains on; the median over the turns."""
        return median(one / other for one, other in zip(self.other[slower], self.other[faster], strict=True))

    def faster_than(self, name: str) -> float:
        """How many times as many windows a second Lightning trains on; the median over the turns."""
        return median(other / own for own, other in zip(self.lightning, self.other[name], strict=True))

    @property
    def windows_a_second(self) -> float:
        """Of Lightning's fastest turn."""
        return self.steps * self.batch / min(self.lightning)


def measure(
    settings: Settings, config: TrainConfig, *, steps: int, turns: int, seconds: float, original: bool = True
) -> tuple[TakeTurns, float]:
    """Trains one size with one batch; also gives the operations of a window's training."""
    quiet_lightning()
    data = make_data(config, load(config.data))
    scaler = make_scaler(config, data)
    ways: dict[str, Way] = {"bare": BareLoop(config, data, scaler)}
    if original:
        ways["original"] = OriginalLoop(config, data, scaler)
    if settings.form is not Form.short:
        ways["bf16"] = BareLoop(config, data, scaler, bf16=True)
    turn = TakeTurns(ways, steps, turns, seconds, config.trainer.batch_size)
    folder = settings.scratch / f"step-{config.model.name}-{config.trainer.batch_size}"
    trainer = make_trainer(
        config, "cpu", folder, folder / "checkpoints", [Guarded("csv", MetricsCsv(folder))], progress_bar=False
    )
    trainer.callbacks.append(turn)
    module = make_module(config, data, scaler)
    with suppress(EnoughError):
        trainer.fit(module, datamodule=data)
    return turn, training_flops(config, module.recogniser.classifier, len(scaler.names))


def training_flops(config: TrainConfig, network: nn.Module, features: int) -> int:
    """Operations of a window's training: forwards, and backwards for weights and inputs."""
    frames = config.window.length_frames
    first = 2 * frames * features * config.model.hidden  # the input needs no gradient
    return 3 * flops_per_window(network, frames, features) - first


def rows(settings: Settings) -> list[Row]:
    """A row for each size, batch and reference."""
    sizes = SIZES[:1] if settings.form is Form.short else settings.sizes
    found: list[Row] = []
    for size in sizes:
        batches = (16, 64, 256) if settings.form is Form.full and size in SIZES[:3] else (64,)
        for batch in batches:
            config = settings.config(
                f"model={size}", f"trainer.batch_size={batch}", "trainer.max_epochs=1000", "callbacks=none"
            )
            steps = max(1, 128 // batch) if size == "tiny" else 1
            turns, seconds = {Form.short: (8, 30.0), Form.normal: (16, 90.0), Form.full: (24, 180.0)}[settings.form]
            turn, flops = measure(settings, config, steps=steps, turns=turns, seconds=seconds)
            found += _of(size, batch, turn, flops)
    return found


def _of(size: str, batch: int, turn: TakeTurns, flops: float) -> list[Row]:
    default = batch == 64
    windows = turn.windows_a_second
    limit = max(turn.gflops)
    share = windows * flops / limit / 1e9
    what = f"{size}, batch {batch}: Lightning against"
    note = f"{windows:.0f} windows in a second of processor time, {len(turn.lightning)} turns"
    original = f"{note}; original's way: batch {ORIGINAL_BATCH}"
    pairs = {
        "bf16 (trainer.precision=bf16) against float32, bare loops": ("bare", "bf16"),
        "bf16 against the original's way, bare loop": ("original", "bf16"),
    }
    extra = [
        Row("step", f"{size}, batch {batch}: {pair}", turn.ratio(slower, faster), higher=True)
        for pair, (slower, faster) in pairs.items()
        if {slower, faster} <= turn.other.keys()
    ]
    return [
        *extra,
        Row(
            "step",
            f"{what} a bare loop",
            turn.faster_than("bare"),
            LOOP_GOAL if default else None,
            LOOP_BOUND,
            True,
            note,
        ),
        Row(
            "step",
            f"{what} the original's way",
            turn.faster_than("original"),
            ORIGINAL_GOAL if default else None,
            ORIGINAL_BOUND if default and size == "tiny" else None,
            True,
            original,
        ),
        Row(
            "step",
            f"{size}, batch {batch}: share of the float32 matrix product",
            share,
            LIMIT_GOAL if default and size != "tiny" else None,
            None,
            True,
            f"{windows * flops / 1e9:.0f} of {limit:.0f} GFLOP in a second of processor time",
        ),
    ]
