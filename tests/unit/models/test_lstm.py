import pytest
import torch

from gesturelab.config.composing import compose, options
from gesturelab.config.training import LSTMConfig, Pooling
from gesturelab.models.flops import _count, flops_per_window, on_meta_device
from gesturelab.models.lstm import LSTMClassifier
from gesturelab.models.network import count_parameters
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2

PARAMETERS = {
    "tiny": (503_109, 500_000),
    "small": (1_528_009, 1_500_000),
    "medium": (3_949_669, 4_000_000),
    "large": (10_891_053, 11_000_000),
    "xlarge": (20_118_981, 20_000_000),
    "xxlarge": (35_026_581, 35_000_000),
}


@pytest.fixture(autouse=True)
def _same_weights_each_time():
    """So small a head can be born with all of its ReLU units dead; these weights are not."""
    torch.manual_seed(0)


def model(**changes):
    plain = {"hidden": 8, "layers": 2, "head_layers": 1, "dropout": 0.0}
    return {**plain, "bidirectional": False, "pooling": Pooling.last, "convolutions": 0, "stride": 1, **changes}


def test_every_size_is_listed_here():
    sizes = {name for name in options("model") if isinstance(compose([f"model={name}"]).model, LSTMConfig)}
    assert sizes == set(PARAMETERS)


@pytest.mark.parametrize("size", PARAMETERS)
def test_sizes_have_the_promised_number_of_parameters(size):
    config = compose([f"model={size}"])
    count = count_parameters(
        on_meta_device(config.model, Features(config.features, KINECT_V2), 9, config.window.length_frames)
    )
    pinned, promised = PARAMETERS[size]
    assert count == pinned
    assert abs(count - promised) <= 0.03 * promised


def test_sizes_differ_in_width_depth_head_and_dropout_only():
    sizes = [vars(compose([f"model={size}"]).model) for size in PARAMETERS]
    may_differ = {"name", "use_case", "hidden", "layers", "head_layers", "dropout"}
    for key in set(sizes[0]) - may_differ:
        assert len({str(size[key]) for size in sizes}) == 1, key


def test_parameters_counted_by_hand():
    # features 3 -> hidden 8: 3*8+8; LayerNorm 2*8; LSTM 4*(8*8 + 8*8 + 8 + 8);
    # head 8 -> 4: 8*4+4, BatchNorm 2*4; 4 -> 2: 4*2+2
    by_hand = 32 + 16 + 4 * (64 + 64 + 16) + 36 + 8 + 10
    assert count_parameters(LSTMClassifier(3, 2, **model(layers=1))) == by_hand


@pytest.mark.parametrize("pooling", list(Pooling))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_pooling_gives_logits_and_gradients_everywhere(pooling, bidirectional):
    network = LSTMClassifier(6, 3, **model(pooling=pooling, bidirectional=bidirectional))
    logits = network(torch.randn(5, 7, 6))
    assert logits.shape == (5, 3)
    logits.square().sum().backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    # BatchNorm removes any constant, so the bias before it cannot matter; a softmax ignores its own constant too
    assert set(without) <= {"head.0.bias", "attention.bias"}


def test_unidirectional_last_reads_the_whole_window_and_batches_do_not_mix():
    network = LSTMClassifier(6, 3, **model(head_layers=0)).eval()
    windows = torch.randn(4, 7, 6)
    assert torch.allclose(network(windows)[2:3], network(windows[2:3]), atol=1e-6)
    changed = windows.clone()
    changed[:, 0] += 1
    assert not torch.allclose(network(windows), network(changed))


@pytest.mark.parametrize(("convolutions", "stride", "left"), [(1, 1, 9), (1, 2, 5), (2, 2, 3), (3, 2, 2)])
def test_convolutions_leave_fewer_frames_to_the_recurrent_layers_and_still_see_both_ends(convolutions, stride, left):
    network = LSTMClassifier(
        6, 3, **model(convolutions=convolutions, stride=stride, pooling="mean", head_layers=0)
    ).eval()
    frames: list[int] = []
    network.layers[0].register_forward_hook(lambda _layer, inputs, _output: frames.append(inputs[0].shape[1]))
    windows = torch.randn(2, 9, 6)
    answer = network(windows)
    assert frames == [left]
    for frame in (0, -1):
        changed = windows.clone()
        changed[:, frame] += 1
        assert not torch.allclose(answer, network(changed), atol=1e-5)
    assert network(windows[:, :1]).shape == (2, 3)
    assert "convolutions" in network.non_causal_reason


@pytest.mark.parametrize("frame", [0, -1])
def test_bidirectional_last_sees_both_ends(frame):
    network = LSTMClassifier(6, 3, **model(bidirectional=True, layers=1, head_layers=0)).eval()
    windows = torch.randn(2, 9, 6)
    changed = windows.clone()
    changed[:, frame] += 1
    assert not torch.allclose(network(windows), network(changed), atol=1e-5)


def test_a_training_batch_of_one_does_not_crash():
    network = LSTMClassifier(6, 3, **model()).train()
    network(torch.randn(1, 7, 6)).sum().backward()
    assert torch.isfinite(network(torch.randn(1, 7, 6))).all()


def test_no_lstm_has_dropout_of_its_own():
    network = LSTMClassifier(6, 3, **model(dropout=0.5, layers=3))
    assert all(layer.dropout == 0 and layer.num_layers == 1 for layer in network.layers)


def test_operations_counted_by_hand():
    # per frame: projection 3*8, LSTM 4*8*(8+8); once: head 8*4 and 4*2; a multiplication and an addition each
    by_hand = 2 * (10 * (3 * 8 + 4 * 8 * 16) + 8 * 4 + 4 * 2)
    assert flops_per_window(LSTMClassifier(3, 2, **model(layers=1)), frames=10, features=3) == by_hand


@pytest.mark.parametrize(("convolutions", "frames"), [(1, 40), (1, 41), (2, 43)])
def test_operations_behind_convolutions_are_those_of_the_whole_window(convolutions, frames):
    network = LSTMClassifier(3, 2, **model(layers=1, convolutions=convolutions, stride=2))
    assert flops_per_window(network, frames, 3) == _count(network, frames, 3)


def test_summaries_go_past_the_lstm_and_reach_the_answer():
    network = LSTMClassifier(10, 3, **model(), window_features=4).eval()
    with torch.no_grad():
        features = torch.randn(2, 7, 10)
        answer = network(features)
        assert answer.shape == (2, 3)
        later = features.clone()
        later[:, 1:, 6:] = 99.0  # a summary is the same in each frame: the first one is read
        assert torch.equal(network(later), answer)
        other = features.clone()
        other[:, :, 6:] += 1.0
        assert not torch.allclose(network(other), answer)


def test_a_summary_far_outside_counts_as_its_edge():
    network = LSTMClassifier(5, 3, **model(), window_features=2).eval()
    far, farther = torch.zeros(1, 4, 5), torch.zeros(1, 4, 5)
    far[:, :, 3:], farther[:, :, 3:] = 5.0, 5000.0
    with torch.no_grad():
        assert torch.equal(network(far), network(farther))
