"""L1 and L2 penalties on the weights, as a term of the training loss."""

import torch
from torch import Tensor, nn


def weight_penalty(model: nn.Module, l1: float, l2: float) -> Tensor:
    """l1 sum |w| + l2 / 2 sum w^2 over the trainable weights, without biases and norms.

    With plain SGD the L2 part is what its `weight_decay` does; with Adam it is not what AdamW does (arXiv 1711.05101).

    Args:
        model: parameters of at most one dimension are left out, as in `parameter_groups`.
        l1: factor >= 0 of the sum of absolute values.
        l2: factor >= 0 of half the sum of squares.

    Returns:
        A scalar, float32.
    """
    weights = [each for each in model.parameters() if each.requires_grad and each.ndim > 1]
    total = torch.zeros((), device=weights[0].device if weights else None)
    with torch.autocast(total.device.type, enabled=False):
        for weight in weights:
            if l1:
                total = total + l1 * weight.float().abs().sum()
            if l2:
                total = total + l2 / 2 * weight.float().square().sum()
    return total
