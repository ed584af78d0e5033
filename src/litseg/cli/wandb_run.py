"""Weights & Biases: online where a key is set, else offline, and never the reason that a run fails."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch.loggers import WandbLogger

log = logging.getLogger(__name__)


def wandb_logger(folder: str, project: str, name: str | None = None, **settings: Any) -> "WandbLogger | None":
    """A logger with a W&B run of its own, or None (said in the log) where the wandb package is not installed.

    Args:
        folder: the run folder; W&B keeps its files in `wandb/` there.
        project: the W&B project.
        name: the run's display name; None takes the folder's.
        **settings: further arguments of `wandb.init`, such as `group` or `tags`.
    """
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    if getattr(rank_zero_only, "rank", 0) != 0:
        return None
    try:
        import wandb
    except ImportError:
        log.info("W&B is not installed, metrics go to metrics.csv only (add it by: pip install -e '.[wandb]')")
        return None
    from lightning.pytorch.loggers import WandbLogger

    mode = os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
    arguments = {"project": project, "name": name or Path(folder).name, "dir": folder, **settings}
    run = _start(wandb, mode, arguments)
    offline = f"offline; upload it later by: wandb sync {Path(run.dir).parent}"
    log.info("W&B run %s (%s)", run.id, offline if run.offline else run.url)
    return WandbLogger(experiment=run, save_dir=folder)


def _start(wandb: Any, mode: str, arguments: dict[str, Any]) -> Any:
    """A new run; offline after 20 s without an answer. `reinit` ends a run that an earlier job left open."""
    quiet = wandb.Settings(init_timeout=20, silent=True, disable_code=True)
    try:
        return wandb.init(mode=mode, settings=quiet, reinit="finish_previous", **arguments)
    except Exception as error:  # whatever W&B or the network has against it, training goes on
        log.warning("W&B cannot go %s (%s); it goes on offline", mode, error)
        return wandb.init(mode="offline", settings=quiet, reinit="finish_previous", **arguments)


def _has_key() -> bool:
    """Whether a key is in the environment or the netrc file; looking never asks and needs no network."""
    import netrc

    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        hosts = netrc.netrc().hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return any("wandb" in host for host in hosts)


def finish_wandb(exit_code: int) -> None:
    """Ends the run of this job, if wandb is in use at all: importing it here would cost two seconds."""
    import sys

    if "wandb" in sys.modules and sys.modules["wandb"].run is not None:
        try:
            sys.modules["wandb"].run.finish(exit_code=exit_code)
        except Exception as error:  # the results are written; W&B keeps its own copy on disk
            log.warning("W&B could not end its run: %s", error)
