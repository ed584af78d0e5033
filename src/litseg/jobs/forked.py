"""What a process does between its fork from the server and its job: everything that a command of its own would have."""

import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from litseg.jobs.call import end_with_parent
from litseg.jobs.job import Job

INHERITED = frozenset(os.environ)
"""The environment variables of the program when it started this process, before any import here sets some."""
SERVER = os.getpid()
"""The process that imports this, and forks the jobs."""


class Order(NamedTuple):
    """A job with environment and working directory of the program that wants it."""

    job: Job
    environment: Mapping[str, str]
    folder: str


def become_job(
    order: Order, gpus: Sequence[str], at_once: int, threads: int | None, ends: Sequence[Connection | socket.socket]
) -> None:
    """Makes this process, forked a moment ago with SIGTERM blocked, that of a job.

    Args:
        order: the job, and whose it is.
        gpus: as CUDA_VISIBLE_DEVICES is to name them; empty: it is left as it is.
        at_once: how many jobs share the CPUs.
        threads: of the job; None: its share of torch's own number.
        ends: connections of the server, which the job is not to hold.
    """
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is told to ignore it
    end_with_parent(SERVER)
    with suppress(OSError):  # where memory runs out, Linux ends a job before the server
        Path("/proc/self/oom_score_adj").write_text("500")
    for end in ends:
        end.close()
    order.job.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(order.job.folder / "job.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    for name in INHERITED - order.environment.keys():  # what imports have set since stays
        os.environ.pop(name, None)
    os.environ.update(order.environment)
    os.chdir(order.folder)
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    threads = _share_threads(at_once, threads)
    shown = f"GPU {','.join(gpus)}" if gpus else "no GPU of its own"
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    print(f"{now} job {order.job.name}: process {os.getpid()}, threads {threads}, {shown}", flush=True)


def _share_threads(at_once: int, wanted: int | None) -> int:
    """Before the first parallel computation of this process; one in the server would be copied half."""
    torch: Any = sys.modules.get("torch")
    own = torch.get_num_threads() if torch else _allowed_cpus()
    threads: int = wanted or max(1, own // at_once)
    if threads != own:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        if torch:
            torch.set_num_threads(threads)
    return threads


def _allowed_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_gpus() -> list[str]:
    """The GPUs of this process; counted in a fork, as the jobs could not use CUDA if it had been asked here."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return []
    if (pid := os.fork()) == 0:
        count = 0
        with suppress(Exception):
            count = torch.cuda.device_count()
        os._exit(min(count, 127))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return [str(index) for index in range(status)]
