"""Wires the leaves that Hydra builds into data, module and trainer, in plain sight."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from hydra.utils import instantiate
from omegaconf import DictConfig

from litseg.cli.wiring.checks import check_optimizer, check_step
from litseg.cli.wiring.data import build_data, resolve_class_weights
from litseg.cli.wiring.model import build_loss, build_model
from litseg.cli.wiring.trainer import build_callbacks, build_trainer, device_count, effective_batch, find_checkpoints
from litseg.data import DataModule
from litseg.metrics import SegmentationMetrics
from litseg.training import (
    Checkpoints,
    EpochLine,
    Figures,
    FiniteSteps,
    FrozenEncoder,
    Hardware,
    LossWeights,
    PredictionPictures,
    SeededSteps,
    SegmentationModule,
    StopRequest,
    Throughput,
    choose_hardware,
    load_weights,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """A run ready to start. `class_weights` holds, by config key, each method, its parameters and the vector."""

    data: DataModule
    module: SegmentationModule
    trainer: lightning.Trainer
    checkpoint: Checkpoints
    throughput: Throughput
    finite: FiniteSteps
    hardware: Hardware
    class_weights: dict[str, Any]


def build(
    cfg: DictConfig,
    folder: Path,
    resumed: Path | None = None,
    stop: StopRequest | None = None,
    config_hash: str | None = None,
) -> Parts:
    """Builds and checks everything; whatever the user got wrong is raised here, before the first step.

    Args:
        cfg: the composed config.
        folder: the run folder.
        resumed: the checkpoint that training will go on from: it holds the weights, so that none are fetched.
        stop: what signals ask for; None: signals are not heeded.
        config_hash: for the checkpoints' sidecars.
    """
    hardware = choose_hardware(cfg.trainer.accelerator, cfg.trainer.precision, cfg.trainer.channels_last)
    log.info(hardware.reasons)
    devices = device_count(cfg.trainer.devices, hardware.accelerator)
    data = build_data(cfg, hardware.accelerator, devices)
    weights = resolve_class_weights(cfg.loss, data)
    if cfg.get("auxiliary_loss"):
        weights |= resolve_class_weights(cfg.auxiliary_loss, data, "auxiliary_loss")
    module = SegmentationModule(
        model=build_model(cfg.model, data.source, data.sample_image().dtype, bool(resumed or cfg.weights)),
        loss=build_loss(cfg.loss),
        metrics=SegmentationMetrics(data.source.class_names, data.source.task),
        task=data.source.task,
        optimizer=instantiate(cfg.optimizer, _partial_=True),
        scheduler=instantiate(cfg.scheduler, _partial_=True),
        auxiliary_weight=cfg.auxiliary_weight,
        auxiliary_loss=build_loss(cfg.auxiliary_loss) if cfg.get("auxiliary_loss") else None,
        channels_last=hardware.channels_last,
        decay_norm_and_bias=cfg.parameter_groups.decay_norm_and_bias,
        encoder_rate=cfg.parameter_groups.encoder_rate,
        l1=cfg.weight_penalty.l1,
        l2=cfg.weight_penalty.l2,
    )
    check_step(module, data)
    if cfg.trainer.compile:
        module.model.compile()  # in place: the names in checkpoints stay
    check_optimizer(module, cfg, "val" in data.scans)
    throughput = Throughput()
    callbacks = build_callbacks(cfg.callbacks, "val" in data.scans)
    pictures = PredictionPictures(
        folder / "predictions",
        data.source.class_names,
        data.source.palette,
        data.source.task,
        cfg.pictures,
        split="test" if "test" in data.scans else "val",
    )
    figures = Figures(folder, data.source.class_names, pictures.split)
    checkpoint = find_checkpoints(callbacks, module, "val" in data.scans)
    checkpoint.stop = stop or checkpoint.stop
    finite = FiniteSteps(folder / "nonfinite", cfg.nonfinite_steps)
    callbacks += [throughput, LossWeights(), EpochLine(), pictures, figures, SeededSteps(cfg.seed), finite]
    trainer = build_trainer(cfg, hardware, devices, callbacks, "val" in data.scans, config_hash)
    if cfg.weights and resumed is None:
        load_weights(module.model, Path(cfg.weights))
    for callback in callbacks:
        if isinstance(callback, FrozenEncoder):
            callback.setup(trainer, module, "fit")  # Lightning would refuse later, as if it were our mistake
    log.info(effective_batch(cfg.loader.batch_size, trainer.world_size, trainer.accumulate_grad_batches))
    return Parts(data, module, trainer, checkpoint, throughput, finite, hardware, weights)
