"""Which image sizes a network takes, found by trying it on torch's meta device: shapes without numbers, so cheap."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

PLACES = (("meta", "meta"), ("cpu", "meta"), ("cpu", "cpu"))
"""Where to build and to run it: some constructors and a few networks read a number out of a tensor."""


@dataclass(frozen=True)
class InputSizes:
    """Sides, in pixels, of the images that a network takes.

    Attributes:
        stride: divides both sides.
        minimum: the shortest side.
        maximum: the longest side; None for a network that takes any.
    """

    stride: int
    minimum: int
    maximum: int | None = None


class RefusedError(Exception):
    """The network cannot be built, or runs at no size; the text is the first line of the reason."""


def find_input_sizes(build: Callable[[], nn.Module], in_channels: int, native: int | None = None) -> InputSizes:
    """The sizes that the network takes.

    The number sequence of the caller's random generator is left where it was.

    Args:
        build: makes the network.
        in_channels: channels of its images.
        native: the side of the images that its encoder was made for, in pixels.

    Raises:
        RefusedError: it cannot be built or runs at no size.
    """
    for build_on, run_on in PLACES:
        try:
            return _try(build, in_channels, native, build_on, run_on)
        except RefusedError as error:
            reason = str(error)
            if "meta tensors" not in reason:
                break
    raise RefusedError(reason)


def _try(
    build: Callable[[], nn.Module], in_channels: int, native: int | None, build_on: str, run_on: str
) -> InputSizes:
    reason = ""
    with torch.no_grad(), warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # the network that is kept is built once more, and may warn then
        try:
            with torch.device(build_on):
                network = build().eval().to(run_on)
            for sizes, height, width in _candidates(encoder_stride(network), native):
                reason = _failure(network, torch.zeros(1, in_channels, height, width, device=run_on))
                if not reason:
                    return sizes
        except Exception as error:  # whatever smp, timm or torch raise: all of it means that the pair does not fit
            reason = first_line(error)
    raise RefusedError(reason)


def _candidates(stride: int, native: int | None) -> Iterator[tuple[InputSizes, int, int]]:
    """What to try, best first: (sizes, height, width) where a run at height x width proves the sizes."""
    for step in (stride, 2 * stride):  # DPT halves its encoder's last features once more
        for size in (step, 2 * step, 4 * step, 8 * step):  # decoders that pool again need more than one step (PAN)
            yield InputSizes(step, size), size, size + step
    if native is not None and native % stride == 0:
        yield InputSizes(native, native), native, 2 * native  # windows of a fixed share of the image (MaxViT)
        yield InputSizes(native, native, native), native, native


def _failure(network: nn.Module, images: torch.Tensor) -> str:
    """Why the network does not take such images; an empty text where it does."""
    try:
        network(images)
    except Exception as error:
        return first_line(error)
    return ""


def first_line(error: Exception) -> str:
    """What an error says, in one line without a full stop."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300].rstrip(".")


def encoder_stride(network: nn.Module) -> int:
    """The stride that an smp network states, which is its encoder's; 1 for other networks."""
    return int(getattr(getattr(network, "encoder", None), "output_stride", 1))
