"""What a job is, how it ended, and what starts one."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

STOPPED, TRY_AGAIN = 143, 75
"""Exit codes: stopped by SIGTERM, as `resume=` may go on from; what failed has to do with the machine, not the job."""


@dataclass(frozen=True)
class Job:
    """A function that is to run in a process of its own.

    Args:
        name: unlike that of every other job of a launcher; no slashes.
        target: `package.module:function`, called without arguments; its int (None: 0) or SystemExit is the exit code.
        words: `sys.argv` is `[target, *words]`.
        folder: made where it is absent; what the job prints is appended to `job.log` there.
        minutes: how long it may take; then it is stopped. None: as long as it wants.

    Raises:
        ValueError: name or target are not of that form.
    """

    name: str
    target: str
    words: tuple[str, ...]
    folder: Path
    minutes: float | None = None

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ValueError(f"name of a job: expected some letters without a slash, got {self.name!r}")
        module, _, function = self.target.partition(":")
        if not module or not function:
            raise ValueError(f"target of job {self.name}: expected package.module:function, got {self.target!r}")


class Outcome(NamedTuple):
    """How a job ended.

    code: its exit code; 128 + the number of the signal that killed it. seconds: from its start to its end.
    reason: what ended it, such as `timed out after 5 minutes` or `killed by SIGSEGV`; empty where it ended by itself.
    """

    job: Job
    code: int
    seconds: float
    reason: str


class Launcher(Protocol):
    """Starts jobs, `at_once` at a time; further ones wait for their turn."""

    @property
    def at_once(self) -> int:
        """How many jobs run at a time."""

    def start(self, job: Job) -> None:
        """Starts a job as soon as there is room for it, and returns before."""

    def wait(self, seconds: float) -> list[Outcome]:
        """The jobs that have ended: returns as soon as there are some, or none are left, or after so many seconds."""

    def stop(self, name: str) -> None:
        """Sends a job SIGTERM, upon which a training saves and ends with 143; after a grace SIGKILL."""

    def close(self) -> None:
        """Stops what still runs, and waits for it."""


def exit_code(status: int) -> tuple[int, str]:
    """Code and reason of an `Outcome`.

    Args:
        status: as `subprocess` gives it; minus the number of the signal that killed the process.
    """
    if status >= 0:
        return status, ""
    number = -status
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"  # a real-time one
    hint = ", as the system does where memory runs out" if number == signal.SIGKILL else ""
    return 128 + number, f"killed by {name}{hint}"


def timed_out(job: Job) -> str:
    """The reason of a job that took longer than it may."""
    return f"timed out after {job.minutes:g} minutes"
