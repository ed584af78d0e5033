import itertools

import torch

from litseg.models import UNetS5D16


def test_the_parameters_counted_by_hand() -> None:
    """Of every convolution in x out x kernel; 2 numbers a channel for the batch norm after it; classifiers' biases."""
    widths = [64, 128, 256, 512, 1024]
    encoder = 3 * 64 * 9 + 64 * 64 * 9 + sum(9 * (a * b + b * b) for a, b in itertools.pairwise(widths))
    decoder = sum(b * a + 9 * (2 * a * a + a * a) for a, b in itertools.pairwise(widths))
    norms = 2 * (2 * sum(widths) + 3 * sum(widths[:-1]) + 64 + 64)
    heads = 9 * 64 * 64 + 9 * 128 * 64 + 2 * (2 * 64 + 2)
    with torch.device("meta"):
        network = UNetS5D16(3, 2)
    assert encoder + decoder + norms + heads == 29_060_676
    assert sum(each.numel() for each in network.parameters()) == 29_060_676


def test_maps_of_both_heads_and_none_without() -> None:
    network = UNetS5D16(3, 2, base_channels=4)
    outputs = network(torch.randn(2, 3, 32, 48))
    assert [tuple(each.shape) for each in outputs] == [(2, 2, 32, 48), (2, 2, 16, 24)]
    assert network.eval()(torch.randn(1, 3, 32, 48)).shape == (1, 2, 32, 48)
    alone = UNetS5D16(3, 2, base_channels=4, auxiliary_head=False)
    assert alone(torch.randn(2, 3, 32, 48)).shape == (2, 2, 32, 48)


def test_the_deepest_map_is_a_sixteenth() -> None:
    network, sizes = UNetS5D16(1, 2, base_channels=4), []
    for stage in network.encoder:
        stage.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    network(torch.randn(2, 1, 32, 48))
    assert sizes == [(4, 32, 48), (8, 16, 24), (16, 8, 12), (32, 4, 6), (64, 2, 3)]


def test_the_first_weights() -> None:
    """He by fan-out: 3 x 3 and 64 channels out give sqrt(2 / 576); the classifiers 0.01."""
    torch.manual_seed(0)
    network = UNetS5D16(3, 2)
    convolutions = [each for each in network.modules() if isinstance(each, torch.nn.Conv2d)]
    assert abs(float(convolutions[0].weight.detach().std()) - (2 / (64 * 9)) ** 0.5) < 0.002
    classifiers = [each for each in convolutions if each.bias is not None]
    assert [each.weight.shape[0] for each in classifiers] == [2, 2]
    assert all(0.007 < float(each.weight.detach().std()) < 0.013 for each in classifiers)
