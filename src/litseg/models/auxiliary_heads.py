"""Auxiliary heads: in training the encoder's inner feature maps predict the classes too."""

from typing import Any

from torch import Tensor, nn


class AuxiliaryHeads(nn.Module):
    """An smp network with heads on its encoder's feature maps, which lead the gradient past the decoder.

    The first head is on the map before the deepest, as PSPNet's auxiliary loss (arXiv 1612.01105, section 3.3), the
    second on the one before that, and so on. The parts keep their names, and so do the weights in a checkpoint; those
    of the heads, `auxiliary_heads.*`, are saved too and not used in evaluation.

    Args:
        network: an smp network; its encoder, decoder and segmentation head become this module's.
        count: of heads, at least 1.
        classes: channels of the logits.

    Raises:
        ValueError: the encoder has not as many feature maps between its input and its deepest map.
    """

    def __init__(self, network: Any, count: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.decoder = network.encoder, network.decoder
        self.segmentation_head = network.segmentation_head
        channels = list(self.encoder.out_channels)
        inner = range(len(channels) - 2, 0, -1)  # from the deepest but one up to the first after the images
        self.places = [place for place in inner if channels[place] > 0][:count]  # smp fills with empty maps for timm's
        if len(self.places) < count:
            raise ValueError(
                f"model.auxiliary_heads: expected 0 to {len(self.places)} for {type(network).__name__} with this "
                f"encoder, whose feature maps have {channels} channels, got {count}"
            )
        self.auxiliary_heads = nn.ModuleList(_head(channels[place], classes) for place in self.places)

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Logits (N, classes, h, w) of images (N, C, H, W); in training [main, auxiliary, ...] of any sizes."""
        encoded = self.encoder(images)
        parts = encoded if isinstance(encoded, tuple) else (encoded,)  # DPT's encoder gives tokens beside its maps
        logits: Tensor = self.segmentation_head(self.decoder(*parts))
        if not self.training:
            return logits
        features = [parts[0][place] for place in self.places]
        return [logits, *(head(each) for head, each in zip(self.auxiliary_heads, features, strict=True))]


def _head(channels: int, classes: int) -> nn.Sequential:
    """As PSPNet's: a convolution to a quarter of the channels, batch norm, dropout of 0.1, the classes."""
    width = max(channels // 4, classes)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.1),
        nn.Conv2d(width, classes, 1),
    )
