"""The U-Net and the U-Net++ of the repository pytorch-nested-unet."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (32, 64, 128, 256, 512)


class NestedUNet(nn.Module):
    """U-Net++, or with `nested=False` the plain U-Net of the same blocks.

    The map of depth d and column c is made of all maps of depth d in the columns before and of the one of depth d + 1
    in column c - 1, enlarged twofold (bilinear, corners aligned). The plain U-Net has the diagonal of these maps only,
    each made of the encoder's map of its depth. A block is twice [3 x 3 convolution, batch norm, ReLU]. With 3 channels
    and 1 class they have 9,163,329 and 7,852,545 parameters.

    Source: 4uiiurz1/pytorch-nested-unet, archs.py, without its deep supervision; U-Net++ is of Zhou et al. 2018,
    https://arxiv.org/abs/1807.10165. Weights are torch's own, as there.

    Args:
        in_channels: channels of the images.
        classes: channels of the logits.
        nested: whether it is a U-Net++.
        widths: channels of the maps by depth.
    """

    def __init__(
        self, in_channels: int, classes: int, nested: bool = True, widths: tuple[int, ...] | list[int] = WIDTHS
    ) -> None:
        super().__init__()
        self.nested, self.depth = nested, len(widths) - 1
        self.stride = 2**self.depth
        before = [in_channels, *widths[:-1]]
        self.encoder = nn.ModuleList(_block(*pair) for pair in zip(before, widths, strict=True))
        self.decoder = nn.ModuleDict()
        for depth, column in self._places():
            joined = (column if nested else 1) * widths[depth] + widths[depth + 1]
            self.decoder[f"{depth}_{column}"] = _block(joined, widths[depth])
        self.head = nn.Conv2d(widths[0], classes, 1)

    def _places(self) -> list[tuple[int, int]]:
        """Depth and column of the decoder's maps, each after those that it is made of."""
        columns = range(1, self.depth + 1)
        if self.nested:
            return [(depth, column) for column in columns for depth in range(self.depth + 1 - column)]
        return [(self.depth - column, column) for column in columns]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes, H, W) of images (N, C, H, W), whose sides the stride divides."""
        maps = {(0, 0): self.encoder[0](images)}
        for depth, block in enumerate(self.encoder[1:], start=1):
            maps[depth, 0] = block(F.max_pool2d(maps[depth - 1, 0], 2))
        for depth, column in self._places():
            beside = [maps[depth, each] for each in range(column if self.nested else 1)]
            below = F.interpolate(maps[depth + 1, column - 1], scale_factor=2, mode="bilinear", align_corners=True)
            maps[depth, column] = self.decoder[f"{depth}_{column}"](torch.cat([*beside, below], dim=1))
        logits: Tensor = self.head(maps[0, self.depth])
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (inputs, outputs):  # with a bias, which batch norm takes away again: as there
        layers += [nn.Conv2d(before, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
