"""The LightningModule: one step for all stages, losses by term, metrics as objects."""

import logging
from collections.abc import Callable
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses import CompoundLoss
from litseg.metrics import SegmentationMetrics
from litseg.training.parameter_groups import describe_groups, parameter_groups, scale_rates
from litseg.training.sample_mean import SampleMean
from litseg.training.schedules import Plateau
from litseg.training.weight_penalty import weight_penalty

log = logging.getLogger(__name__)
STAGES = ("train", "val", "test")
AUXILIARY, PENALTY = "loss/auxiliary", "loss/penalty"
TRAINING_ONLY = (AUXILIARY, PENALTY)
"""Terms that are there in training, and there only where they are used."""


class SegmentationModule(lightning.LightningModule):
    """Trains and evaluates one model.

    Args:
        model: images (N, C, H, W) in raw range to logits of the same size; in training it may return a list
            [main, auxiliary, ...], see `litseg.models.SegmentationModel`.
        loss: `loss(logits, target)` or `loss(logits, target, pixel_weights)`, see `litseg.losses`.
        metrics: cloned for each stage.
        task: multiclass, binary or multilabel.
        optimizer: makes the optimizer from the parameter groups.
        scheduler: makes the schedule as `scheduler(optimizer, total_steps=n)`, stepped once per optimizer step; a
            `Plateau` is also told its value after each validation.
        auxiliary_weight: factor of the loss of each auxiliary output.
        auxiliary_loss: the loss of these outputs, without weights to learn; None: `loss`.
        channels_last: keep images and convolutions in the channels-last memory format.
        decay_norm_and_bias: see `litseg.training.parameter_groups`.
        encoder_rate: see there.
        l1: factor of the sum of absolute weights in the training loss, see `weight_penalty`.
        l2: factor of half the sum of squared weights.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        metrics: SegmentationMetrics,
        task: Task,
        optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        scheduler: Callable[..., LRScheduler],
        auxiliary_weight: float = 0.4,
        auxiliary_loss: nn.Module | None = None,
        channels_last: bool = False,
        decay_norm_and_bias: bool = True,
        encoder_rate: float = 1.0,
        l1: float = 0.0,
        l2: float = 0.0,
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.model = model.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # torch's stub lacks it
        self.loss = loss
        self.metrics = nn.ModuleDict({f"{stage}_metrics": metrics.clone() for stage in STAGES})
        self.losses = nn.ModuleDict({f"{stage}_losses": _loss_means(loss) for stage in STAGES})
        self.task = task
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.auxiliary_weight, self.auxiliary_loss = auxiliary_weight, auxiliary_loss
        self.decay_norm_and_bias, self.encoder_rate = decay_norm_and_bias, encoder_rate
        if auxiliary_loss is not None and next(auxiliary_loss.parameters(), None) is not None:
            raise ValueError("auxiliary_loss: expected a loss without weights to learn; set its learned=false")
        if l1 < 0 or l2 < 0:
            raise ValueError(f"weight_penalty: expected l1 and l2 of at least 0, got l1 {l1} and l2 {l2}")
        self.l1, self.l2 = l1, l2

    def forward(self, images: Tensor) -> Any:
        """Logits (N, channels, H, W); in training a list where the network has auxiliary outputs."""
        return self.model(images.to(memory_format=self.memory_format))

    def training_step(self, batch: dict[str, Any], batch_index: int) -> Tensor:
        """One batch; returns the loss."""
        return self._step(batch, "train")

    def validation_step(self, batch: dict[str, Any], batch_index: int) -> None:
        """One batch."""
        self._step(batch, "val")

    def test_step(self, batch: dict[str, Any], batch_index: int) -> None:
        """One batch."""
        self._step(batch, "test")

    def _step(self, batch: dict[str, Any], stage: str) -> Tensor:
        outputs = self(batch["image"])
        logits, *auxiliary = outputs if isinstance(outputs, list) else [outputs]
        target, pixel_weights = batch_target(batch, self.task, logits.shape[1])
        terms = loss_terms(self.loss, logits, target, pixel_weights)
        if auxiliary:
            loss = self.auxiliary_loss or self.loss
            losses = [loss_terms(loss, output, target, pixel_weights)["loss"] for output in auxiliary]
            terms[AUXILIARY] = torch.stack(losses).sum()
            terms["loss"] = terms["loss"] + self.auxiliary_weight * terms[AUXILIARY]
        if stage == "train" and (self.l1 or self.l2):
            terms[PENALTY] = weight_penalty(self.model, self.l1, self.l2)
            terms["loss"] = terms["loss"] + terms[PENALTY]
        self._metric(stage).update(logits.detach(), batch["mask"])
        self._add_losses(terms, stage, len(batch["image"]))
        return terms["loss"]

    def _add_losses(self, terms: dict[str, Tensor], stage: str, samples: int) -> None:
        means = self._means(stage)
        for name, value in terms.items():
            means[name].update(value, samples)
        if stage == "train":
            self.log("train/loss_step", terms["loss"].detach(), on_step=True, on_epoch=False, prog_bar=True)

    def _log_epoch(self, stage: str) -> dict[str, Tensor]:
        """Logs and returns losses and scores of the whole epoch; both sum over the ranks inside `compute`."""
        metric, means = self._metric(stage), self._means(stage)
        values = {
            name: mean.compute() for name, mean in means.items() if mean.update_called or name not in TRAINING_ONLY
        }
        values |= metric.compute()
        if stage == "train":
            values["learning_rate"] = torch.tensor(self.trainer.optimizers[0].param_groups[0]["lr"])
            values |= _changing_weights(self.loss)
        for name, value in values.items():
            self.log(f"{stage}/{name}", value.float(), prog_bar=name == "miou")
        for each in (metric, *means.values()):
            each.reset()
        return values

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what the epoch has counted so far, over all ranks, so that a resume within it reports the whole."""
        checkpoint["epoch_so_far"] = {
            name: {key: self.trainer.strategy.reduce(value.clone(), reduce_op="sum") for key, value in states.items()}
            for name, states in self._training_counts().items()
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes it up again, on rank 0; the other ranks begin at 0."""
        counts = checkpoint.get("epoch_so_far", {}) if self.trainer.is_global_zero else {}
        for name, metric in self._training_metrics().items():
            for key, value in counts.get(name, {}).items():
                setattr(metric, key, value.to(self.device))

    def _training_counts(self) -> dict[str, dict[str, Tensor]]:
        return {name: dict(metric.metric_state) for name, metric in self._training_metrics().items()}

    def _training_metrics(self) -> dict[str, Any]:
        return {"scores": self._metric("train"), **self._means("train")}

    def _metric(self, stage: str) -> SegmentationMetrics:
        return cast(SegmentationMetrics, self.metrics[f"{stage}_metrics"])

    def _means(self, stage: str) -> dict[str, SampleMean]:
        return cast(dict[str, SampleMean], self.losses[f"{stage}_losses"])

    def value_names(self) -> list[str]:
        """What validation logs under `val/`: the losses, and the scores of the confusion matrix."""
        metric = self._metric("val")
        return [*(name for name in self._means("val") if name not in TRAINING_ONLY), *metric.names()]

    def on_train_epoch_end(self) -> None:
        """Logs the epoch's losses and scores, of augmented samples under changing weights."""
        self._log_epoch("train")

    def on_validation_epoch_end(self) -> None:
        """Logs the validation losses and scores; in training a plateau schedule takes its value from them."""
        values = self._log_epoch("val")
        in_training = self.trainer.state.fn == TrainerFn.FITTING and not self.trainer.sanity_checking
        if in_training and isinstance(scheduler := self.lr_schedulers(), Plateau):
            scheduler.validated(float(values[scheduler.monitor.removeprefix("val/")]))

    def on_test_epoch_end(self) -> None:
        """Logs the test losses and scores."""
        self._log_epoch("test")

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer trains, see `litseg.training.parameter_groups`."""
        return parameter_groups(self.model, self.loss, self.decay_norm_and_bias, self.encoder_rate)

    def optimizer_and_schedule(self, total_steps: int) -> tuple[Optimizer, LRScheduler]:
        """Both as training uses them.

        Args:
            total_steps: optimizer steps of the whole training.
        """
        optimizer = self.make_optimizer(self.parameter_groups())
        scale_rates(optimizer)
        return optimizer, self.make_scheduler(optimizer, total_steps=total_steps)

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule; tells what they will do."""
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer, scheduler = self.optimizer_and_schedule(steps)
        log.info("optimizer %s: %s", type(optimizer).__name__, describe_groups(optimizer))
        log.info("schedule over %d optimizer steps", steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _loss_means(loss: nn.Module) -> nn.ModuleDict:
    """A mean over samples for the loss and each term of a compound."""
    terms = [f"loss/{name}" for name in loss.names] if isinstance(loss, CompoundLoss) else []
    return nn.ModuleDict({name: SampleMean() for name in ("loss", *terms, *TRAINING_ONLY)})


def _changing_weights(loss: nn.Module) -> dict[str, Tensor]:
    """The weights of a compound's terms under `weight/<name>`, where they are scheduled or learned."""
    if not isinstance(loss, CompoundLoss) or not loss.weights_change:
        return {}
    return {f"weight/{name}": weight for name, weight in zip(loss.names, loss.weights.detach(), strict=True)}


def loss_target(mask: Tensor, task: Task) -> tuple[Tensor, Tensor | None]:
    """A mask as losses take it: long (N, H, W), or in multilabel float (N, C, H, W) with the weights of its entries."""
    if task == "multilabel":
        return (mask == 1).float(), (mask != IGNORE_INDEX).float()
    return mask.long(), None


def batch_target(batch: dict[str, Any], task: Task, channels: int) -> tuple[Tensor, Tensor | None]:
    """A batch's target as losses take it; of blended samples (`other_mask` and `share`, see MixUp) a soft one.

    Args:
        batch: mask (N, H, W), multilabel (N, C, H, W); where blended also other_mask, alike, and share (N,), of `mask`.
        task: see `litseg.labels.Task`.
        channels: of the logits.

    Returns:
        As `loss_target`; blended: float (N, channels, H, W), and weights of 0 where either mask is void, else 1.
    """
    mask, other = batch["mask"], batch.get("other_mask")
    if other is None:
        return loss_target(mask, task)
    valid = (mask != IGNORE_INDEX) & (other != IGNORE_INDEX)
    share = batch["share"].view(-1, 1, 1, 1)
    first, second = (_probabilities(torch.where(valid, each, 0), task, channels) for each in (mask, other))
    return share * first + (1 - share) * second, valid.float()


def _probabilities(mask: Tensor, task: Task, channels: int) -> Tensor:
    """Labels without void as float (N, channels, H, W) of 0 and 1."""
    if task == "multiclass":
        return torch.nn.functional.one_hot(mask.long(), channels).movedim(-1, 1).float()
    return (mask if task == "multilabel" else mask.unsqueeze(1)).float()


def loss_terms(loss: nn.Module, logits: Tensor, target: Tensor, pixel_weights: Tensor | None) -> dict[str, Tensor]:
    """The total under `loss`, and for a compound each unweighted term under `loss/<name>`."""
    if isinstance(loss, CompoundLoss):
        terms = loss.terms(logits, target, pixel_weights)
        return {"loss": loss.weighted_sum(terms), **{f"loss/{name}": value for name, value in terms.items()}}
    arguments = (logits, target) if pixel_weights is None else (logits, target, pixel_weights)
    return {"loss": loss(*arguments)}
