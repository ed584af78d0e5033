"""`python train.py experiment=unet_dice`: composes, checks, trains, tests and records one run, or with -m several.

Heavy imports (torch, Lightning) happen inside `_run`, after the config is composed: --help and --cfg answer at once.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, UserError, explain_composition, user_mistakes

if TYPE_CHECKING:
    from litseg.cli.build import Parts

RUN_FOLDER = "LITSEG_RUN_FOLDER"
"""Environment variable that tells the processes which Lightning starts for ranks above 0 which folder is theirs."""

log = logging.getLogger(__name__)


def main() -> int:
    """Runs the command line. Returns the exit code: 0, or 2 for a user's mistake; other errors keep their traceback."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises to us instead of printing and leaving with 1
    try:
        _app()
    except UserError as error:
        return _refuse(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        overrides = [word for word in sys.argv[1:] if not word.startswith("-")]
        return _refuse(explain_composition(error, overrides))
    return 0


def _refuse(message: str) -> int:
    if os.environ.get("LITSEG_DEBUG") == "1":
        raise
    print(f"error: {message}", file=sys.stderr)
    return 2


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def _app(cfg: DictConfig) -> float | None:
    """One job. Returns the monitored validation metric, which sweepers optimise."""
    OmegaConf.resolve(_without_run_folder(cfg))  # an interpolation that leads nowhere fails here, before torch is loaded
    rank = _rank()
    folder = _run_folder(cfg, rank)
    cfg.run_folder = str(folder)
    if rank != 0:
        return _run(cfg, folder, rank)
    from litseg.results import config_hash, write_status

    resolved = _resolved(cfg)
    digest = config_hash(resolved)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(resolved)))
    write_status(folder, "running", None, digest)
    state, code = "failed", 1
    try:
        value = _run(cfg, folder, rank)
        state, code = "finished", 0
        return value
    except UserError as error:
        code = 2
        log.error("error: %s", error)
        raise
    except (KeyboardInterrupt, SystemExit) as error:
        state, code = "interrupted", error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 130
        raise
    except Exception:
        log.exception("the run failed")
        raise
    finally:
        write_status(folder, state, code, digest)
        _close()


def _run(cfg: DictConfig, folder: Path, rank: int) -> float | None:
    from litseg.cli.logs import start_logging

    started = time.perf_counter()
    start_logging(folder if rank == 0 else None)
    if rank == 0:
        log.info("run folder %s", folder)
    with user_mistakes():
        _refuse_distributed_sweep(cfg)
        import lightning

        from litseg.cli.build import build

        lightning.seed_everything(cfg.seed, workers=True, verbose=False)
        parts = build(cfg, folder)
    _log_config(parts, cfg)
    metrics = _fit_and_evaluate(parts)
    if not parts.trainer.is_global_zero:
        return None
    from litseg.cli.record import record

    return record(parts, cfg, folder, metrics, time.perf_counter() - started)


def _fit_and_evaluate(parts: "Parts") -> dict[str, dict[str, float]]:
    """Trains, then evaluates the best checkpoint on val and, where there is one, on test."""
    trainer, module, data = parts.trainer, parts.module, parts.data
    trainer.fit(module, datamodule=data)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if trainer.global_step == 0:
        raise UserError("no training step was made; check trainer.max_epochs, trainer.max_steps and limit_train_batches")
    best = parts.checkpoint.best_model_path or parts.checkpoint.last_model_path
    metrics = {"val": dict(trainer.validate(module, datamodule=data, ckpt_path=best, verbose=False)[0])}
    if "test" in data.scans:
        metrics["test"] = dict(trainer.test(module, datamodule=data, ckpt_path=best, verbose=False)[0])
    return {split: {key.removeprefix(f"{split}/"): value for key, value in values.items()}
            for split, values in metrics.items()}  # fmt: skip


def _log_config(parts: "Parts", cfg: DictConfig) -> None:
    from lightning.pytorch.loggers import CSVLogger

    for logger in parts.trainer.loggers:
        if not isinstance(logger, CSVLogger):  # config.yaml lies beside metrics.csv already
            logger.log_hyperparams(_resolved(cfg))


def _refuse_distributed_sweep(cfg: DictConfig) -> None:
    """Each rank would run the sweep again on its own, with other hyper-parameters."""
    devices = cfg.trainer.devices
    many = (isinstance(devices, int) and devices > 1) or cfg.trainer.get("num_nodes", 1) > 1
    if many and HydraConfig.get().mode == RunMode.MULTIRUN:
        raise ValueError("-m runs its jobs in one process and cannot train on several devices; start one train.py a job")


def _rank() -> int:
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        if name in os.environ:
            return int(os.environ[name])
    return 0


def _run_folder(cfg: DictConfig, rank: int) -> Path:
    if rank != 0:
        return Path(os.environ.get(RUN_FOLDER, cfg.output))  # only rank 0 writes; Lightning tells where checkpoints lie
    from litseg.results import create_run_folder

    choices = HydraConfig.get().runtime.choices
    experiment = choices.get("experiment") or "no_experiment"
    folder = create_run_folder(Path(cfg.output).resolve(), str(experiment), cfg.name or _name(cfg, choices))
    os.environ[RUN_FOLDER] = str(folder)
    return folder


def _name(cfg: DictConfig, choices: Any) -> str:
    return f"{choices['model']}-{choices['loss']}-seed{cfg.seed}".replace("/", "_")


def _without_run_folder(cfg: DictConfig) -> DictConfig:
    copy = cfg.copy()
    copy.run_folder = "unknown"
    return copy


def _resolved(cfg: DictConfig) -> dict[str, Any]:
    container: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    return container


def _close() -> None:
    from litseg.cli.logs import stop_logging
    from litseg.cli.wandb_run import finish_wandb

    finish_wandb()
    stop_logging()
