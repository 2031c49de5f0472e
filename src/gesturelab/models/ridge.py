"""A linear classifier that is solved for, not trained: the head of networks without gradients."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

ALPHAS = tuple(10 ** (-3 + 6 * step / 9) for step in range(10))
"""Strengths of the penalty that are tried, as the authors of ROCKET try them."""


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

    def fit(self, values: Float[Tensor, "rows inputs"], classes: Int64[Tensor, " rows"]) -> None:
        """Solves for the weights.

        The squared errors of leaving each row out follow from one decomposition (G. Golub, M. Heath and G. Wahba,
        Technometrics 1979): of the rows' products where there are fewer rows than inputs, of the inputs' otherwise.
        """
        scale = values.std(dim=0, correction=0)
        scale[scale == 0] = 1
        rows, inputs = values.shape
        mean = values.mean(dim=0)
        centred = (values - mean) / scale
        targets = 2 * functional.one_hot(classes, len(self.bias)).double() - 1
        offset = targets.mean(dim=0)
        targets = targets - offset
        few = rows <= inputs
        products = centred @ centred.T if few else centred.T @ centred
        sizes, vectors = torch.linalg.eigh(products.double())
        sizes = sizes.clamp(min=0)
        # the left singular vectors times the singular values, and what of the targets lies along them
        along = vectors if few else centred.double() @ vectors
        shares = along.T @ targets
        best, chosen = torch.inf, ALPHAS[0]
        for alpha in ALPHAS:
            if few:
                residuals = vectors @ (shares * (alpha / (sizes + alpha))[:, None])
                leverage = along.square() @ (sizes / (sizes + alpha))
            else:
                residuals = targets - along @ (shares / (sizes + alpha)[:, None])
                leverage = along.square() @ (1 / (sizes + alpha))
            left_out = residuals / (1 - 1 / rows - leverage)[:, None]
            error = float(left_out.square().mean())
            if error < best:
                best, chosen = error, alpha
        solved = vectors @ (shares / (sizes + chosen)[:, None])
        weight = (centred.double().T @ solved if few else solved).T / scale
        self.weight.copy_(weight)
        self.bias.copy_(offset - weight @ mean.double())
