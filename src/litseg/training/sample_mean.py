"""The epoch's mean of a loss, exact over uneven batches and ranks."""

import torch
from torch import Tensor
from torchmetrics import Metric


class SampleMean(Metric):
    """sum(value * samples) / sum(samples) over all batches and ranks; NaN stays NaN.

    Neither of the ready means is right here. Lightning's own averages the integer sample counts over the ranks and cuts
    off the fraction: 2 samples on one rank and 1 on the other give 1.5 times the loss. `torchmetrics.MeanMetric` drops
    NaN, or with `nan_strategy="disable"` drops the weights.
    """

    total: Tensor
    samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float32), dist_reduce_fx="sum")  # float64 is not on mps
        self.add_state("samples", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, value: Tensor, samples: int) -> None:
        """Adds the mean `value` of a batch of `samples`."""
        self.total += value.detach().float() * samples
        self.samples += samples

    def compute(self) -> Tensor:
        """The mean; NaN before the first update."""
        return self.total / self.samples
