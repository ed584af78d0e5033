"""FCN-8s: a classifier at three depths, whose scores are enlarged and added."""

import torch
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 3, 3, 3)  # of each stage: VGG-16


class FCN8s(nn.Module):
    """FCN-8s on the five stages of VGG-16, with batch norm, for training from scratch.

    The last stage is followed by two wide layers, as VGG's fully connected ones, here of 3 x 3 and 1 x 1 and of 512
    channels (the paper: 7 x 7, 4096). Scores of strides 32, 16 and 8 are added from deep to shallow, each enlarged
    by a learned transposed convolution that begins as bilinear interpolation.

    Source: Long, Shelhamer, Darrell, Fully Convolutional Networks for Semantic Segmentation, arXiv 1411.4038,
    section 4.2; score layers begin at 0, as there, the others at He's weights.

    Args:
        in_channels: channels of the images.
        classes: channels of the logits.
        widths: channels of the five stages.
        wide: channels of the two layers after them.
    """

    stride = 32

    def __init__(
        self, in_channels: int, classes: int, widths: tuple[int, ...] | list[int] = WIDTHS, wide: int = 512
    ) -> None:
        super().__init__()
        before = [in_channels, *widths[:-1]]
        stages = [_stage(*each) for each in zip(before, widths, CONVOLUTIONS, strict=True)]
        self.encoder = nn.ModuleList(stages)
        self.wide = nn.Sequential(
            _convolution(widths[-1], wide, 3), nn.Dropout2d(0.5), _convolution(wide, wide, 1), nn.Dropout2d(0.5)
        )
        self.scores = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in (wide, widths[3], widths[2]))
        self.enlarged = nn.ModuleList(_bilinear(classes, factor) for factor in (2, 2, 8))
        for score in self.scores:
            nn.init.zeros_(score.weight)  # type: ignore[arg-type]  # a convolution's
            nn.init.zeros_(score.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes, H, W) of images (N, C, H, W), whose sides 32 divides."""
        maps = [images]
        for stage in self.encoder:
            maps.append(stage(maps[-1]))
        scores = self.enlarged[0](self.scores[0](self.wide(maps[5]))) + self.scores[1](maps[4])
        logits: Tensor = self.enlarged[2](self.enlarged[1](scores) + self.scores[2](maps[3]))
        return logits


def _convolution(inputs: int, outputs: int, size: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _stage(inputs: int, outputs: int, count: int) -> nn.Sequential:
    layers = [_convolution(inputs if number == 0 else outputs, outputs, 3) for number in range(count)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def _bilinear(classes: int, factor: int) -> nn.ConvTranspose2d:
    """Enlarges maps by an even factor, each class on its own at first."""
    layer = nn.ConvTranspose2d(classes, classes, 2 * factor, stride=factor, padding=factor // 2, bias=False)
    places = (torch.arange(2 * factor) + 0.5) / factor - 1
    tent = 1 - places.abs()
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(classes), range(classes)] = tent[:, None] * tent
    return layer
