"""Lightning's Trainer with the callbacks and loggers of a config."""

import inspect
import logging
import sys
from difflib import get_close_matches
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, TQDMProgressBar
from omegaconf import DictConfig, OmegaConf

from litseg.cli.wiring.checks import check_monitor
from litseg.training import (
    Checkpoints,
    Hardware,
    SegmentationModule,
    WholeFiles,
)

log = logging.getLogger(__name__)
DETERMINISTIC: dict[str, Any] = {"off": False, "warn": "warn", "strict": True}


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
    for ours in ("channels_last", "compile"):
        settings.pop(ours)
    settings["enable_progress_bar"] &= sys.stderr.isatty()  # a log file wants one line an epoch, which it gets anyway
    settings |= {"accelerator": hardware.accelerator, "precision": hardware.precision, "devices": devices}
    if not validated:
        settings["limit_val_batches"] = 0
    if str(settings["strategy"]).startswith(("ddp_spawn", "ddp_fork")):
        raise ValueError("trainer.strategy: spawned processes keep what they trained to themselves; expected ddp")
    if cfg.deterministic not in DETERMINISTIC:
        raise ValueError(f"deterministic: expected one of {', '.join(DETERMINISTIC)}, got {cfg.deterministic}")
    if settings["enable_progress_bar"]:  # Lightning's default, of rich, reads the loss and so waits for it at each step
        callbacks = [*callbacks, TQDMProgressBar(refresh_rate=1 if hardware.accelerator == "cpu" else 20)]
    _refuse_unknown(settings)
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


def _refuse_unknown(settings: dict[str, Any]) -> None:
    known = list(inspect.signature(lightning.Trainer.__init__).parameters)
    for key in settings:
        if key not in known:
            close = get_close_matches(key, known, n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(close)}?" if close else "see Lightning's Trainer"
            raise ValueError(f"trainer.{key}: Lightning's Trainer has no such setting; {hint}")


def effective_batch(batch_size: int, devices: int, accumulated: int) -> str:
    """A line: how many samples an optimizer step sees; schedules and trainer.max_steps count those steps."""
    product = f"{batch_size} x {devices} devices x {accumulated} accumulated batches"
    return f"effective batch size {batch_size * devices * accumulated} = {product}, one optimizer step"


def device_count(devices: Any, accelerator: str) -> int:
    """How many devices `trainer.devices` asks for, where it may be auto."""
    if devices == "auto" or devices == -1:
        return max(1, torch.cuda.device_count()) if accelerator in ("gpu", "cuda") else 1
    if not isinstance(devices, int) or devices < 1:
        raise ValueError(f"trainer.devices: expected a number of devices or auto, got {devices!r}")
    return devices


def build_callbacks(cfg: DictConfig, validated: bool) -> list[Any]:
    """Without a val split nothing can be best, and a test split never selects: the checkpoint is each epoch's last."""
    last = {} if validated else {"monitor": None}
    nodes = [node for node in cfg.values() if node is not None]
    return [instantiate(node, **(last if str(node._target_).endswith(".Checkpoints") else {})) for node in nodes]


def find_checkpoints(callbacks: list[Any], module: SegmentationModule, validated: bool) -> Checkpoints:
    """The Checkpoints, whose monitored value must be one that validation gives."""
    found = [callback for callback in callbacks if isinstance(callback, Checkpoints)]
    if not found:
        raise ValueError(
            "callbacks: expected litseg.training.Checkpoints, got none; litseg tests the best checkpoint; "
            "add to the default: callbacks=[default,early_stopping]"
        )
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            check_monitor("callbacks.early_stopping", callback.monitor, callback.mode, module, validated)
    if not validated:
        log.info("no validation split: the last checkpoint is the one that is tested")
        return found[0]
    check_monitor("callbacks.checkpoint", found[0].monitor, found[0].mode, module, validated)
    return found[0]
