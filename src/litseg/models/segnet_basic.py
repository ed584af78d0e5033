"""SegNet-Basic: a small encoder and decoder that remember where each maximum was."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = 4


class SegNetBasic(nn.Module):
    """SegNet-Basic, which enlarges its maps by the places of the maxima that pooling took.

    Local response normalisation over the channels of the images; four times [7 x 7 convolution, batch norm, ReLU,
    2 x 2 max-pool]; four times [maxima back to their places, 7 x 7 convolution, batch norm], without ReLU; a 1 x 1
    convolution. With 3 channels, 64 features and 11 classes it has 1,416,075 parameters, where the paper says 1.425 M.

    The response normalisation means images of 0 to 255: set `data.mean=[0,0,0] data.std=[1,1,1]`, or it does nothing.

    Source: Badrinarayanan, Kendall, Cipolla, SegNet, arXiv 1511.00561, section 4.1 (convolutions without bias), and
    SegNet-Tutorial, Models/segnet_basic_train.prototxt: the normalisation in place of the paper's local contrast
    normalisation, He's weights by fan-in, shifts of batch norm from 0.001.

    Args:
        in_channels: channels of the images.
        classes: channels of the logits.
        features: of every convolution.
    """

    stride = 2**STAGES

    def __init__(self, in_channels: int, classes: int, features: int = 64) -> None:
        super().__init__()
        self.response_norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        inputs = [in_channels, *[features] * (STAGES - 1)]
        self.encoder = nn.ModuleList(_convolution(each, features) for each in inputs)
        self.decoder = nn.ModuleList(_convolution(features, features) for _ in range(STAGES))
        self.classifier = nn.Conv2d(features, classes, 1)
        nn.init.kaiming_normal_(self.classifier.weight, nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes, H, W) of images (N, C, H, W), whose sides 16 divides."""
        features, places = self.response_norm(images), []
        for stage in self.encoder:
            features, where = F.max_pool2d(stage(features).relu(), 2, return_indices=True)
            places.append(where)
        for stage in self.decoder:
            features = stage(unpooled(features, places.pop()))
        logits: Tensor = self.classifier(features)
        return logits


def unpooled(maxima: Tensor, places: Tensor) -> Tensor:
    """Maxima of 2 x 2 windows back at their places, 0 elsewhere.

    As `torch.nn.functional.max_unpool2d`, which torch cannot export.

    Args:
        maxima: (N, C, h, w).
        places: int64, alike: numbers of pixels of a map in reading order, as `max_pool2d` returns them.

    Returns:
        (N, C, 2 h, 2 w).
    """
    images, channels, height, width = maxima.shape
    empty = torch.zeros(images, channels, 4 * height * width, dtype=maxima.dtype, device=maxima.device)
    return empty.scatter(2, places.flatten(2), maxima.flatten(2)).view(images, channels, 2 * height, 2 * width)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    convolution, norm = nn.Conv2d(inputs, outputs, 7, padding=3, bias=False), nn.BatchNorm2d(outputs)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    nn.init.constant_(norm.bias, 0.001)
    return nn.Sequential(convolution, norm)
