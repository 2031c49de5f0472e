"""Windows that are under way, each with the state of its LSTM: a new frame is one step for all of them together.

A window that ends at each frame shares all but one of its frames with the window before, but not its state, for each
began from nothing at another frame. So every window that a frame belongs to is kept open, and the frame goes through
the network once for all, in one product with each weight; the arithmetic is that of one window, but weights are read
once and not once for each of its frames. The window that the frame completes goes first, so that its answer does not
wait for the others.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesturelab.config.training import Pooling
from gesturelab.models.causal import is_causal
from gesturelab.models.lstm import LSTMClassifier
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.augmentation import mirror


@dataclass(frozen=True, eq=False)
class _Rows:
    """Windows under way, oldest first; each has as many images (itself, and mirrored) as have a say.

    Attributes:
        ends: For each the tick of its last sample.
        hidden: Of each layer.
        cell: Of each layer.
        pooled: What the pooling has gathered.
        weight: For attention the largest score so far and the sum of weights relative to it.
    """

    ends: tuple[int, ...]
    hidden: Float[Tensor, "layers windows images hidden"]
    cell: Float[Tensor, "layers windows images hidden"]
    pooled: Float[Tensor, "windows images hidden"]
    weight: Float[Tensor, "2 windows images 1"]

    def __getitem__(self, which: slice) -> "_Rows":
        return _Rows(
            self.ends[which],
            self.hidden[:, which],
            self.cell[:, which],
            self.pooled[which],
            self.weight[:, which],
        )

    def and_one(self, end: int, empty: float) -> "_Rows":
        """With a window that begins now."""
        layers, _, images, hidden = self.hidden.shape
        nothing = self.hidden.new_zeros(layers, 1, images, hidden)
        none_yet = self.weight.new_tensor([-torch.inf, 0.0])[:, None, None, None].expand(2, 1, images, 1)
        return _Rows(
            (*self.ends, end),
            torch.cat([self.hidden, nothing], dim=1),
            torch.cat([self.cell, nothing], dim=1),
            torch.cat([self.pooled, self.pooled.new_full((1, images, hidden), empty)]),
            torch.cat([self.weight, none_yet], dim=1),
        )


@dataclass(frozen=True, eq=False)
class _Layer:
    """Weights of one LSTM, transposed; those of the first layer apart, as its input is the same for all windows."""

    of_input: Float[Tensor, "hidden gates"]
    of_state: Float[Tensor, "hidden gates"]
    both: Float[Tensor, "two_hidden gates"]
    bias: Float[Tensor, " gates"]


class Rolling:
    """The windows that end at every so many ticks of a clock.

    Ticks are ``phases`` times as fine as the samples of a window: a window that ends at tick t has its samples at t,
    t - phases, t - 2 phases, ... Their answers are those of `Recogniser.probabilities`, but for rounding.

    Args:
        recogniser: A causal one (`is_causal`), ready to answer.
        length_frames: Samples in a window.
        phases: Ticks from sample to sample.
        every: Ticks from the end of a window to the end of the next.
    """

    def __init__(self, recogniser: Recogniser, length_frames: int, phases: int = 1, every: int = 1) -> None:
        assert is_causal(recogniser), "a window of this network is not done step by step"
        assert isinstance(recogniser.classifier, LSTMClassifier)
        self.recogniser = recogniser
        self.classifier = recogniser.classifier
        self.every = every
        self.phases = phases
        self.length_frames = length_frames
        self.images = 1 if recogniser.mirrored_classes is None else 2
        self._layers = [_weights(layer) for layer in self.classifier.layers]
        self._empty = -torch.inf if self.classifier.pooling is Pooling.max else 0.0
        self.begin()

    def begin(self) -> None:
        """Forgets all windows; the next sample is at tick 0."""
        width = self._layers[0].of_state.shape[0]
        nothing = torch.zeros(len(self._layers), 0, self.images, width)
        rows = _Rows((), nothing, nothing, nothing[0], torch.zeros(2, 0, self.images, 1))
        self.tick = 0
        self._rows = [rows] * self.phases
        self._before: list[Tensor | None] = [None] * self.phases
        self._running: Tensor | None = None
        self._fresh: Tensor | None = None

    @property
    def under_way(self) -> int:
        """How many windows are open."""
        return sum(len(rows.ends) for rows in self._rows)

    @property
    def thinnest(self) -> bool:
        """Whether `thin` could leave no two windows that share a sample."""
        return 2 * self.every >= self.length_frames * self.phases

    def thin(self) -> None:
        """Puts more distance between windows: first that of samples, so that other ticks need no step; then double."""
        wider = math.lcm(self.every, self.phases)
        self.every = wider if wider > self.every else 2 * self.every
        for phase, rows in enumerate(self._rows):
            kept = [at for at, end in enumerate(rows.ends) if end % self.every == 0]
            self._rows[phase] = _Rows(
                tuple(rows.ends[at] for at in kept),
                rows.hidden[:, kept],
                rows.cell[:, kept],
                rows.pooled[kept],
                rows.weight[:, kept],
            )

    @torch.inference_mode()
    def answer(self, positions: Float[Tensor, "joints 3"]) -> Float[Tensor, " classes"] | None:
        """Takes the sample of the next tick; `settle` must follow.

        Returns:
            Probabilities of the window that ends with it; None if none does, because no more than its first part has
            passed or it was not asked for.
        """
        phase = self.tick % self.phases
        before, rows = self._before[phase], self._rows[phase]
        self._before[phase] = positions
        if rows.ends or self._begins:
            self._running, self._fresh = self._first_gates(positions if before is None else before, positions)
        if not rows.ends or rows.ends[0] != self.tick:
            return None
        done = self._step(rows[:1], fresh=False)
        self._rows[phase] = rows[1:]
        return self._probabilities(done)

    @torch.inference_mode()
    def settle(self) -> None:
        """Brings the windows that go on to the sample that `answer` took."""
        phase = self.tick % self.phases
        rows = self._rows[phase]
        begins = self._begins
        if begins:
            rows = rows.and_one(self._end, self._empty)
        if rows.ends:
            self._rows[phase] = self._step(rows, fresh=begins)
        self.tick += 1

    @property
    def _end(self) -> int:
        """The tick at which a window that begins now ends."""
        return self.tick + (self.length_frames - 1) * self.phases

    @property
    def _begins(self) -> bool:
        """Whether one begins now."""
        return self._end % self.every == 0

    def _first_gates(self, before: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        """What the first layer gets from a sample: in windows that are under way, and in one that begins with it."""
        pair = torch.stack([torch.stack([before, now]), torch.stack([now, now])])  # 2 frames joints 3
        if self.images == 2:
            pair = torch.cat([pair, mirror(pair, self.recogniser.features.skeleton)])
        features = (self.recogniser.features(pair)[:, 1] - self.recogniser.mean) / self.recogniser.deviation
        projected = self.classifier.projection(features)
        first = self._layers[0]
        gates = torch.addmm(first.bias, projected, first.of_input).unflatten(0, (self.images, 2))  # images 2 gates
        return gates[:, 0], gates[:, 1]

    def _step(self, rows: _Rows, *, fresh: bool) -> _Rows:
        """One step of all layers; the last of the windows begins with it where `fresh`."""
        assert self._running is not None
        assert self._fresh is not None
        count = len(rows.ends)
        gates = self._running.expand(count, -1, -1).clone()  # windows images gates
        if fresh:
            gates[-1] = self._fresh
        hidden, cell = torch.empty_like(rows.hidden), torch.empty_like(rows.cell)
        for at, layer in enumerate(self._layers):
            own = rows.hidden[at].flatten(0, 1)
            if at == 0:
                flat = torch.addmm(gates.flatten(0, 1), own, layer.of_state)
            else:
                flat = torch.addmm(layer.bias, torch.cat([hidden[at - 1].flatten(0, 1), own], dim=1), layer.both)
            into, forget, new, out = flat.unflatten(0, (count, self.images)).chunk(4, dim=-1)
            torch.addcmul(forget.sigmoid() * rows.cell[at], into.sigmoid(), new.tanh(), out=cell[at])
            torch.mul(out.sigmoid(), cell[at].tanh(), out=hidden[at])
        return self._pool(replace(rows, hidden=hidden, cell=cell), hidden[-1])

    def _pool(self, rows: _Rows, outputs: Float[Tensor, "windows images hidden"]) -> _Rows:
        attention = self.classifier.attention
        if attention is not None:
            score, (largest, total) = attention(outputs), rows.weight
            most = torch.maximum(largest, score)
            shrink, weight = (largest - most).exp(), (score - most).exp()
            return replace(
                rows,
                pooled=rows.pooled * shrink + weight * outputs,
                weight=torch.stack([most, total * shrink + weight]),
            )
        if self.classifier.pooling is Pooling.mean:
            return replace(rows, pooled=rows.pooled + outputs / self.length_frames)
        if self.classifier.pooling is Pooling.max:
            return replace(rows, pooled=torch.maximum(rows.pooled, outputs))
        return replace(rows, pooled=outputs)

    def _probabilities(self, done: _Rows) -> Float[Tensor, " classes"]:
        pooled = done.pooled[0]  # images hidden
        if self.classifier.attention is not None:
            pooled = pooled / done.weight[1, 0]
        said = self.classifier.head(pooled).softmax(dim=1)  # images classes
        swapped = self.recogniser.mirrored_classes
        return said[0] if swapped is None else (said[0] + said[1, swapped]) / 2


def _weights(layer: nn.Module) -> _Layer:
    assert isinstance(layer, nn.LSTM)
    own = {name: value.detach() for name, value in layer.named_parameters()}
    of_input, of_state = own["weight_ih_l0"].t().contiguous(), own["weight_hh_l0"].t().contiguous()
    return _Layer(of_input, of_state, torch.cat([of_input, of_state]), own["bias_ih_l0"] + own["bias_hh_l0"])
