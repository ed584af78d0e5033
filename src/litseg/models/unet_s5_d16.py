"""UNet-S5-D16: the U-Net as mmsegmentation has it, with its FCN heads."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = 5


class UNetS5D16(nn.Module):
    """A U-Net of 5 stages and stride 16, with an FCN head and, in training, another one on the last stage but one.

    A stage of the encoder is [2 x 2 max-pool,] twice [3 x 3 convolution, batch norm, ReLU]. A stage of the decoder
    enlarges the deeper map twofold (bilinear), takes it to the channels of the encoder's map by [1 x 1 convolution,
    batch norm, ReLU], and joins the two by twice [3 x 3 convolution, batch norm, ReLU]. A head is [3 x 3 convolution,
    batch norm, ReLU], dropout of 0.1, a 1 x 1 convolution. With 3 channels, 2 classes and both heads it has 29,060,676
    parameters (mmsegmentation publishes no number).

    Source: mmsegmentation, mmseg/models/backbones/unet.py (`InterpConv`), configs/_base_/models/fcn_unet_s5-d16.py;
    weights from He's normal distribution by fan-out, those of the classifiers from N(0, 0.01^2).

    Args:
        in_channels: channels of the images.
        classes: channels of the logits.
        base_channels: of the first stage and of the heads; each further stage has twice as many.
        auxiliary_head: whether training has the second head; its loss is weighted by `auxiliary_weight`.
    """

    stride = 2 ** (STAGES - 1)

    def __init__(self, in_channels: int, classes: int, base_channels: int = 64, auxiliary_head: bool = True) -> None:
        super().__init__()
        widths = [base_channels * 2**stage for stage in range(STAGES)]
        before = [in_channels, *widths[:-1]]
        upwards = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # (deeper, of the encoder's map)
        self.encoder = nn.ModuleList(_two_convolutions(*pair) for pair in zip(before, widths, strict=True))
        self.enlarged = nn.ModuleList(_convolution(deep, skip, 1) for deep, skip in upwards)
        self.decoder = nn.ModuleList(_two_convolutions(2 * skip, skip) for _, skip in upwards)
        self.head = _head(base_channels, base_channels, classes)
        self.auxiliary_head = _head(2 * base_channels, base_channels, classes) if auxiliary_head else None
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                _initialise(module)

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Logits (N, classes, H, W) of images (N, C, H, W), whose sides 16 divides.

        Returns:
            In training with the auxiliary head [main, auxiliary (N, classes, H/2, W/2)].
        """
        maps = [self.encoder[0](images)]
        for stage in self.encoder[1:]:
            maps.append(stage(F.max_pool2d(maps[-1], 2)))
        decoded = [maps.pop()]
        for enlarged, stage, skip in zip(self.enlarged, self.decoder, reversed(maps), strict=True):
            deep = enlarged(F.interpolate(decoded[-1], scale_factor=2, mode="bilinear", align_corners=False))
            decoded.append(stage(torch.cat([skip, deep], dim=1)))
        logits: Tensor = self.head(decoded[-1])
        if self.training and self.auxiliary_head is not None:
            return [logits, self.auxiliary_head(decoded[-2])]
        return logits


def _convolution(inputs: int, outputs: int, size: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs, 3), _convolution(outputs, outputs, 3))


def _head(inputs: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, width, 3), nn.Dropout2d(0.1), nn.Conv2d(width, classes, 1))


def _initialise(convolution: nn.Conv2d) -> None:
    if convolution.bias is None:  # batch norm follows
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    else:
        nn.init.normal_(convolution.weight, std=0.01)
        nn.init.zeros_(convolution.bias)
