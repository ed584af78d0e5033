"""Writes `result.json` and shows the per-class table."""

import logging
import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from litseg.cli.wiring.build import Parts
from litseg.results import class_table, versions, write_json
from litseg.results.redaction import redact_words, secret_values

log = logging.getLogger(__name__)


def record(
    parts: Parts,
    cfg: DictConfig,
    folder: Path,
    metrics: dict[str, dict[str, float]],
    code: dict[str, Any],
    status: dict[str, Any],
    seconds: float,
) -> float | None:
    """Writes the result of a finished run and prints its table.

    Returns:
        The monitored validation metric; None without a validation split.
    """
    monitor = parts.checkpoint.monitor
    objective = None if monitor is None else metrics["val"].get(monitor.removeprefix("val/"))
    result = {
        "metrics": metrics,
        "monitor": {"name": monitor, "value": objective},
        "seed": cfg.seed,
        **code,
        "versions": versions(),
        "data": _data(parts),
        "class_weights": parts.class_weights,
        **_machine(parts),
        "epochs": parts.trainer.current_epoch,
        "steps": parts.trainer.global_step,
        "skipped_steps": parts.finite.skipped,
        "deterministic": cfg.deterministic,
        "resumes": status["resumes"],
        "changes_on_resume": status["changes"],
        "batch_size_halved": status["batch_size_halved"],
        "seconds": seconds,
        "checkpoint_seconds": round(parts.checkpoint.seconds, 2),
        "images_per_second": parts.throughput.images_per_second,
        "parameters": sum(parameter.numel() for parameter in parts.module.model.parameters()),
        "wandb_run_id": _wandb_id(parts),
        "command": redact_words(sys.argv, secret_values(*_configs(cfg))),
    }
    write_json(folder / "result.json", result)
    _show(parts, folder, metrics)
    return objective


def _configs(cfg: DictConfig) -> tuple[Any, Any]:
    """Resolved, and with its interpolations."""
    return OmegaConf.to_container(cfg, resolve=True), OmegaConf.to_container(cfg, resolve=False)


def _data(parts: Parts) -> dict[str, Any]:
    counts = {split: len(found.sizes) for split, found in parts.data.scans.items()}
    return {"fingerprint": parts.data.fingerprint, "samples": counts}


def _machine(parts: Parts) -> dict[str, Any]:
    trainer = parts.trainer
    device = trainer.strategy.root_device
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "world_size": trainer.world_size,
        "precision": trainer.precision,
        "channels_last": parts.hardware.channels_last,
        "threads": torch.get_num_threads(),
    }


def _wandb_id(parts: Parts) -> str | None:
    found = [logger.version for logger in parts.trainer.loggers if logger.name == "W&B"]
    return str(found[0]) if found else None


def _show(parts: Parts, folder: Path, metrics: dict[str, dict[str, float]]) -> None:
    split = "test" if "test" in metrics else "val"
    which = "best" if parts.checkpoint.monitor else "last"
    console = Console(width=100) if not sys.stdout.isatty() else Console()
    with console.capture() as capture:
        console.print(
            class_table(metrics[split], parts.data.source.class_names, f"{split}, {which} checkpoint, percent")
        )
    log.info("\n%s", capture.get().rstrip())
    speed = parts.throughput.images_per_second
    names = {"miou": "mIoU", "pixel_accuracy": "pixel accuracy", "fwiou": "frequency-weighted IoU"}
    scores = ", ".join(f"{shown} {metrics[split][name]:.4f}" for name, shown in names.items())
    log.info("%s %s%s", split, scores, f"; {speed:.1f} images/s in training" if speed else "")
    log.info("run folder %s", folder)
