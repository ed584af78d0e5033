"""The input wrapper: raw images of any size in, logits of the same size out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from litseg.models.input_sizes import encoder_stride


class SegmentationModel(nn.Module):
    """A network that takes raw images of any size.

    Training, evaluation, prediction and an exported file (see `litseg.inference.export`) share this path: normalise on
    the images' device, pad bottom and right by repeating the border until the network's stride divides both sides, run
    the network, resize its output to the padded size where it has another, crop back.

    What the network takes is read from its attributes: `stride` (as `create_network` leaves it; else
    `encoder.output_stride`, for an smp network built elsewhere; else 1), `minimum_size` and `maximum_size` (pixels of
    a side; None or no attribute: any).

    Args:
        network: (N, C, H, W) float to logits (N, channels, h, w), or to a list [main, auxiliary, ...] of such.
        mean: one value per channel, or one for all, in the raw unit of the images (0 to 255 for uint8).
        std: the same, positive.

    Raises:
        ValueError: mean and std differ in length, are empty, or std is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        _check_statistics(mean, std)
        self.network = network
        self.register_buffer("mean", torch.tensor([float(value) for value in mean]).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor([float(value) for value in std]).view(1, -1, 1, 1))
        self.stride = _stated(network, "stride") or encoder_stride(network)
        self.minimum_size = _stated(network, "minimum_size") or self.stride
        self.maximum_size = _stated(network, "maximum_size")

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Logits of the images' size.

        Args:
            images: (N, C, H, W) in their raw range, of any integer or floating dtype.

        Returns:
            Logits (N, channels, H, W) in the network's dtype; in training mode a list [main, auxiliary, ...] of such
            where the network returns several.

        Raises:
            ValueError: images have not four dimensions, not the channels that mean and std are for, or are larger than
                a network of fixed size takes.
        """
        self._check_images(images)
        height, width = images.shape[-2:]
        padded = self._pad(self._normalise(images))
        outputs = self.network(padded)
        if not isinstance(outputs, (list, tuple)):
            return _resize_and_crop(outputs, padded, height, width)
        if not self.training:
            return _resize_and_crop(outputs[0], padded, height, width)
        return [_resize_and_crop(output, padded, height, width) for output in outputs]

    def _normalise(self, images: Tensor) -> Tensor:
        # At least float32 while subtracting: bfloat16 has no room for 16-bit values. The result takes the buffers'
        # dtype, which is the network's after `model.bfloat16()` or `model.double()`.
        precise = torch.promote_types(self.mean.dtype, torch.float32)
        return ((images.to(precise) - self.mean) / self.std).to(self.mean.dtype)

    def _pad(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        bottom, right = self._missing(height), self._missing(width)
        # while an exporter traces, sides may be symbols: what they are in the example must not decide
        if isinstance(bottom, int) and isinstance(right, int) and bottom == right == 0:
            return images
        return F.pad(images, (0, right, 0, bottom), mode="replicate")

    def _missing(self, size: int) -> int:
        return torch.sym_max(-size % self.stride, self.minimum_size - size)  # type: ignore[no-any-return,no-untyped-call]

    def _check_images(self, images: Tensor) -> None:
        if images.dim() != 4:
            raise ValueError(f"images must be (N, C, H, W), got the shape {tuple(images.shape)}")
        expected = self.mean.shape[1]
        if expected not in (1, images.shape[1]):
            raise ValueError(f"mean and std are for {expected} channels, the images have {images.shape[1]}")
        if self.maximum_size is not None and max(images.shape[-2:]) > self.maximum_size:
            raise ValueError(
                f"The network takes images of at most {self.maximum_size} pixels a side, got {tuple(images.shape)}. "
                "Crop them, or build it for larger ones (model.image_size)."
            )


def _stated(network: nn.Module, name: str) -> int | None:
    """A number that the network states about itself; a convolution's `stride`, a pair, is none."""
    value = getattr(network, name, None)
    return value if isinstance(value, int) else None


def _resize_and_crop(output: Tensor, padded: Tensor, height: int, width: int) -> Tensor:
    if output.shape[-2:] != padded.shape[-2:]:
        output = F.interpolate(output, size=padded.shape[-2:], mode="bilinear", align_corners=False)
    return output[..., :height, :width]


def _check_statistics(mean: Sequence[float], std: Sequence[float]) -> None:
    if len(mean) != len(std) or len(mean) == 0:
        raise ValueError(f"mean and std must have one value per channel each, got {len(mean)} and {len(std)} values")
    if not all(value > 0 for value in std):
        raise ValueError(f"std must be positive, got {list(std)}")
