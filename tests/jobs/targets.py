"""What the jobs of the tests do."""

import atexit
import ctypes
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path


def say() -> int | None:
    """Prints its words; the first is the exit code."""
    print("out", *sys.argv[1:])
    print("err", file=sys.stderr)
    os.system("echo from a child")
    return int(sys.argv[1]) if len(sys.argv) > 1 else None


def describe() -> None:
    """Prints, as JSON, what a command may know of its process."""
    stdin = os.read(0, 10).decode()
    signals = {name: repr(signal.getsignal(getattr(signal, name))) for name in ("SIGTERM", "SIGCHLD", "SIGINT")}
    blocked = [signal.Signals(number).name for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])]
    spec = sys.modules["__main__"].__spec__
    torch = sys.modules.get("torch")
    found = {
        "argv": sys.argv, "stdin": stdin, "signals": signals, "blocked": blocked, "folder": str(Path.cwd()),
        "session": os.getsid(0) == os.getpid(), "main": spec and spec.name, "child": multiprocessing.parent_process(),
        "set": os.environ.get("LITSEG_TEST_SET"), "unset": "LITSEG_TEST_UNSET" in os.environ,
        "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "threads": torch.get_num_threads() if torch else None,
        "openmp": os.environ.get("OMP_NUM_THREADS"), "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "path": "PYTHONSAFEPATH" in os.environ,
    }  # fmt: skip
    print(json.dumps(found))


def raises() -> None:
    raise RuntimeError("boom")


def exits() -> None:
    atexit.register(print, "atexit was here")
    sys.exit("no more" if len(sys.argv) == 1 else int(sys.argv[1]))


def crashes() -> None:
    print("before the crash")
    ctypes.string_at(0)


def needs_memory() -> None:
    """More than the 200 MB that are left to it."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
    bytearray(2_000_000_000)


def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def waits() -> None:
    """Has a process of its own; both wait for ever. The numbers of both are in `pids`."""
    child = subprocess.Popen(["sleep", "1000"])
    with Path("pids").open("a") as file:
        file.write(f"{os.getpid()}\n{child.pid}\n")
    time.sleep(1000)


def ignores() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    waits()


def saves() -> None:
    """Takes half a second to save after the first SIGTERM; a second one in this time would cut it off."""
    heard: list[int] = []

    def note(number: int, _: object) -> None:
        if heard:
            os._exit(99)
        heard.append(number)

    signal.signal(signal.SIGTERM, note)
    print("ready")
    while not heard:
        time.sleep(0.01)
    time.sleep(0.5)
    print("saved")
    sys.exit(143)


def naps() -> None:
    """As many seconds as it is told; writes when it began and ended."""
    began = time.monotonic()
    time.sleep(float(sys.argv[1]))
    print(json.dumps([began, time.monotonic()]))


def waiting_training() -> int:
    """A training whose fourth step waits for a signal."""
    from litseg.cli.train import main

    os.environ["FAULT"] = "wait"
    return main()
