"""Random numbers of training steps that depend on nothing but (seed, rank, epoch, batch)."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class SeededSteps(Callback):
    """Seeds torch, numpy and Python anew before each training step, for dropout, drop path and the like.

    So a resumed training draws what the uninterrupted one draws, without its generators' states having to be saved, and
    whatever else has drawn meanwhile: loaders at their start, validation, a logger.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """All generators that code without one of its own uses."""
        key = [self.seed, trainer.global_rank, trainer.current_epoch, batch_idx]
        first, second, third = np.random.SeedSequence(key).generate_state(3).tolist()
        torch.manual_seed(first)
        np.random.seed(second)  # noqa: NPY002 - a user's code may draw from it
        random.seed(third)
