"""What can be wrong with a network, a loss or an optimizer, found before the first step."""

import math
from difflib import get_close_matches

import torch
from omegaconf import DictConfig
from torch import Tensor

from litseg.data import DataModule, Source
from litseg.data.augmenting.batch_mixing import MixUp
from litseg.labels import IGNORE_INDEX
from litseg.training import (
    Plateau,
    SegmentationModule,
)
from litseg.training.module import batch_target, loss_terms


def check_step(module: SegmentationModule, data: DataModule) -> None:
    """One image through network and loss: what does not fit the task or the number of classes says so here.

    Raises:
        ValueError: the network or the loss fails, or they do not fit; the message names shapes and dtypes.
    """
    images = data.sample_image()[None]
    module.eval()
    try:
        with torch.no_grad():
            logits = module(images)
    except Exception as error:  # a user's network may raise anything
        raise ValueError(f"the network fails on images {tuple(images.shape)}: {error}") from error
    expected = (1, data.source.output_channels, *images.shape[-2:])
    if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"the network gives {got}, expected logits {expected}; its constructor is given classes")
    batch = {"mask": _labels_of_all_classes(data.source, images)}
    if isinstance(data.mix, MixUp):
        batch |= {"other_mask": batch["mask"].flip(-1), "share": torch.tensor([0.75])}
    target, pixel_weights = batch_target(batch, data.source.task, logits.shape[1])
    try:
        loss_terms(module.loss, logits, target, pixel_weights)
    except Exception as error:  # and so may a user's loss
        if isinstance(data.mix, MixUp):
            raise ValueError(
                f"the loss {type(module.loss).__name__} does not take the soft targets and pixel weights that "
                f"mixing=mixup makes: {error}; choose one that does, such as loss=ce or loss=dice, or another mixing"
            ) from error
        given = f"logits {tuple(logits.shape)} and target {tuple(target.shape)} {target.dtype}, void {IGNORE_INDEX}"
        raise ValueError(
            f"the loss {type(module.loss).__name__} fails on {given}, of the task {data.source.task}: {error}"
        ) from error
    module.train()


def _labels_of_all_classes(source: Source, images: Tensor) -> Tensor:
    """A mask that holds every label and a void pixel."""
    multilabel = source.task == "multilabel"
    shape = (1, len(source.class_names), *images.shape[-2:]) if multilabel else (1, *images.shape[-2:])
    labels = torch.arange(math.prod(shape)).view(shape) % (2 if multilabel else len(source.class_names))
    labels[..., 0, 0] = IGNORE_INDEX
    return labels.to(torch.uint8)


def check_optimizer(module: SegmentationModule, cfg: DictConfig, validated: bool) -> None:
    """Makes an optimizer and a schedule once: Lightning would do it later, after what a user may have got wrong."""
    if cfg.trainer.max_epochs in (-1, None) and cfg.trainer.max_steps == -1:
        raise ValueError(
            "trainer.max_epochs: expected a number, or trainer.max_steps: schedules need to know their end"
        )
    try:
        _, scheduler = module.optimizer_and_schedule(total_steps=1)
    except TypeError as error:
        raise ValueError(f"optimizer or scheduler: {error}") from error
    if isinstance(scheduler, Plateau):
        check_monitor("scheduler", scheduler.monitor, scheduler.mode, module, validated)


def check_monitor(key: str, monitor: str | None, mode: str, module: SegmentationModule, validated: bool) -> None:
    """A monitored value must be one that validation gives, and its best a largest or smallest."""
    if not validated:
        raise ValueError(f"{key}.monitor: {monitor} needs a validation split; choose another, or set data.val_share")
    names = [f"val/{name}" for name in module.value_names()]
    if monitor not in names:
        close = get_close_matches(str(monitor), names) or names[:8]
        raise ValueError(f"{key}.monitor: expected one of {', '.join(close)}, ..., got {monitor}")
    if "loss" in str(monitor) and mode == "max":
        raise ValueError(f"{key}: the best {monitor} is the smallest; set {key}.mode=min")
