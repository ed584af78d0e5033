import itertools

import torch
import torch.nn.functional as F

from litseg.models import FCN8s


def test_scores_begin_at_zero_and_are_enlarged_as_bilinear_interpolation() -> None:
    network = FCN8s(3, 4, widths=(4, 4, 4, 4, 4), wide=8).eval()
    with torch.no_grad():
        assert not network(torch.randn(1, 3, 32, 64)).any()
        for layer, factor in zip(network.enlarged, (2, 2, 8), strict=True):
            scores = torch.randn(1, 4, 5, 6)
            expected = F.interpolate(scores, scale_factor=factor, mode="bilinear", align_corners=False)
            inner = (..., slice(factor, -factor), slice(factor, -factor))  # at the border theirs repeats, ours is 0
            assert torch.allclose(layer(scores)[inner], expected[inner], atol=1e-5)


def test_each_depth_has_its_say() -> None:
    """A constant score of one depth is the logit of the class away from the border, of three depths their sum."""
    network = FCN8s(3, 2, widths=(4, 4, 4, 4, 4), wide=8).eval()
    with torch.no_grad():
        for score, value in zip(network.scores, (1.0, 10.0, 100.0), strict=True):
            score.get_parameter("bias")[1] = value
        logits = network(torch.randn(1, 3, 160, 160))
    assert torch.allclose(logits[0, :, 64:96, 64:96], torch.tensor([0.0, 111.0]).view(2, 1, 1).expand(2, 32, 32))


def test_the_parameters_counted_by_hand() -> None:
    """VGG-16's 13 convolutions and the two wide layers with batch norm, scores, transposed convolutions."""
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    vgg = sum(9 * a * b + 2 * b for a, b in itertools.pairwise(widths))
    wide = 9 * 512 * 512 + 512 * 512 + 4 * 512
    rest = 2 * (512 + 512 + 256 + 3) + 2 * 2 * (16 + 16 + 256)
    with torch.device("meta"):
        network = FCN8s(3, 2)
    assert vgg + wide + rest == sum(each.numel() for each in network.parameters()) == 17_346_118
