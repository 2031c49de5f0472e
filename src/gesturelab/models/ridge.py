"""A linear classifier that is solved for, not trained: the head of networks without gradients."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

ALPHAS = tuple(10 ** (-3 + 6 * step / 9) for step in range(10))
"""Strengths of the penalty that are tried, as the authors of ROCKET try them."""
PART = 4096
"""Inputs that are scaled at a time, so that there is no second copy of all values."""
ROUNDING = 1e-6
"""An input whose deviation is a smaller share of its mean is taken for constant."""


class RidgeHead(nn.Module):
    """Least squares to +1 for a window's class and -1 for others, with a penalty chosen by leaving each window out.

    What scikit-learn's ``StandardScaler(with_mean=False)`` and ``RidgeClassifierCV`` do. Logits are the distances from
    the planes, mostly within -1 and 1; calibration makes probabilities of them.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(classes, inputs))
        self.register_buffer("bias", torch.zeros(classes))

    def forward(self, values: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch classes"]:
        """The distance of each row from each class's plane."""
        return functional.linear(values, self.weight, self.bias)

    def fit(
        self, values: Float[Tensor, "rows inputs"], classes: Int64[Tensor, " rows"], unscaled: int | None = None
    ) -> None:
        """Solves for the weights.

        The squared errors of leaving each row out follow from one decomposition (G. Golub, M. Heath and G. Wahba,
        Technometrics 1979): of the rows' products where there are fewer rows than inputs, of the inputs' otherwise.
        Beside the values it needs memory for a few squares of the smaller of both numbers, in double precision.

        Args:
            values: What is classified.
            classes: The truth.
            unscaled: From this input on they stay as they are; those before are brought to deviation 1, None: all.
        """
        rows, inputs = values.shape
        mean, scale = values.mean(dim=0), torch.ones_like(values[0])
        scale[:unscaled] = values[:, :unscaled].std(dim=0, correction=0)
        scale[scale <= ROUNDING * mean.abs()] = 1
        targets = 2 * functional.one_hot(classes, len(self.bias)).double() - 1
        offset = targets.mean(dim=0)
        targets = targets - offset

        def centred() -> Iterator[Float[Tensor, "rows part"]]:
            for part, centre, size in zip(values.split(PART, dim=1), mean.split(PART), scale.split(PART), strict=True):
                yield (part - centre) / size

        few = rows <= inputs
        # the left singular vectors times the singular values, and what of the targets lies along them
        if few:
            products = values.new_zeros(rows, rows)
            for part in centred():
                products.addmm_(part, part.T)
            sizes, vectors = torch.linalg.eigh(products.double())
            along = vectors
        else:
            whole = torch.cat(list(centred()), dim=1)
            sizes, vectors = torch.linalg.eigh((whole.T @ whole).double())
            along = whole.double() @ vectors
        sizes = sizes.clamp(min=0)
        shares, squares = along.T @ targets, along.square()
        best, chosen = torch.inf, ALPHAS[0]
        for alpha in ALPHAS:
            if few:
                residuals = along @ (shares * (alpha / (sizes + alpha))[:, None])
                leverage = squares @ (sizes / (sizes + alpha))
            else:
                residuals = targets - along @ (shares / (sizes + alpha)[:, None])
                leverage = squares @ (1 / (sizes + alpha))
            left_out = residuals / (1 - 1 / rows - leverage)[:, None]
            error = float(left_out.square().mean())
            if error < best:
                best, chosen = error, alpha
        solved = shares / (sizes + chosen)[:, None]
        if few:
            dual = (along @ solved).to(values)
            weight = torch.cat([part.T @ dual for part in centred()]).double()
        else:
            weight = vectors @ solved
        weight = weight.T / scale
        self.weight.copy_(weight)
        self.bias.copy_(offset - weight @ mean.double())
