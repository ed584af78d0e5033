"""What this machine offers: CPUs and threads, memory that is kept, and a folder for what can be made again."""

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`map` on all CPUs of this process, in order.

    An iterator that is left before its end does not wait for its threads: the garbage collector may finish it inside
    the start of another thread, and would then wait for ever.
    """
    pool = ThreadPoolExecutor(max_workers=min(8, allowed_cpus()))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def cache_folder() -> Path:
    """Where litseg keeps what it can make again: $LITSEG_CACHE or ~/.cache/litseg."""
    return Path(os.environ.get("LITSEG_CACHE") or Path.home() / ".cache" / "litseg")


def allowed_cpus() -> int:
    """The CPUs this process may run on, which on a cluster are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a temporary neighbour and renames it: the folder is whole or absent, whoever else writes it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".writing-"))
    try:
        write(temporary)
        temporary.chmod(0o755)  # mkdtemp's own is for its user alone, and a cache may be shared
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # anything but another process having been first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
