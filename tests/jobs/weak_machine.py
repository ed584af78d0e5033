"""Preloaded by a server: its first FORKS_FAIL forks and KILLS_FAIL kills do nothing, and its patience is short."""

import os
import sys
from typing import Any

server: Any = sys.modules["__main__"]
server.PAUSE, server.FAILURES = 0.2, 3
left = {name: int(os.environ.get(name, "0")) for name in ("FORKS_FAIL", "KILLS_FAIL")}
fork, kill = os.fork, os.killpg


def _fails(name: str) -> bool:
    left[name] -= 1
    return left[name] >= 0


def _fork() -> int:
    if _fails("FORKS_FAIL"):
        raise BlockingIOError("Resource temporarily unavailable")
    return fork()


def _kill(group: int, number: int) -> None:
    if not _fails("KILLS_FAIL"):
        kill(group, number)


os.fork, os.killpg = _fork, _kill
