"""Loader processes: the open files and shared memory they need, looked at before they start, and their end.

Each batch reaches the training through a file in shared memory. Where files or memory run out, torch says `received 0
items of ancdata` or `Bus error`, in the middle of a training.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

log = logging.getLogger(__name__)
ENOUGH_FILES = 4096
SHARED_MEMORY = Path("/dev/shm")


def raise_open_files() -> None:
    """Lets this process, and those it starts, open as many files as the system allows; warns of a low bound."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (OSError, ValueError):  # macOS calls its bound infinite, and takes no such number
        pass
    if soft != resource.RLIM_INFINITY and soft < ENOUGH_FILES:
        log.warning(
            "this process may open %d files, loader processes may need more (expected %d): raise the hard limit "
            "(ulimit -Hn; docker run --ulimit nofile=65536), or set loader.workers=0",
            soft, ENOUGH_FILES,
        )  # fmt: skip


def warn_of_small_shared_memory(needed: int, folder: Path = SHARED_MEMORY) -> None:
    """Warns where the batches that loader processes hold ready do not fit.

    Args:
        needed: bytes of these batches.
        folder: where shared memory is mounted; only Linux shows it as a folder.
    """
    if not folder.is_dir():
        return
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < needed:
        log.warning(
            "%s has %.0f MB free, the batches of the loader processes need %.0f MB: enlarge it (docker run "
            "--shm-size=%dm; Kubernetes: an emptyDir of medium Memory), or lower loader.workers or loader.batch_size",
            folder, free / 1e6, needed / 1e6, -(-2 * needed // 10**6),
        )  # fmt: skip


def end_loader_processes() -> None:
    """Kills the processes that loaders of this one have left.

    They ignore SIGTERM, which is all that torch and Python send, so that this process would wait for one that hangs.
    """
    children = multiprocessing.active_children()
    if not children or threading.current_thread() is not threading.main_thread():
        return
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's would report their deaths as errors
    for child in children:
        child.kill()
        child.join(5)
    signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)
