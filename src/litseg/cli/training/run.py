"""One run, from its composed config to its exit code: training, evaluation, result.

Heavy imports (torch, Lightning) happen inside functions: a config that is not complete is refused without them.
"""

import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, UserError, user_mistakes
from litseg.cli.exit_codes import REFUSED, TRY_AGAIN, ending, explain, is_expected, is_out_of_memory, may_pass
from litseg.cli.training.open_run import Run, close_run, open_run, seconds, secrets, with_run_folder
from litseg.cli.training.resume import redacted
from litseg.training.stopping import Stopped, StopRequest

if TYPE_CHECKING:
    from litseg.cli.wiring.build import Parts

OUT_OF_MEMORY_HINT = (
    "lower loader.batch_size and raise trainer.accumulate_grad_batches as much (out_of_memory=halve does so by "
    "itself), or choose a smaller data.resize, crop or encoder"
)

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
    stop, value, state, code = StopRequest(), None, "failed", 1
    stop.install()
    try:
        run = open_run(cfg, overrides)
    except (UserError, OSError) as error:
        stop.uninstall()
        print(f"error: {error}", file=sys.stderr)
        return Job(overrides, REFUSED if isinstance(error, UserError) else TRY_AGAIN)
    except Stopped as error:
        raise SystemExit(error.exit_code) from error
    try:
        value = _run(run, stop)
        state, code = "finished", 0
    except BaseException as error:
        state, code = ending(error)
        _report(error, run.folder)
        if isinstance(error, Stopped | KeyboardInterrupt | SystemExit):
            raise SystemExit(code) from error
    finally:
        stop.uninstall()
        close_run(run, state, code)
    return Job(overrides, code, value, run.folder)


def _incomplete(cfg: DictConfig) -> str | None:
    """What keeps the config from being complete; found before torch is loaded and before there is a run folder."""
    try:
        OmegaConf.resolve(copy := with_run_folder(cfg, "unknown"))
    except OmegaConfBaseException as error:
        return str(error)
    if missing := sorted(OmegaConf.missing_keys(copy)):
        return f"not set: {', '.join(missing)}; give each a value, such as {missing[0]}=..."
    return None


def _report(error: BaseException, folder: Path) -> None:
    """What is expected as one message, anything else with its traceback; to the terminal and log.txt."""
    if isinstance(error, Stopped | KeyboardInterrupt | SystemExit):
        log.warning("stopped by %s; go on with resume=%s", error, folder)
    elif os.environ.get("LITSEG_DEBUG") == "1":
        raise error
    elif is_out_of_memory(error):
        log.error("error: out of memory (%s); %s", str(error).splitlines()[0], OUT_OF_MEMORY_HINT)
    elif may_pass(error):
        log.error("error: %s; when that is mended, go on with resume=%s", explain(error), folder)
    else:
        log.error("error: %s", error, exc_info=None if is_expected(error) else error)


def _run(run: Run, stop: StopRequest) -> float | None:
    from litseg.cli.logs import start_logging
    from litseg.results import code_state

    start_logging(run.folder if run.rank == 0 else None, secrets(run.config))
    if run.rank == 0:
        for line in (f"run folder {run.folder}", *run.notes):
            log.info(line)
    code = code_state(CONF.parent)  # now: who edits while a long run trains must not change what it says it ran
    while True:
        try:
            parts = _build(run, stop)
            metrics = _fit_and_evaluate(parts, run.checkpoint)
            break
        except Exception as error:
            if not (is_out_of_memory(error) and _may_halve(run)):
                raise
            log.warning("out of memory: loader.batch_size is halved and accumulation doubled, training begins anew")
            run.status["batch_size_halved"] += 1
        parts = None  # type: ignore[assignment]  # its memory is needed
        gc.collect()
    if not parts.trainer.is_global_zero:
        return None
    from litseg.cli.training.record import record

    return record(parts, run.config, run.folder, metrics, code, run.status, seconds(run))


def _may_halve(run: Run) -> bool:
    """A training that has made checkpoints counts its batches in them: it cannot change their size."""
    began = run.checkpoint is not None or any((run.folder / "checkpoints").glob("step-*.ckpt"))
    size = run.config.loader.batch_size >> run.status["batch_size_halved"]
    return run.config.out_of_memory == "halve" and size % 2 == 0 and not began


def _build(run: Run, stop: StopRequest) -> "Parts":
    with user_mistakes():
        import lightning

        from litseg.cli.training.conditions import compare_conditions
        from litseg.cli.wiring.build import build
        from litseg.training import load_checkpoint

        if run.checkpoint is not None:
            load_checkpoint(run.checkpoint)  # one that is refused is refused before anything in the folder changes
        cfg = run.config.copy()
        cfg.loader.batch_size >>= run.status["batch_size_halved"]
        cfg.trainer.accumulate_grad_batches <<= run.status["batch_size_halved"]
        lightning.seed_everything(cfg.seed, workers=True, verbose=False)
        parts = build(cfg, run.folder, run.checkpoint, stop, run.status.get("config_hash"))
        _refuse_distributed_sweep(parts.trainer.world_size)
    if run.rank == 0:
        compare_conditions(run, parts)
    if run.rank == 0:
        _prepare_loggers(parts, run.config, run.checkpoint)
    return parts


def _fit_and_evaluate(parts: "Parts", checkpoint: Path | None) -> dict[str, dict[str, float]]:
    """Trains, then evaluates the best checkpoint, or without a val split the last, on what there is of val and test."""
    trainer, module, data = parts.trainer, parts.module, parts.data
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    if trainer.global_step == 0:
        raise UserError(
            "no training step was made; check trainer.max_epochs, trainer.max_steps and limit_train_batches"
        )
    best = parts.checkpoint.best_path()
    metrics = {}
    if "val" in data.scans:
        metrics["val"] = dict(trainer.validate(module, datamodule=data, ckpt_path=best, verbose=False)[0])
    if "test" in data.scans:
        metrics["test"] = dict(trainer.test(module, datamodule=data, ckpt_path=best, verbose=False)[0])
    return {split: {key.removeprefix(f"{split}/"): value for key, value in values.items()}
            for split, values in metrics.items()}  # fmt: skip


def _prepare_loggers(parts: "Parts", cfg: DictConfig, checkpoint: Path | None) -> None:
    """Tells them the config; rows that a resumed training will write again go."""
    from litseg.training import step_of
    from litseg.training.csv_logger import CsvLogger

    for logger in parts.trainer.loggers:
        if isinstance(logger, CsvLogger):
            logger.rewind(0 if checkpoint is None else step_of(checkpoint))
        logger.log_hyperparams(redacted(cfg))


def _refuse_distributed_sweep(devices: int) -> None:
    """Each rank would run the sweep again on its own, with other hyper-parameters."""
    if devices > 1 and HydraConfig.get().mode == RunMode.MULTIRUN:
        raise ValueError(
            f"-m runs its jobs in one process, and one wants {devices} devices; give each job a process of its own: "
            "litseg sweep ... launcher=local (or submitit, ray), or one python train.py each; or set trainer.devices=1"
        )
