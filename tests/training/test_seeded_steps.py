import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from litseg.training import SeededSteps


def _draws(seed: int = 0, rank: int = 0, epoch: int = 0, batch: int = 0) -> tuple[float, float, float]:
    trainer: Any = SimpleNamespace(global_rank=rank, current_epoch=epoch)
    SeededSteps(seed).on_train_batch_start(trainer, None, None, batch)  # type: ignore[arg-type]
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002


def test_draws_depend_on_seed_rank_epoch_and_batch_and_on_nothing_else() -> None:
    assert _draws(1, 2, 3, 4) == _draws(1, 2, 3, 4)
    others = [_draws(2, 2, 3, 4), _draws(1, 3, 3, 4), _draws(1, 2, 4, 4), _draws(1, 2, 3, 5)]
    for numbers in zip(_draws(1, 2, 3, 4), *others, strict=True):
        assert len(set(numbers)) == 5
