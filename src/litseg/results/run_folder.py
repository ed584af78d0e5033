"""The run folder: what a run leaves behind, written so that each file is whole or absent."""

import fcntl
import hashlib
import json
import math
import os
from datetime import datetime
from pathlib import Path
from typing import IO, Any

NOT_THE_EXPERIMENT = ("run_folder", "name", "output", "resume", "resume_allow", "trust")
"""Config keys that name a single run or say how it is continued."""
REFUSED = 2
"""Exit code of a run whose config or data were refused: there is nothing to continue."""


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
    """Writes strict JSON, see `write_text`; numbers that are not finite become null."""
    write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes beside the target and renames: on a full disk the older file stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_status(folder: Path, content: dict[str, Any]) -> None:
    """Writes `status.json`: what a resume, a requeued job or a sweep must know of a run.

    Args:
        folder: the run folder.
        content: state (running, finished, failed, preempted or interrupted), exit_code (None while it runs),
            config_hash, resumes (how often), seconds (of all parts), batch_size_halved (how often).
    """
    job = os.environ.get("SLURM_JOB_ID")
    write_json(folder / "status.json", {**content, "slurm_job_id": job, "pid": os.getpid()})


def read_status(folder: Path) -> dict[str, Any]:
    """What `status.json` says; empty where there is none that can be read."""
    try:
        found = json.loads((folder / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def lock(folder: Path) -> IO[str] | None:
    """Holds a run folder for as long as the file it returns is open, however the process ends.

    The lock is this process's alone: loader processes, which outlive a killed training by seconds, do not inherit it.

    Returns:
        None where another process holds it.
    """
    file = (folder / ".lock").open("w")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        return None
    except OSError:  # a file system without locks
        pass
    return file


def is_held(folder: Path) -> bool:
    """Whether another process is at work in it. One that holds it itself would lose it by asking."""
    file = lock(folder)
    if file is not None:
        file.close()
    return file is None


def unfinished_runs(output: Path, config_hash: str | None) -> list[Path]:
    """Run folders of this config (None: any) below `output` that began to train and did not finish, newest first."""
    found = []
    for path in output.glob("*/*/status.json"):
        status = read_status(path.parent)
        ended = status.get("state") in (None, "finished") or status.get("exit_code") == REFUSED
        if config_hash in (None, status.get("config_hash")) and not ended and not is_held(path.parent):
            found.append(path.parent)
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def runs_inside(folder: Path) -> str:
    """For a message about a folder that is no run: the newest runs in it; empty where there are none."""
    paths = [*folder.glob("*/config.yaml"), *folder.glob("*/*/config.yaml")]
    found = sorted((path.parent.relative_to(folder) for path in paths), key=lambda path: path.name, reverse=True)[:3]
    return f"; runs in it: {', '.join(map(str, found))}" if found else ""


def config_hash(config: dict[str, Any]) -> str:
    """sha256 of a resolved config without `NOT_THE_EXPERIMENT`."""
    kept = {key: value for key, value in config.items() if key not in NOT_THE_EXPERIMENT}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
