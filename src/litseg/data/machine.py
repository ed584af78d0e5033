"""What this machine offers: the CPUs of this process, and a folder for what can be made again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where litseg keeps what it can make again: $LITSEG_CACHE or ~/.cache/litseg."""
    return Path(os.environ.get("LITSEG_CACHE") or Path.home() / ".cache" / "litseg")


def allowed_cpus() -> int:
    """The CPUs this process may run on, which on a cluster are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
