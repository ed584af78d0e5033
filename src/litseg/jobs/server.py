"""The process that jobs are forked from: it imports the heavy libraries once, and a job then starts in a moment.

Python's own `forkserver` would do the same, but it keeps quiet about imports that fail, is one for the whole program
with the environment of its first use, imports the program's `__main__` again in each job, leaves out `atexit`, and
lives on with its jobs when the program is killed. Here each job is an ordinary process: its own session, `sys.argv`,
environment, working directory, log and end. `litseg.jobs.local` starts it; its messages are tuples over a socket.

Nothing here may start threads or CUDA: what a fork copies of them does not work in the job.
"""

import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any

from litseg.jobs.call import call
from litseg.jobs.forked import Order, become_job, find_gpus
from litseg.jobs.job import STOPPED, TRY_AGAIN, Job, Outcome, exit_code, timed_out

TOGETHER = 0.5
"""Seconds between the end of the program and the stop of its jobs, in which a scheduler's own SIGTERM would come."""
PAUSE, FAILURES = 5.0, 12
"""Seconds from a fork that failed to the next, and how many in a row, about a minute, the order at the front bears."""


@dataclass
class Running:
    """A job at work in one of the places. stop_at, kill_at: when SIGTERM and SIGKILL are due."""

    job: Job
    place: int
    started: float
    stop_at: float = float("inf")
    kill_at: float = float("inf")
    reason: str = ""


class Server:
    """Forks, watches and ends the jobs of one program.

    Args:
        link: to the program.
        at_once: how many places there are; None: one for each GPU, or one.
        gpus: as CUDA_VISIBLE_DEVICES names them.
        threads: for the tensors of each job; None: torch's own number divided by the places.
        grace: seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self, link: Connection, at_once: int | None, gpus: Sequence[str], threads: int | None, grace: float
    ) -> None:
        self.link, self.gpus, self.threads, self.grace = link, list(gpus), threads, grace
        self.at_once = at_once or len(gpus) or 1
        self.free = list(range(self.at_once))
        self.waiting: deque[Order] = deque()
        self.running: dict[int, Running] = {}
        self.closing, self.told = False, -float("inf")
        self.fork_at, self.failures = 0.0, 0
        self.bell, ring = socket.socketpair()  # rings at signals, above all when a job has ended
        for end in (self.bell, ring):
            end.setblocking(False)
        self.ring = ring
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._note)
        signal.set_wakeup_fd(ring.fileno(), warn_on_full_buffer=False)

    def serve(self) -> Order | None:
        """Until the program closes or dies and its jobs have ended.

        Returns:
            In the process of a job its order; None in the server.
        """
        while self.running or not self.closing:
            while self.waiting and self.free and not self.closing and time.monotonic() >= self.fork_at:
                if (order := self._fork()) is not None:
                    return order
            self._listen()
            self._reap()
            self._send_signals()
        return None

    def _note(self, *_: Any) -> None:
        """A scheduler that ends a tree of processes has told the jobs too; they take a second SIGTERM as a kill."""
        self.told = time.monotonic()

    def _listen(self) -> None:
        due = min((min(each.stop_at, each.kill_at) for each in self.running.values()), default=float("inf"))
        if self.waiting and self.free:
            due = min(due, self.fork_at)
        seconds = None if due == float("inf") else max(0.0, due - time.monotonic())
        with suppress(BlockingIOError):
            wait([self.bell] if self.closing else [self.bell, self.link], seconds)
            self.bell.recv(4096)
        try:
            while not self.closing and self.link.poll():
                self._heed(*self.link.recv())
        except (EOFError, OSError):  # the program has closed its end, or is dead
            self.closing = True
            self.waiting.clear()
            for each in self.running.values():
                self._end(each, time.monotonic() + TOGETHER, "stopped")

    def _heed(self, verb: str, *what: Any) -> None:
        if verb == "start":
            self.waiting.append(Order(*what))
        for order in [order for order in self.waiting if (verb, *what) == ("stop", order.job.name)]:
            self.waiting.remove(order)
            self._tell(Outcome(order.job, STOPPED, 0.0, "stopped before it began"))
        for each in self.running.values():
            if (verb, *what) == ("stop", each.job.name):
                self._end(each, time.monotonic(), "stopped")

    def _end(self, each: Running, when: float, reason: str) -> None:
        if each.kill_at == float("inf"):
            each.stop_at, each.reason = min(when, each.stop_at), reason

    def _send_signals(self) -> None:
        now = time.monotonic()
        for pid, each in self.running.items():
            if each.stop_at <= now:
                each.reason = each.reason or timed_out(each.job)
                each.stop_at, each.kill_at = float("inf"), now + self.grace
                if now - self.told > 4 * TOGETHER:
                    os.kill(pid, signal.SIGTERM)
            if each.kill_at <= now:
                _kill_group(pid)
                each.kill_at = now + 1.0  # it may take a while to go

    def _reap(self) -> None:
        for pid, each in list(self.running.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            _kill_group(pid)  # loader processes that it has left
            del self.running[pid]
            self.free.append(each.place)
            code, reason = exit_code(os.waitstatus_to_exitcode(status))
            self._tell(Outcome(each.job, code, time.monotonic() - each.started, each.reason or reason))

    def _gpus_of(self, place: int) -> list[str]:
        return self.gpus[place :: self.at_once] or self.gpus[place % max(1, len(self.gpus)) :][:1]

    def _tell(self, outcome: Outcome) -> None:
        with suppress(OSError):  # the program may be dead
            self.link.send(outcome)

    def _fork(self) -> Order | None:
        order, place, now = self.waiting.popleft(), min(self.free), time.monotonic()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGCHLD))
        try:
            pid = os.fork()
        except OSError as error:
            self._put_off(order, f"no process could be made: {error}")
            return None
        else:
            if pid == 0:
                become_job(order, self._gpus_of(place), self.at_once, self.threads, (self.link, self.bell, self.ring))
                return order
            minutes = order.job.minutes
            self.running[pid] = Running(order.job, place, now, float("inf") if minutes is None else now + 60 * minutes)
            self.free.remove(place)
            self.failures = 0
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return None

    def _put_off(self, order: Order, reason: str) -> None:
        """The machine may have room for a process in a while."""
        self.fork_at, self.failures = time.monotonic() + PAUSE, (self.failures + 1) % FAILURES
        if self.failures:
            self.waiting.appendleft(order)
        else:
            self._tell(Outcome(order.job, TRY_AGAIN, 0.0, reason))


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # there is none left; macOS says so of zombies
        os.killpg(pid, signal.SIGKILL)


def main() -> int:
    """The server; in a job, the job."""
    link = Connection(int(sys.argv[1]))
    preload, gpus, at_once, threads, grace = link.recv()
    try:
        for name in preload:
            import_module(name)
        server = Server(link, at_once, find_gpus() if gpus is None else gpus, threads, grace)
    except BaseException:
        link.send(("failed", traceback.format_exc()))
        return 1
    gc.collect()
    gc.freeze()  # or each job's first collection would touch, and so copy, every object of the libraries
    with suppress(OSError):
        link.send(("ready", server.at_once))
    order = server.serve()
    return 0 if order is None else call(order.job.target, order.job.words)


if __name__ == "__main__":
    sys.exit(main())
