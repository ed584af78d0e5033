"""The run folder: what a run leaves behind, written so that each file is whole or absent."""

import hashlib
import json
import math
import os
from datetime import datetime
from pathlib import Path
from typing import Any


def create_run_folder(output: Path, experiment: str, name: str) -> Path:
    """Makes `output/<experiment>/<time>-<pid>-<name>/`.

    Raises:
        FileExistsError: the folder is there already; two runs never share one.
    """
    time = datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    folder = output / experiment / f"{time}-{os.getpid()}-{name}"
    folder.mkdir(parents=True, exist_ok=False)
    return folder


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes strict JSON beside the target and renames it; numbers that are not finite become null."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")
    temporary.replace(path)


def write_status(folder: Path, state: str, exit_code: int | None, config_hash: str) -> None:
    """Writes `status.json`.

    Args:
        folder: the run folder.
        state: running, finished, failed or interrupted.
        exit_code: of the process; None while it runs.
        config_hash: see `config_hash`.
    """
    job = os.environ.get("SLURM_JOB_ID")
    content = {"state": state, "exit_code": exit_code, "config_hash": config_hash, "slurm_job_id": job}
    write_json(folder / "status.json", {**content, "pid": os.getpid()})


def config_hash(config: dict[str, Any]) -> str:
    """sha256 of a resolved config without what names a single run: its folder and its name."""
    kept = {key: value for key, value in config.items() if key not in ("run_folder", "name", "output")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
