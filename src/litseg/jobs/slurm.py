"""Jobs that SLURM queues and runs, by way of submitit."""

import math
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from litseg.jobs.attend import attend, stop_file
from litseg.jobs.job import STOPPED, TRY_AGAIN, Job, Outcome

LOOK = 0.5
"""Seconds between two looks at the jobs."""
PAUSE, REFUSALS = 30.0, 10
"""Seconds from an sbatch that failed to the next, and how many in a row end a job while no other is queued: until then
the limit that refuses it may be one on these others."""
CODES = {"CANCELLED": STOPPED, "TIMEOUT": STOPPED, "PREEMPTED": TRY_AGAIN, "NODE_FAIL": TRY_AGAIN,
         "BOOT_FAIL": TRY_AGAIN, "OUT_OF_MEMORY": 137}  # fmt: skip
"""Exit codes by SLURM's own word, where it has ended a job together with the process that attends it."""


class SubmititLauncher:
    """Runs each job as a job of SLURM. Jobs go on when this program is killed; when it stops, it stops them.

    That a job has ended is seen at once, that SLURM has killed it only after some minutes, as submitit spares `sacct`.

    Args:
        folder: for submitit's own files; where all machines see it, as must the folders of the jobs.
        cluster: `slurm`, `local` (processes on this machine, to try things), or None: what there is.
        at_once: jobs that are queued or running at a time.
        minutes: the time limit of a job that has none.
        grace: seconds before the limit, and after a stop, that a job has to save and end.
        partition: of the cluster.
        gpus: for each job.
        cpus: for each job; loader processes need some.
        memory_gb: for each job.
        account: who pays.
        setup: shell commands before each job, such as `module load cuda`.
        slurm: further options of sbatch, such as `{qos: low, constraint: a100}`.

    Raises:
        ValueError: submitit is not installed, or refuses an option.
    """

    def __init__(
        self,
        folder: str | Path,
        cluster: str | None = None,
        at_once: int = 16,
        minutes: float = 240.0,
        grace: float = 120.0,
        partition: str | None = None,
        gpus: int | None = 1,
        cpus: int = 4,
        memory_gb: float | None = None,
        account: str | None = None,
        setup: Sequence[str] = (),
        slurm: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            import submitit
        except ImportError as error:
            raise ValueError("launcher=submitit needs submitit: pip install -e '.[slurm]'") from error
        self.at_once, self._minutes, self._grace = at_once, minutes, grace
        try:
            self._executor = submitit.AutoExecutor(folder=Path(folder).absolute(), cluster=cluster)
            self._executor.update_parameters(
                name="litseg", gpus_per_node=gpus or None, cpus_per_task=cpus, mem_gb=memory_gb,
                slurm_partition=partition, slurm_account=account, slurm_setup=list(setup) or None,
                slurm_signal_delay_s=math.ceil(grace), slurm_additional_parameters=dict(slurm or {}) or None,
            )  # fmt: skip
        except (
            RuntimeError,
            NameError,
            ValueError,
            AssertionError,
        ) as error:  # no SLURM here; an option that it does not know
            raise ValueError(f"launcher=submitit: {error}") from error
        self._waiting: deque[Job] = deque()
        self._queued: dict[str, tuple[Job, Any]] = {}
        self._ended: list[Outcome] = []
        self._submit_at, self._refusals, self._refused = 0.0, 0, (submitit.core.utils.FailedJobError, OSError)

    def start(self, job: Job) -> None:
        """Queues a job, as soon as fewer than `at_once` are.

        Raises:
            ValueError: there is a job of that name.
        """
        if job.name in self._queued or any(job.name == other.name for other in self._waiting):
            raise ValueError(f"job {job.name!r} is there already; give each a name of its own")
        self._waiting.append(Job(job.name, job.target, job.words, job.folder.absolute(), job.minutes))
        self._submit()

    def _submit(self) -> None:
        while self._waiting and len(self._queued) < self.at_once and time.monotonic() >= self._submit_at:
            job = self._waiting.popleft()
            stop_file(job).unlink(missing_ok=True)
            minutes = (job.minutes or self._minutes) + 2 * self._grace / 60  # the job's own limit comes first
            self._executor.update_parameters(timeout_min=math.ceil(minutes))
            limited = Job(job.name, job.target, job.words, job.folder, job.minutes or self._minutes)
            try:
                queued = self._executor.submit(attend, limited, self._grace, os.getcwd())  # noqa: PTH109
            except self._refused as error:
                self._put_off(job, " ".join(str(error).split()))
            else:
                self._queued[job.name], self._refusals = (job, queued), 0

    def _put_off(self, job: Job, reason: str) -> None:
        self._submit_at, self._refusals = time.monotonic() + PAUSE, self._refusals + (not self._queued)
        if self._refusals < REFUSALS:
            self._waiting.appendleft(job)
        else:
            self._refusals = 0
            self._ended.append(Outcome(job, TRY_AGAIN, 0.0, reason))

    def wait(self, seconds: float) -> list[Outcome]:
        """The jobs that have ended; returns as soon as there are some, or no job is left, or after so long."""
        until = time.monotonic() + seconds
        while True:
            for job, queued in [*self._queued.values()]:
                if queued.done():
                    del self._queued[job.name]
                    self._ended.append(_outcome(job, queued))
            self._submit()
            if self._ended or not (self._queued or self._waiting) or time.monotonic() >= until:
                ended, self._ended = self._ended, []
                return ended
            time.sleep(max(0.0, min(LOOK, until - time.monotonic())))

    def stop(self, name: str) -> None:
        """Leaves word to stop; one that has not begun is taken from the queue."""
        for job in [job for job in self._waiting if job.name == name]:
            self._waiting.remove(job)
            self._ended.append(Outcome(job, STOPPED, 0.0, "stopped before it began"))
        if name in self._queued and not self._queued[name][1].done(force_check=True):
            job, queued = self._queued[name]
            if queued.state == "PENDING":  # no word: another runner's job in this folder would read it
                queued.cancel(check=False)
                del self._queued[name]
                self._ended.append(Outcome(job, STOPPED, 0.0, "stopped before it began"))
            else:
                job.folder.mkdir(parents=True, exist_ok=True)
                stop_file(job).touch()

    def close(self) -> None:
        """Stops all jobs and waits for them; who does not end then is cancelled."""
        self._waiting.clear()
        for name in [*self._queued]:
            self.stop(name)
        until = time.monotonic() + 2 * self._grace
        while self._queued and time.monotonic() < until:
            self.wait(LOOK)
        for _, queued in self._queued.values():
            queued.cancel(check=False)


def _outcome(job: Job, queued: Any) -> Outcome:
    try:
        code, seconds, reason = queued.result()
    except Exception as error:  # of submitit: the process that attends the job is gone, or has raised
        state = str(queued.state).split(" ")[0].rstrip("+")
        last = (str(error).strip().splitlines() or [""])[-1]
        code, seconds, reason = CODES.get(state, 1), 0.0, f"{state}: {last}"
    return Outcome(job, code, seconds, reason)
