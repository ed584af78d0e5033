"""Runs a job in a child of this process and watches it: what SLURM and Ray start on their machines."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from litseg.jobs.job import STOPPED, Job, exit_code, timed_out

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
LOOK = 0.2
"""Seconds between two looks at the job."""


def stop_file(job: Job) -> Path:
    """Where a launcher leaves word that the job is to stop: machines share a folder, but signals do not cross."""
    return job.folder / ".stop"


def attend(job: Job, grace: float, folder: str) -> tuple[int, float, str]:
    """Runs a job to its end.

    Args:
        job: what to run.
        grace: seconds between SIGTERM and SIGKILL.
        folder: the working directory.

    Returns:
        Code, seconds and reason of its `Outcome`.
    """
    if stop_file(job).exists():
        stop_file(job).unlink(missing_ok=True)
        return STOPPED, 0.0, "stopped before it began"
    started, heard = time.monotonic(), list[int]()
    listening = SIGNALS if threading.current_thread() is threading.main_thread() else ()  # others hear no signals
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in listening}
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        with (job.folder / "job.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "litseg.jobs.call", str(os.getpid()), job.target, *job.words],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            reason = _watch(process, job, grace, heard)
        finally:  # a job that this was torn from, or loader processes that it has left
            _kill_group(process)
        code, killed = exit_code(process.wait())
        return code, time.monotonic() - started, reason or killed
    finally:
        stop_file(job).unlink(missing_ok=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(process: "subprocess.Popen[bytes]", job: Job, grace: float, heard: list[int]) -> str:
    started, reason, kill_at = time.monotonic(), "", float("inf")
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK)
            return reason
        now = time.monotonic()
        if not reason and (reason := _reason_to_stop(job, now - started, heard)):
            kill_at = now + grace
            if not _has_been_told(heard):
                process.terminate()
        if now > kill_at:
            _kill_group(process)


def _reason_to_stop(job: Job, seconds: float, heard: list[int]) -> str:
    if heard:
        return f"stopped by {signal.Signals(heard[0]).name}"
    if stop_file(job).exists():
        return "stopped"
    return timed_out(job) if job.minutes is not None and seconds > 60 * job.minutes else ""


def _has_been_told(heard: list[int]) -> bool:
    """SLURM signals every process of a job, and a training takes a second signal as a kill; SIGUSR2 it ignores."""
    return bool(heard) and "SLURM_JOB_ID" in os.environ and heard[0] != signal.SIGUSR2


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
