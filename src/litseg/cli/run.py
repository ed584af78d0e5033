"""One run, from its composed config to its exit code: folder, record, training, evaluation.

Heavy imports (torch, Lightning) happen inside functions: a config that is not complete is refused without them.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, UserError, user_mistakes

if TYPE_CHECKING:
    from litseg.cli.build import Parts

RUN_FOLDER = "LITSEG_RUN_FOLDER"
"""Environment variable that tells the processes which Lightning starts for ranks above 0 which folder is theirs."""

log = logging.getLogger(__name__)


class Job(NamedTuple):
    """How a run ended. `value`: the monitored validation metric, which sweepers optimise."""

    overrides: tuple[str, ...]
    code: int
    value: float | None = None
    folder: Path | None = None


def run_job(cfg: DictConfig) -> Job:
    """One run. One that fails says so in its folder and does not end the sweep it belongs to; a signal does."""
    words: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    overrides = tuple(words)
    if problem := _incomplete(cfg):
        print(f"error: {problem}", file=sys.stderr)
        return Job(overrides, 2)
    rank = _rank()
    try:
        folder = _run_folder(cfg, rank)
        cfg = _with_run_folder(cfg, str(folder))
        digest = _open_record(cfg, folder) if rank == 0 else ""
    except OSError as error:
        print(
            f"error: cannot write the run folder ({error}); set output to a folder that can be written", file=sys.stderr
        )
        return Job(overrides, 2)
    state, code, value = "failed", 1, None
    try:
        value = _run(cfg, folder, rank)
        state, code = "finished", 0
    except UserError as error:
        code = 2
        _report(error)
    except (KeyboardInterrupt, SystemExit) as error:  # Lightning leaves with 1 after Ctrl-C and with 0 after SIGTERM
        state, code = "interrupted", 143 if type(error).__name__ == "SIGTERMException" else 130
        raise SystemExit(code) from error
    except Exception as error:
        _report(error)
    finally:
        _close(folder, state, code, digest, rank)
    return Job(overrides, code, value, folder)


def _incomplete(cfg: DictConfig) -> str | None:
    """What keeps the config from being complete; found before torch is loaded and before there is a run folder."""
    try:
        OmegaConf.resolve(copy := _with_run_folder(cfg, "unknown"))
    except OmegaConfBaseException as error:
        return str(error)
    if missing := sorted(OmegaConf.missing_keys(copy)):
        return f"not set: {', '.join(missing)}; give each a value, such as {missing[0]}=..."
    return None


def _open_record(cfg: DictConfig, folder: Path) -> str:
    """Writes the resolved config and the first status; returns the config's hash."""
    from litseg.results import config_hash, write_status

    resolved = _resolved(cfg)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(resolved)))
    digest = config_hash(_resolved(_with_run_folder(cfg, "")))  # the same for every run of this config
    write_status(folder, "running", None, digest)
    return digest


def _report(error: Exception) -> None:
    """A user's mistake as one message, anything else with its traceback; to the terminal and log.txt."""
    if os.environ.get("LITSEG_DEBUG") == "1":
        raise error
    log.error("error: %s", error, exc_info=None if isinstance(error, UserError) else error)


def _close(folder: Path, state: str, code: int, digest: str, rank: int) -> None:
    from litseg.cli.logs import stop_logging
    from litseg.cli.wandb_run import finish_wandb
    from litseg.results import write_status

    if rank == 0:
        write_status(folder, state, code, digest)
        finish_wandb(code)
    stop_logging()


def _run(cfg: DictConfig, folder: Path, rank: int) -> float | None:
    from litseg.cli.logs import start_logging
    from litseg.results import code_state

    started = time.perf_counter()
    start_logging(folder if rank == 0 else None)
    if rank == 0:
        log.info("run folder %s", folder)
    code = code_state(CONF.parent)  # now: who edits while a long run trains must not change what it says it ran
    with user_mistakes():
        import lightning

        from litseg.cli.build import build

        lightning.seed_everything(cfg.seed, workers=True, verbose=False)
        parts = build(cfg, folder)
        _refuse_distributed_sweep(parts.trainer.world_size)
    _log_config(parts, cfg)
    metrics = _fit_and_evaluate(parts)
    if not parts.trainer.is_global_zero:
        return None
    from litseg.cli.record import record

    return record(parts, cfg, folder, metrics, code, time.perf_counter() - started)


def _fit_and_evaluate(parts: "Parts") -> dict[str, dict[str, float]]:
    """Trains, then evaluates the best checkpoint, or without a val split the last, on what there is of val and test."""
    trainer, module, data = parts.trainer, parts.module, parts.data
    trainer.fit(module, datamodule=data)
    if trainer.global_step == 0:
        raise UserError(
            "no training step was made; check trainer.max_epochs, trainer.max_steps and limit_train_batches"
        )
    best = _finish_checkpoints(parts)
    metrics = {}
    if "val" in data.scans:
        metrics["val"] = dict(trainer.validate(module, datamodule=data, ckpt_path=best, verbose=False)[0])
    if "test" in data.scans:
        metrics["test"] = dict(trainer.test(module, datamodule=data, ckpt_path=best, verbose=False)[0])
    return {split: {key.removeprefix(f"{split}/"): value for key, value in values.items()}
            for split, values in metrics.items()}  # fmt: skip


def _finish_checkpoints(parts: "Parts") -> str:
    """Makes last.ckpt hold the last weights, also those after the last validation. Returns the path of best.ckpt."""
    folder = Path(str(parts.checkpoint.dirpath))
    parts.trainer.save_checkpoint(folder / "last.ckpt", False)  # the whole state, not the weights only
    if not parts.checkpoint.best_model_path:  # the training ended before its first validation
        parts.trainer.save_checkpoint(folder / "best.ckpt", False)
    return parts.checkpoint.best_model_path or str(folder / "best.ckpt")


def _log_config(parts: "Parts", cfg: DictConfig) -> None:
    from lightning.pytorch.loggers import CSVLogger

    for logger in parts.trainer.loggers:
        if not isinstance(logger, CSVLogger):  # config.yaml lies beside metrics.csv already
            logger.log_hyperparams(_resolved(cfg))


def _refuse_distributed_sweep(devices: int) -> None:
    """Each rank would run the sweep again on its own, with other hyper-parameters."""
    if devices > 1 and HydraConfig.get().mode == RunMode.MULTIRUN:
        raise ValueError("-m runs jobs in one process and cannot train on several devices; start one train.py a job")


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


def _with_run_folder(cfg: DictConfig, folder: str) -> DictConfig:
    copy = cfg.copy()
    copy.run_folder = folder
    return copy


def _resolved(cfg: DictConfig) -> dict[str, Any]:
    container: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    return container
