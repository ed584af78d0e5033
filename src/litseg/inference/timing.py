"""How long a call takes, and how much memory."""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def median_seconds(call: Callable[[], object], repeats: int = 10, warm_up: int = 2, device: str = "cpu") -> float:
    """Median over `repeats` calls, after some that do not count; waits for a GPU.

    Args:
        call: what is timed.
        repeats: at least 1.
        warm_up: calls before, in which memory is claimed and kernels are chosen.
        device: `cuda` waits for what the call has started.
    """
    times = []
    for index in range(warm_up + repeats):
        _wait(device)
        begin = time.perf_counter()
        call()
        _wait(device)
        if index >= warm_up:
            times.append(time.perf_counter() - begin)
    return median(times)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def peak_memory(call: Callable[[], object], device: str = "cpu") -> int | None:
    """Bytes that a call takes at its peak beyond what there was before; None where the system does not tell.

    On a GPU what torch claims; on the CPU (Linux) the growth of the process, which is too small where a library takes
    again what it kept from an earlier call.
    """
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    try:
        ctypes.CDLL(None).malloc_trim(0)  # gives back what is free, or the call would take that
        CLEAR.write_text("5")  # the highest resident size is counted anew
    except (OSError, AttributeError):  # not Linux, not glibc
        return None
    before = _resident("VmRSS")
    call()
    return max(0, _resident("VmHWM") - before)


def _resident(name: str) -> int:
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return 1024 * int(line.split()[1])
