"""Opens a run folder, a new one or one to continue, and closes it with how the run ended."""

import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from litseg.cli.errors import UserError
from litseg.cli.exit_codes import FULL, REFUSED
from litseg.cli.training.ranks import hear, own_rank, started_side_by_side, tell
from litseg.cli.training.resume import experiment_hash, find_run, plain, redacted
from litseg.results import create_run_folder, is_held, lock, read_status, write_status, write_text
from litseg.results.redaction import secret_values

RUN_FOLDER, CHECKPOINT = "LITSEG_RUN_FOLDER", "LITSEG_CHECKPOINT"
"""Environment variables that tell the processes of ranks above 0 what rank 0 has chosen."""

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A run that is under way in this process.

    checkpoint: from where training goes on; None: from the start. status: what `status.json` says, and will. notes:
    lines for the log, which is not open yet. held: keeps other processes out.
    """

    folder: Path
    config: DictConfig
    rank: int
    checkpoint: Path | None
    status: dict[str, Any]
    notes: list[str]
    held: IO[str] | None = None
    started: float = 0.0


def open_run(cfg: DictConfig, words: Sequence[str]) -> Run:
    """The run of this command. Rank 0 makes its folder, holds it, and writes config and status.

    Args:
        cfg: the composed config.
        words: the command line's overrides.

    Raises:
        UserError: there is no run to continue, or its folder cannot be written.
        OSError: the disk is full.
    """
    rank, word = own_rank(), dict[str, str]()
    try:
        if rank > 0:
            return _join(cfg, words, rank)
        run = _open(cfg, words)
        word = {RUN_FOLDER: str(run.folder), CHECKPOINT: str(run.checkpoint or "")}
        os.environ.update(word)
        return run
    except OSError as error:
        if error.errno in FULL:
            raise
        raise UserError(f"cannot write the run folder ({error}); set output to a folder that can be written") from error
    finally:
        if rank == 0 and started_side_by_side():
            tell(word)


def _open(cfg: DictConfig, words: Sequence[str]) -> Run:
    resumed = find_run(cfg, words)
    folder = _new_folder(cfg) if resumed is None else resumed.folder
    held = lock(folder)
    if held is None:
        raise UserError(f"resume: a process is at work in {folder}")
    config = with_run_folder(cfg if resumed is None else resumed.config, str(folder))
    status: dict[str, Any] = {"resumes": 0, "changes": [], "seconds": 0.0, "batch_size_halved": 0}
    run = Run(folder, config, 0, None, status, [], held, time.perf_counter())
    if resumed is not None:
        _continue(run, resumed.changes)
    run.status |= {"state": "running", "exit_code": None, "config_hash": experiment_hash(config)}
    try:
        if resumed is None:
            write_record(run)
    except OSError:
        held.close()
        raise
    return run


def write_record(run: Run) -> None:
    """Writes config and status: of a new run at once, of a continued one when nothing speaks against it."""
    write_text(run.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(redacted(run.config))))
    write_status(run.folder, run.status)


def _continue(run: Run, changes: dict[str, str]) -> None:
    """Finds the checkpoint and takes up the status of a run that was begun before."""
    run.checkpoint = _newest(run)
    run.status |= read_status(run.folder)
    run.status["resumes"] += 1
    where = "the start: there is no checkpoint" if run.checkpoint is None else run.checkpoint.name
    run.notes.append(f"resumed from {where}")
    if changes:
        run.status["changes"].append({"checkpoint": where, **changes})
        run.notes += [f"changed on resume: {key}: {change}" for key, change in changes.items()]


def _newest(run: Run) -> Path | None:
    from litseg.training import newest_checkpoint  # loads torch

    path, skipped = newest_checkpoint(run.folder / "checkpoints")
    run.notes += [f"skipped checkpoint {problem}" for problem in skipped]
    return path


def _join(cfg: DictConfig, words: Sequence[str], rank: int) -> Run:
    """A rank above 0: it writes nothing, and goes on with what rank 0 has chosen."""
    if started_side_by_side():
        os.environ.update(hear())
    if not os.environ.get(RUN_FOLDER):
        raise UserError(f"rank 0 could not open the run, rank {rank} ends too")
    folder, checkpoint = Path(os.environ[RUN_FOLDER]), os.environ.get(CHECKPOINT)
    resumed = find_run(cfg, words) if cfg.resume not in (None, "last", "auto") else None
    config = with_run_folder(cfg if resumed is None else resumed.config, str(folder))
    status = {"batch_size_halved": 0} | read_status(folder)
    return Run(folder, config, rank, Path(checkpoint) if checkpoint else None, status, [])


def close_run(run: Run, state: str, code: int) -> None:
    """Writes how the run ended, and lets go of its folder."""
    from litseg.cli.logs import stop_logging

    if "litseg.data.datamodule" in sys.modules:  # else there are none, and torch is not imported
        sys.modules["litseg.data.loader_processes"].end_loader_processes()
    if run.rank == 0:
        _write_end(run, state, code)
        if code == 0:
            from litseg.results.report import write_report

            write_report(run.folder)
        if "litseg.training.background_logger" in sys.modules:  # else nothing is open, and torch not imported
            sys.modules["litseg.training.background_logger"].finish_loggers(code)
        if run.held is not None:
            run.held.close()
        for name in (RUN_FOLDER, CHECKPOINT):
            os.environ.pop(name, None)
    elif code:
        _wait_for_rank_zero(run.folder)
    stop_logging()


def _write_end(run: Run, state: str, code: int) -> None:
    """A resume that is refused leaves the folder as it was."""
    run.status |= {"state": state, "exit_code": code, "seconds": seconds(run)}
    if code == REFUSED and run.status["resumes"]:
        return
    try:
        write_status(run.folder, run.status)
    except OSError as error:
        log.warning("cannot write status.json: %s", error)


def seconds(run: Run) -> float:
    """Of all parts of the run so far."""
    return round(float(run.status["seconds"]) + time.perf_counter() - run.started, 1)


def _wait_for_rank_zero(folder: Path) -> None:
    """Who started the processes kills rank 0 as soon as another has ended badly; it may still have to write how."""
    parent, until = os.getppid(), time.monotonic() + 10
    while os.getppid() == parent and time.monotonic() < until:
        if read_status(folder).get("state") != "running" and not is_held(folder):
            return
        time.sleep(0.1)


def _new_folder(cfg: DictConfig) -> Path:
    choices = HydraConfig.get().runtime.choices
    experiment = choices.get("experiment") or "no_experiment"
    name = cfg.name or f"{choices['model']}-{choices['loss']}-seed{cfg.seed}".replace("/", "_")
    return create_run_folder(Path(cfg.output).resolve(), str(experiment), name)


def with_run_folder(cfg: DictConfig, folder: str) -> DictConfig:
    """A copy whose `run_folder` is set."""
    copy = cfg.copy()
    copy.run_folder = folder
    return copy


def secrets(cfg: DictConfig) -> frozenset[str]:
    """Values of the config that nobody is to read."""
    return secret_values(plain(cfg, resolve=True), plain(cfg, resolve=False))
