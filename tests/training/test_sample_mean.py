import math

import pytest
import torch

from litseg.training.sample_mean import SampleMean


def test_batches_count_by_their_samples() -> None:
    mean = SampleMean()
    mean.update(torch.tensor(1.0), 2)
    mean.update(torch.tensor(4.0), 1)
    assert float(mean.compute()) == pytest.approx(2.0)
    mean.reset()
    mean.update(torch.tensor(7.0), 3)
    assert float(mean.compute()) == pytest.approx(7.0)


def test_the_states_of_ranks_add_up() -> None:
    """What torchmetrics does over ranks: each state is summed."""
    ranks = [SampleMean(), SampleMean()]
    ranks[0].update(torch.tensor(1.0), 2)
    ranks[1].update(torch.tensor(4.0), 1)
    both = SampleMean()
    both.update(torch.tensor(0.0), 0)
    both.total, both.samples = ranks[0].total + ranks[1].total, ranks[0].samples + ranks[1].samples
    assert float(both.compute()) == pytest.approx(2.0)


def test_nan_is_not_hidden() -> None:
    mean = SampleMean()
    mean.update(torch.tensor(math.nan), 2)
    mean.update(torch.tensor(4.0), 1)
    assert math.isnan(float(mean.compute()))
