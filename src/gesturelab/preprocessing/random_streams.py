"""Random numbers for windows: from one generator, or from one for each of several models whose windows lie in a row."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


class Stream:
    """The numbers of one generator."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def rand(self, rows: int, *shape: int) -> Tensor:
        """Numbers in [0, 1)."""
        return torch.rand(rows, *shape, generator=self._generator, device=self._generator.device)

    def randn(self, rows: int, *shape: int) -> Tensor:
        """Normal numbers."""
        return torch.randn(rows, *shape, generator=self._generator, device=self._generator.device)


class Streams:
    """Several generators, each drawing for its own model's windows what it would draw for them alone.

    Args:
        generators: One a model.
        counts: How many windows each model has.
        most: How many rows each model takes; those beyond its windows are zero.
    """

    def __init__(self, generators: Sequence[Generator], counts: Sequence[int], most: int) -> None:
        self._streams = [Stream(generator) for generator in generators]
        self._counts = counts
        self._most = most

    def rand(self, rows: int, *shape: int) -> Tensor:
        """Numbers in [0, 1)."""
        drawn = [stream.rand(count, *shape) for stream, count in zip(self._streams, self._counts, strict=True)]
        return self._filled(drawn, rows)

    def randn(self, rows: int, *shape: int) -> Tensor:
        """Normal numbers."""
        drawn = [stream.randn(count, *shape) for stream, count in zip(self._streams, self._counts, strict=True)]
        return self._filled(drawn, rows)

    def _filled(self, drawn: list[Tensor], rows: int) -> Tensor:
        assert rows == self._most * len(drawn), "every model has as many rows"
        empty = [part.new_zeros(self._most - len(part), *part.shape[1:]) for part in drawn]
        return torch.cat([each for both in zip(drawn, empty, strict=True) for each in both])


Draws = Stream | Streams
