"""Parts of the network that do not train: the encoder for its first epochs, batch norm throughout."""

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from litseg.training.parameter_groups import find_encoder


class FrozenEncoder(Callback):
    """For the first epochs or steps the encoder gets no gradient and its batch norm keeps its statistics.

    The optimizer skips parameters without a gradient, decay included. The schedule goes on meanwhile.

    Args:
        epochs: how many, counted from the start of the training, also where it is resumed.
        steps: how many optimizer steps, in place of `epochs`.

    Raises:
        ValueError: `epochs` or `steps` below 1; in training, a network without an encoder, or several processes under
            a strategy that waits for every gradient.
    """

    def __init__(self, epochs: int = 1, steps: int | None = None) -> None:
        if epochs < 1 or (steps is not None and steps < 1):
            name, got = ("epochs", epochs) if steps is None else ("steps", steps)
            raise ValueError(f"callbacks.frozen_encoder.{name}: expected at least 1, got {got}")
        self.epochs, self.steps = epochs, steps
        self._frozen: list[nn.Parameter] = []
        self._norms: list[nn.Module] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuses what cannot work."""
        if stage != "fit":
            return
        find_encoder(pl_module.model)  # type: ignore[arg-type]  # says where there is none
        unused = getattr(trainer.strategy, "_ddp_kwargs", {}).get("find_unused_parameters", False)
        if trainer.world_size > 1 and not unused:
            raise ValueError(
                "callbacks.frozen_encoder: processes would wait for the encoder's gradients; set "
                "trainer.strategy=ddp_find_unused_parameters_true"
            )

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Freezes after the optimizer was made, which is to know the encoder; releases when the time is over."""
        if self._is_over(trainer):
            self._release()
            return
        encoder = find_encoder(pl_module.model)  # type: ignore[arg-type]
        if not self._frozen:
            self._frozen = [each for each in encoder.parameters() if each.requires_grad]
            self._norms = [part for part in _batch_norms(encoder) if part.training]  # not those frozen by others
            for each in self._frozen:
                each.requires_grad_(False)
        _evaluate(_batch_norms(encoder))  # each time: Lightning sets modes at several places, all of them before this

    def _is_over(self, trainer: Trainer) -> bool:
        return trainer.current_epoch >= self.epochs if self.steps is None else trainer.global_step >= self.steps

    def _release(self) -> None:
        for each in self._frozen:
            each.requires_grad_(True)
        for part in self._norms:
            part.train()
        self._frozen, self._norms = [], []


class FrozenBatchNorm(Callback):
    """Every batch norm keeps its statistics, scale and shift: for pretrained networks and very small batches."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Takes scales and shifts from the optimizer before it is made."""
        if stage == "fit":
            for part in _batch_norms(pl_module):
                part.requires_grad_(False)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Lightning sets modes at several places: this is after all of them."""
        _evaluate(_batch_norms(pl_module))


def _batch_norms(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


def _evaluate(parts: list[nn.Module]) -> None:
    for part in parts:
        part.eval()
