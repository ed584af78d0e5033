"""What this machine offers: the CPUs of this process, memory that is kept, and a folder for what can be made again."""

import ctypes
import os
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def cache_folder() -> Path:
    """Where litseg keeps what it can make again: $LITSEG_CACHE or ~/.cache/litseg."""
    return Path(os.environ.get("LITSEG_CACHE") or Path.home() / ".cache" / "litseg")


def allowed_cpus() -> int:
    """The CPUs this process may run on, which on a cluster are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Let malloc keep what this process frees, instead of giving it back to the kernel and asking again.

    Each page that comes back costs a page fault: for images of half a megabyte and more these take as long as the work
    on them. Only glibc can be told; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
