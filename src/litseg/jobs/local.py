"""Jobs on this machine, forked from a process that has imported the heavy libraries already."""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from litseg.jobs.job import TRY_AGAIN, Job, Outcome


class LocalLauncher:
    """Runs jobs on this machine; one that fails, crashes or hangs costs no other.

    Each is a process with a session of its own. When this program ends or is killed, its jobs get SIGTERM, and SIGKILL
    where they have not ended after the grace: none is left behind.

    Args:
        at_once: jobs at a time; None: one for each GPU, without a GPU one.
        gpus: numbers or names of the GPUs that are shared out evenly; None: all that this program sees (counted by
            torch, if `preload` imports it).
        threads: of each job's tensors on the CPU; None: those of this machine divided by `at_once`.
        grace: seconds that a job has to save and end after SIGTERM.
        preload: modules that are imported once for all jobs.

    Raises:
        ValueError: a number is not positive.
    """

    def __init__(
        self,
        at_once: int | None = None,
        gpus: Sequence[int | str] | None = None,
        threads: int | None = None,
        grace: float = 60.0,
        preload: Sequence[str] = (),
    ) -> None:
        for name, value in {"at_once": at_once, "threads": threads, "grace": grace}.items():
            if value is not None and value <= 0:
                raise ValueError(f"launcher.{name}: expected a positive number, got {value}")
        names = None if gpus is None else [str(each) for each in gpus]
        self._settings = (list(preload), names, at_once, threads, grace)
        self._grace, self._preload = grace, preload
        self._jobs: dict[str, Job] = {}
        self._ended: list[Outcome] = []
        self._begin()

    def _begin(self) -> None:
        """Starts the server. It and its jobs hold one end of a pipe; the other tells when all of them have gone."""
        self._socket, there = socket.socketpair()
        self._link, self._places = Connection(os.dup(self._socket.fileno())), 0
        self._life, held = os.pipe()
        path = os.pathsep.join(os.path.abspath(each) for each in sys.path)  # noqa: PTH100  # "" is this folder
        self._server: subprocess.Popen[bytes] | None = subprocess.Popen(
            [sys.executable, "-P", "-m", "litseg.jobs.server", str(there.fileno())],
            pass_fds=(there.fileno(), held),
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,  # Ctrl-C is for this program, which then stops the jobs
            env=os.environ | {"PYTHONPATH": path, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"},  # or an import may start CUDA
        )
        there.close()
        os.close(held)
        self._link.send(self._settings)

    @property
    def at_once(self) -> int:
        """How many jobs run at a time; where it was not given, known when the libraries are imported.

        Raises:
            RuntimeError: a module of `preload` cannot be imported.
        """
        if self._settings[2] is None:
            self._await_places()
        return self._settings[2] or self._places

    def _await_places(self) -> None:
        while not self._places:
            try:
                self._hear(self._link.recv())
            except (EOFError, OSError):
                self._replace_server()

    def start(self, job: Job) -> None:
        """Starts a job as soon as there is a place, with the environment and working directory of this moment.

        Raises:
            ValueError: there is a job of that name, or this launcher is closed.
        """
        if self._server is None:
            raise ValueError("this launcher is closed; make another one")
        if job.name in self._jobs:
            raise ValueError(f"job {job.name!r} is there already; give each a name of its own")
        job = Job(job.name, job.target, job.words, job.folder.absolute(), job.minutes)
        self._jobs[job.name] = job
        with suppress(OSError):  # the server is dead: wait() says so
            self._link.send(("start", job, dict(os.environ), os.getcwd()))  # noqa: PTH109

    def stop(self, name: str) -> None:
        """Sends SIGTERM, after the grace SIGKILL; one that is not there, or has ended, stays as it is."""
        with suppress(OSError):
            self._link.send(("stop", name))

    def wait(self, seconds: float) -> list[Outcome]:
        """The jobs that have ended; returns as soon as there are some, or no job is left, or after so long.

        Raises:
            RuntimeError: a module of `preload` cannot be imported.
        """
        until = time.monotonic() + seconds
        try:
            while self._jobs and self._link.poll(0 if self._ended else max(0.0, until - time.monotonic())):
                self._hear(self._link.recv())
        except (EOFError, OSError):
            self._replace_server()
        ended, self._ended = self._ended, []
        return ended

    def _hear(self, message: Any) -> None:
        if isinstance(message, Outcome):
            del self._jobs[message.job.name]
            self._ended.append(message)
        elif message[0] == "ready":
            self._places = message[1]
        else:
            raise RuntimeError(f"cannot import what launcher.preload names ({', '.join(self._preload)})\n{message[1]}")

    def _replace_server(self) -> None:
        """Somebody has killed the server. The kernel has sent its jobs SIGTERM; none begins before they have ended."""
        if not self._places:
            raise RuntimeError(f"the process that imports {', '.join(self._preload)} for the jobs has died")
        select.select([self._life], [], [], self._grace)
        reason = "the process that starts jobs was killed"
        self._ended += [Outcome(job, TRY_AGAIN, 0.0, reason) for job in self._jobs.values()]
        self._jobs.clear()
        self._free()
        self._begin()

    def close(self) -> None:
        """Stops the jobs and waits for them."""
        if self._server is None:
            return
        if not self._places and not self._link.poll():
            self._server.kill()  # it still imports; no job has begun
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(65536):
                pass
        self._free()

    def _free(self) -> None:
        if self._server is not None:
            self._server.wait()
        self._server = None
        self._link.close()
        self._socket.close()
        os.close(self._life)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
