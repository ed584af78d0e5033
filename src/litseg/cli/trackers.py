"""TensorBoard and MLflow as loggers that cannot fail a run; W&B has a file of its own."""

import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litseg.training.background_logger import BackgroundLogger

log = logging.getLogger(__name__)
USERS_URI = os.environ.get(
    "MLFLOW_TRACKING_URI"
)  # now: MLflow writes its last run's there, which is not the next one's


def tensorboard_logger(folder: str, finish_seconds: float = 30, **settings: Any) -> "BackgroundLogger | None":
    """Event files in `<folder>/tensorboard`, or None (said in the log) where TensorBoard is not installed.

    Args:
        folder: the run folder.
        finish_seconds: how long writing may take at the end of the run.
        **settings: further arguments of Lightning's TensorBoardLogger.
    """
    if not _installed("tensorboard", "TensorBoard"):
        return None
    from lightning.pytorch.loggers import TensorBoardLogger

    from litseg.training.background_logger import BackgroundLogger

    logger = TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False, **settings)
    where = f"what it wrote lies in {logger.log_dir}"
    return BackgroundLogger(logger, "TensorBoard", lambda code: logger.finalize(_ended(code)), finish_seconds, where)


def mlflow_logger(
    folder: str,
    experiment_name: str,
    run_name: str | None = None,
    tracking_uri: str | None = None,
    finish_seconds: float = 60,
    **settings: Any,
) -> "BackgroundLogger | None":
    """An MLflow run, or None (said in the log) where MLflow is not installed.

    Args:
        folder: the run folder.
        experiment_name: MLflow's experiment; made where there is none.
        run_name: None takes the folder's name.
        tracking_uri: a server; None takes MLFLOW_TRACKING_URI, or files in `<folder>/mlruns`.
        finish_seconds: how long the end of the run may wait for the server.
        **settings: further arguments of Lightning's MLFlowLogger.
    """
    if not _installed("mlflow", "MLflow"):
        return None
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")  # seconds; MLflow's 120 and 7 would hold up everything
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # files need no database, nor its packages
    uri = tracking_uri or USERS_URI or f"file:{Path(folder) / 'mlruns'}"
    from lightning.pytorch.loggers import MLFlowLogger

    from litseg.training.background_logger import BackgroundLogger

    try:
        logger = MLFlowLogger(experiment_name, run_name or Path(folder).name, uri, **settings)
    except Exception as error:  # an address that MLflow does not understand
        log.warning("MLflow cannot start (%s); the run goes on without", error)
        return None
    where = "what it did not take is in metrics.csv"
    return BackgroundLogger(logger, "MLflow", lambda code: logger.finalize(_ended(code)), finish_seconds, where)


def _ended(exit_code: int) -> str:
    return "success" if exit_code == 0 else "failed"


def _installed(module: str, name: str) -> bool:
    """Also False on ranks above 0, which log nothing."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    if getattr(rank_zero_only, "rank", 0) != 0:
        return False
    if find_spec(module) is None:
        log.info("%s is not installed, the run goes on without (add it by: pip install -e '.[%s]')", name, module)
        return False
    return True
