"""Logs 100 values to W&B: `python -m tests.cli.log_to_wandb FOLDER SECONDS [URL]`. With KILL, W&B's service dies."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from litseg.cli.wandb_run import wandb_logger
from litseg.training.background_logger import finish_loggers

if __name__ == "__main__":
    folder, seconds, *url = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    Path(folder).mkdir(exist_ok=True)
    logger = wandb_logger(folder, "litseg", base_url=url[0] if url else None, finish_seconds=float(seconds))
    assert logger is not None
    for step in range(100):
        logger.log_metrics({"loss": 1.0}, step)
        if step == 50 and "KILL" in os.environ:
            from wandb.sdk import wandb_setup

            connection: Any = wandb_setup.singleton()._connection
            connection._proc._process.kill()
            connection._proc._process.wait()
    finish_loggers(0)
    print(f"id {logger.version}")
