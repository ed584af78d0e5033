"""Jobs on a cluster that Ray runs, or on this machine through Ray."""

import os
import signal
import threading
import time
from typing import Any

from litseg.jobs.attend import attend, stop_file
from litseg.jobs.job import STOPPED, TRY_AGAIN, Job, Outcome


class RayLauncher:
    """Runs each job as a task of Ray, which finds a machine with room for it.

    The machines must see the folders of the jobs and the working directory under the same names, and have litseg.

    Args:
        address: of the cluster, such as `auto` on one of its machines; None: this machine alone.
        gpus: for each job; None: one where the cluster has any.
        cpus: for each job; loader processes need some.
        grace: seconds after a stop that a job has to save and end.

    Raises:
        ValueError: Ray is not installed, there is no cluster at the address, or it has no room for one job.
    """

    def __init__(
        self, address: str | None = None, gpus: float | None = None, cpus: float = 2.0, grace: float = 60.0
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or Ray reports over the network
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            import ray
        except ImportError as error:
            raise ValueError("launcher=ray needs Ray: pip install -e '.[ray]'") from error
        self._ray, self._grace, self._begun_here = ray, grace, not ray.is_initialized()
        if self._begun_here:
            try:
                own = {} if address else {"include_dashboard": False}
                ray.init(address=address or "local", log_to_driver=False, logging_level="WARNING", **own)
            except (ConnectionError, ValueError) as error:
                raise ValueError(f"launcher.address: expected a Ray cluster at {address!r}: {error}") from error
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():  # Ray has put its own in their place, which abort the program
                signal.signal(number, handler)
        self._tasks: dict[Any, Job] = {}
        room = ray.cluster_resources()
        gpus = min(1.0, room.get("GPU", 0.0)) if gpus is None else gpus
        self.at_once = int(min(room.get("CPU", 0.0) / cpus, room.get("GPU", 0.0) / gpus if gpus else float("inf")))
        if not self.at_once:
            self.close()
            raise ValueError(
                f"a job wants {cpus:g} CPUs and {gpus:g} GPUs, Ray has {room}; lower launcher.cpus or gpus"
            )
        self._attend = ray.remote(attend).options(num_cpus=cpus, num_gpus=gpus, max_retries=0)

    def start(self, job: Job) -> None:
        """Hands a job to Ray, which starts it as soon as there is room.

        Raises:
            ValueError: there is a job of that name.
        """
        if any(job.name == other.name for other in self._tasks.values()):
            raise ValueError(f"job {job.name!r} is there already; give each a name of its own")
        job = Job(job.name, job.target, job.words, job.folder.absolute(), job.minutes)
        stop_file(job).unlink(missing_ok=True)
        self._tasks[self._attend.remote(job, self._grace, os.getcwd())] = job  # noqa: PTH109

    def wait(self, seconds: float) -> list[Outcome]:
        """The jobs that have ended; returns as soon as there are some, or no job is left, or after so long."""
        if not self._tasks:
            return []
        try:
            self._ray.wait([*self._tasks], timeout=seconds)
            ended, _ = self._ray.wait([*self._tasks], num_returns=len(self._tasks), timeout=0)
        except SystemError as error:  # what a signal's handler has raised inside of Ray
            raise error.__cause__ or error from None
        return [self._outcome(task, self._tasks.pop(task)) for task in ended]

    def _outcome(self, task: Any, job: Job) -> Outcome:
        try:
            return Outcome(job, *self._ray.get(task))
        except self._ray.exceptions.TaskCancelledError:
            return Outcome(job, STOPPED, 0.0, "cancelled")
        except self._ray.exceptions.OutOfMemoryError:
            return Outcome(job, 137, 0.0, "killed by Ray, as memory ran out on its machine")
        except self._ray.exceptions.RayTaskError as error:
            return Outcome(job, 1, 0.0, str(error).strip().splitlines()[-1])
        except self._ray.exceptions.RayError as error:  # its machine or its process is gone
            return Outcome(job, TRY_AGAIN, 0.0, str(error).strip().splitlines()[0])

    def stop(self, name: str) -> None:
        """Leaves word to stop."""
        for job in self._tasks.values():
            if job.name == name:
                job.folder.mkdir(parents=True, exist_ok=True)
                stop_file(job).touch()

    def close(self) -> None:
        """Stops all jobs, waits for them, and leaves Ray."""
        for job in self._tasks.values():
            self.stop(job.name)
        until = time.monotonic() + 2 * self._grace
        while self._tasks and time.monotonic() < until:
            self.wait(1.0)
        if self._begun_here:
            self._ray.shutdown()
