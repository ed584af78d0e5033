"""Distributed training whose evaluation may be uneven: ranks hold different numbers of batches, none is padded."""

from typing import Any

import torch.distributed
from lightning.pytorch.strategies import DDPStrategy


class UnevenEvaluationDDP(DDPStrategy):
    """DDP for training; evaluation steps go straight to the module.

    Lightning sends evaluation steps through DistributedDataParallel.forward too, which broadcasts batch-norm buffers
    at each call: with 3 batches on one rank and 2 on the other it waits for ever. Here the buffers are made equal once
    before evaluation instead, which also makes every rank evaluate exactly the model that rank 0 saves.
    """

    strategy_name = "uneven_evaluation_ddp"

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own validation step, under the precision of training."""
        assert self.lightning_module is not None
        with self.precision_plugin.val_step_context():
            return self.lightning_module.validation_step(*args, **kwargs)

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own test step, under the precision of training."""
        assert self.lightning_module is not None
        with self.precision_plugin.test_step_context():
            return self.lightning_module.test_step(*args, **kwargs)

    def share_buffers(self) -> None:
        """Copies rank 0's model buffers (batch-norm statistics) to all ranks."""
        assert self.lightning_module is not None
        for buffer in self.lightning_module.get_submodule("model").buffers():
            torch.distributed.broadcast(buffer, src=0)

    def on_validation_start(self) -> None:
        """Called on every rank before the first validation batch."""
        self.share_buffers()

    def on_test_start(self) -> None:
        """Called on every rank before the first test batch."""
        self.share_buffers()
