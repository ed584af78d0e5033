"""Wires the leaves that Hydra builds into data, module and trainer, in plain sight."""

import logging
import math
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import Tensor, nn

from litseg.data import DataModule, Source
from litseg.data.augmenting.batch_mixing import MixUp
from litseg.data.datamodule import default_workers
from litseg.data.frequencies import class_weights
from litseg.labels import IGNORE_INDEX
from litseg.metrics import SegmentationMetrics
from litseg.models import SegmentationModel, encoder_normalisation
from litseg.training import (
    Checkpoints,
    EpochLine,
    FiniteSteps,
    FrozenEncoder,
    Hardware,
    LossWeights,
    Plateau,
    PredictionPictures,
    SeededSteps,
    SegmentationModule,
    StopRequest,
    Throughput,
    WholeFiles,
    choose_hardware,
    load_weights,
)
from litseg.training.module import batch_target, loss_terms

log = logging.getLogger(__name__)
DETERMINISTIC: dict[str, Any] = {"off": False, "warn": "warn", "strict": True}


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
    devices = _device_count(cfg.trainer.devices, hardware.accelerator)
    data = build_data(cfg, hardware.accelerator, devices)
    weights = resolve_class_weights(cfg.loss, data)
    module = SegmentationModule(
        model=build_model(cfg.model, data.source, data.sample_image().dtype, bool(resumed or cfg.weights)),
        loss=build_loss(cfg.loss),
        metrics=SegmentationMetrics(data.source.class_names, data.source.task),
        task=data.source.task,
        optimizer=instantiate(cfg.optimizer, _partial_=True),
        scheduler=instantiate(cfg.scheduler, _partial_=True),
        auxiliary_weight=cfg.auxiliary_weight,
        channels_last=hardware.channels_last,
        decay_norm_and_bias=cfg.parameter_groups.decay_norm_and_bias,
        encoder_rate=cfg.parameter_groups.encoder_rate,
        l1=cfg.weight_penalty.l1,
        l2=cfg.weight_penalty.l2,
    )
    check_step(module, data)
    _check_optimizer(module, cfg, "val" in data.scans)
    throughput = Throughput()
    callbacks = _callbacks(cfg.callbacks, "val" in data.scans)
    pictures = PredictionPictures(
        folder / "predictions",
        data.source.class_names,
        data.source.palette,
        data.source.task,
        cfg.pictures,
        split="test" if "test" in data.scans else "val",
    )
    checkpoint = _checkpoint(callbacks, module, "val" in data.scans)
    checkpoint.stop = stop or checkpoint.stop
    finite = FiniteSteps(folder / "nonfinite", cfg.nonfinite_steps)
    callbacks += [throughput, LossWeights(), EpochLine(), pictures, SeededSteps(cfg.seed), finite]
    trainer = build_trainer(cfg, hardware, devices, callbacks, "val" in data.scans, config_hash)
    if cfg.weights and resumed is None:
        load_weights(module.model, Path(cfg.weights))
    for callback in callbacks:
        if isinstance(callback, FrozenEncoder):
            callback.setup(trainer, module, "fit")  # Lightning would refuse later, as if it were our mistake
    log.info(effective_batch(cfg.loader.batch_size, trainer.world_size, trainer.accumulate_grad_batches))
    return Parts(data, module, trainer, checkpoint, throughput, finite, hardware, weights)


def build_data(cfg: DictConfig, accelerator: str = "cpu", devices: int = 1) -> DataModule:
    """The checked DataModule, for `devices` of this machine."""
    source = instantiate(cfg.data)
    if not isinstance(source, Source):
        raise ValueError(f"data._target_: expected a litseg.data.Source, got {type(source).__name__}")
    transforms = list(instantiate(cfg.augmentation.train))
    channels = cfg.augmentation.photometric_channels
    workers = default_workers(accelerator, devices) if cfg.loader.workers is None else cfg.loader.workers
    data = DataModule(
        source,
        transforms,
        cfg.loader.batch_size,
        workers,
        cfg.seed,
        photometric_channels=None if channels is None else list(channels),
        draw=instantiate(cfg.sampling.draw),
        paste=instantiate(cfg.copy_paste.paste, _convert_="all"),
        mix=instantiate(cfg.mixing.mix),
        timeout=cfg.loader.timeout,
    )
    data.check(devices * cfg.trainer.get("num_nodes", 1))
    for name, pixels in zip(source.class_names, data.scans["train"].pixels.sum(axis=0), strict=False):
        if pixels == 0:
            log.warning("no pixel of %s in the training split: it cannot be learnt; check void and label_map", name)
    counts = ", ".join(f"{len(found.sizes)} {split}" for split, found in data.scans.items())
    log.info("data %s: %s images, %d classes, %s", type(source).__name__, counts, len(source.class_names), source.task)
    return data


def build_model(
    cfg: DictConfig, source: Source, pixels: torch.dtype = torch.uint8, weights_follow: bool = False
) -> SegmentationModel:
    """The network in its input wrapper; pretrained encoders bring the mean and std they were trained with.

    Those are in the unit of 8-bit images: images of other `pixels` keep the mean and std of their data set. Where
    weights, mean and std follow from a checkpoint, none are fetched.
    """
    if weights_follow and cfg.get("encoder_weights"):
        cfg = cfg.copy()
        cfg.encoder_weights = None
    network = instantiate(cfg, classes=source.output_channels, in_channels=source.in_channels, _convert_="all")
    mean, std = list(source.mean), list(source.std)
    if cfg.get("encoder_weights") and pixels == torch.uint8:
        mean, std = map(list, encoder_normalisation(cfg.encoder_name, cfg.encoder_weights, source.in_channels))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    log.info("model %s: %s parameters", cfg.get("architecture", type(network).__name__), f"{parameters:,}")
    return SegmentationModel(network, mean, std)


def build_loss(cfg: DictConfig) -> nn.Module:
    """The loss. A compound's own `class_weights` is where its terms take theirs from, not an argument."""
    node = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(node, dict)
    if "terms" in node:
        node.pop("class_weights", None)
    loss = instantiate(node)
    assert isinstance(loss, nn.Module)
    return loss


def resolve_class_weights(node: DictConfig | ListConfig, data: DataModule, key: str = "loss") -> dict[str, Any]:
    """Replaces a method under any `class_weights` of the loss, a name or a mapping, by the vector it gives, in place.

    Returns:
        By config key, each method with its parameters, as they were given, and its vector.
    """
    found: dict[str, Any] = {}
    for name in list(node) if isinstance(node, DictConfig) else range(len(node)):
        if OmegaConf.is_interpolation(node, name):  # what it points at is replaced where it stands
            continue
        value, where = node[name], f"{key}.{name}"
        if name == "class_weights" and isinstance(value, str | DictConfig):
            setting: Any = {"method": value} if isinstance(value, str) else OmegaConf.to_container(value, resolve=True)
            values = node[name] = class_weights(setting, data.scans["train"], data.source.task)
            found[where] = {**setting, "values": values}
            described = ", ".join(str(word) for word in setting.values())
            log.info("class weights (%s): %s", described, ", ".join(f"{weight:.3g}" for weight in values))
        elif isinstance(value, DictConfig | ListConfig):
            found |= resolve_class_weights(value, data, where)
    return found


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


def _check_optimizer(module: SegmentationModule, cfg: DictConfig, validated: bool) -> None:
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
        _check_monitor("scheduler", scheduler.monitor, scheduler.mode, module, validated)


def build_trainer(
    cfg: DictConfig,
    hardware: Hardware,
    devices: int,
    callbacks: list[Callback],
    validated: bool = True,
    config_hash: str | None = None,
) -> lightning.Trainer:
    """Lightning's Trainer with the loggers; every key of `trainer` that is not ours goes to it as it is."""
    settings: dict[str, Any] = OmegaConf.to_container(cfg.trainer, resolve=True)  # type: ignore[assignment]
    settings.pop("channels_last")
    settings["enable_progress_bar"] &= sys.stderr.isatty()  # a log file wants one line an epoch, which it gets anyway
    settings |= {"accelerator": hardware.accelerator, "precision": hardware.precision, "devices": devices}
    if not validated:
        settings["limit_val_batches"] = 0
    if str(settings["strategy"]).startswith(("ddp_spawn", "ddp_fork")):
        raise ValueError("trainer.strategy: spawned processes keep what they trained to themselves; expected ddp")
    if cfg.deterministic not in DETERMINISTIC:
        raise ValueError(f"deterministic: expected one of {', '.join(DETERMINISTIC)}, got {cfg.deterministic}")
    loggers = [logger for logger in instantiate(cfg.logger).values() if logger is not None]
    trainer = lightning.Trainer(
        **settings,
        logger=loggers,
        callbacks=callbacks,
        plugins=[WholeFiles(config_hash=config_hash)],
        deterministic=DETERMINISTIC[cfg.deterministic],
        use_distributed_sampler=False,  # the samplers of litseg.data share among the ranks themselves
    )
    # Lightning's handlers talk to other processes from inside a handler, and end with 0; see litseg.training.stopping
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def effective_batch(batch_size: int, devices: int, accumulated: int) -> str:
    """A line: how many samples an optimizer step sees; schedules and trainer.max_steps count those steps."""
    product = f"{batch_size} x {devices} devices x {accumulated} accumulated batches"
    return f"effective batch size {batch_size * devices * accumulated} = {product}, one optimizer step"


def _device_count(devices: Any, accelerator: str) -> int:
    if devices == "auto" or devices == -1:
        return max(1, torch.cuda.device_count()) if accelerator in ("gpu", "cuda") else 1
    if not isinstance(devices, int) or devices < 1:
        raise ValueError(f"trainer.devices: expected a number of devices or auto, got {devices!r}")
    return devices


def _callbacks(cfg: DictConfig, validated: bool) -> list[Any]:
    """Without a val split nothing can be best, and a test split never selects: the checkpoint is each epoch's last."""
    last = {} if validated else {"monitor": None}
    nodes = [node for node in cfg.values() if node is not None]
    return [instantiate(node, **(last if str(node._target_).endswith(".Checkpoints") else {})) for node in nodes]


def _checkpoint(callbacks: list[Any], module: SegmentationModule, validated: bool) -> Checkpoints:
    """The Checkpoints, whose monitored value must be one that validation gives."""
    found = [callback for callback in callbacks if isinstance(callback, Checkpoints)]
    if not found:
        raise ValueError(
            "callbacks: expected litseg.training.Checkpoints, got none; litseg tests the best checkpoint; "
            "add to the default: callbacks=[default,early_stopping]"
        )
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            _check_monitor("callbacks.early_stopping", callback.monitor, callback.mode, module, validated)
    if not validated:
        log.info("no validation split: the last checkpoint is the one that is tested")
        return found[0]
    _check_monitor("callbacks.checkpoint", found[0].monitor, found[0].mode, module, validated)
    return found[0]


def _check_monitor(key: str, monitor: str | None, mode: str, module: SegmentationModule, validated: bool) -> None:
    """A monitored value must be one that validation gives, and its best a largest or smallest."""
    if not validated:
        raise ValueError(f"{key}.monitor: {monitor} needs a validation split; choose another, or set data.val_share")
    names = [f"val/{name}" for name in module.value_names()]
    if monitor not in names:
        close = get_close_matches(str(monitor), names) or names[:8]
        raise ValueError(f"{key}.monitor: expected one of {', '.join(close)}, ..., got {monitor}")
    if "loss" in str(monitor) and mode == "max":
        raise ValueError(f"{key}: the best {monitor} is the smallest; set {key}.mode=min")
