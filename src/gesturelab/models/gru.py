"""A classifier of gated recurrent units: three gates and one state where an LSTM has four and two."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.models.lstm import RecurrentClassifier
from gesturelab.models.network import State


class GRUClassifier(RecurrentClassifier):
    """A `RecurrentClassifier` of GRUs (K. Cho et al., EMNLP 2014)."""

    recurrent = nn.GRU
    states_per_layer = 1

    def step_layer(self, layer: nn.LSTM | nn.GRU, gates: Float[Tensor, "rows gates"], state: State) -> State:
        """Hidden state after a frame."""
        (hidden,) = state
        reset, update, new = gates.chunk(3, dim=1)
        weight, bias = (layer.get_parameter(name) for name in ("weight_hh_l0", "bias_hh_l0"))
        own_reset, own_update, own_new = functional.linear(hidden, weight, bias).chunk(3, dim=1)
        candidate = (new + (reset + own_reset).sigmoid() * own_new).tanh()
        return (torch.lerp(candidate, hidden, (update + own_update).sigmoid()),)
