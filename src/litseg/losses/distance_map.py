"""Exact Euclidean distances to the edge of a region, for the losses that need them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from litseg.losses.inputs import LossInputs

Mask = NDArray[np.bool_]


@torch.compiler.disable  # type: ignore[untyped-decorator]  # scipy cannot be traced: a compiled loss leaves its graph here
def signed_distances(inside: Tensor, valid: Tensor) -> Tensor:
    """Distance in pixels from each pixel to the nearest one on the other side of the edge, negative inside.

    Void pixels are on neither side: nothing is measured to them, so that an image with a void margin has the distances
    of the image without it. A region without a pixel, or without one outside of it, has no edge; its distances are 0.
    scipy computes on the host, which waits for the device and copies there and back.

    Args:
        inside: bool (N, C, *S), a region for each image and class.
        valid: bool, broadcast to it.

    Returns:
        float32 (N, C, *S); at void pixels any finite number.

    Example:
        >>> inside = torch.tensor([[[True, True, False, False]]])
        >>> signed_distances(inside, torch.tensor([[[True, True, True, False]]]))[..., :3]
        tensor([[[-2., -1.,  1.]]])
    """
    regions = (inside & valid).flatten(0, 1).cpu().numpy()
    others = (valid & ~inside).flatten(0, 1).cpu().numpy()
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # scipy lets other threads run
        maps = list(threads.map(_signed_distance, regions, others))
    return torch.from_numpy(np.stack(maps)).view(inside.shape).to(inside.device)


def _signed_distance(region: Mask, other: Mask) -> NDArray[np.float32]:
    if not (region.any() and other.any()):
        return np.zeros(region.shape, np.float32)
    outside, inside = distance_transform_edt(~region), distance_transform_edt(~other)
    distance: NDArray[np.float32] = (outside - inside).astype(np.float32)
    return distance


def signed_distances_of_target(inputs: LossInputs) -> Tensor:
    """`signed_distances` of the target's regions, t > 1/2, computed once for all losses that read these inputs."""

    def compute() -> Tensor:
        distances: Tensor = signed_distances(inputs.target > 0.5, inputs.valid)
        return distances

    return inputs.once("signed distances", compute)
