"""Runs the trials of a sweep: starts and watches their jobs, and records how each ended."""

import time
from collections.abc import Callable

from optuna import Study
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from litseg.jobs.job import STOPPED, TRY_AGAIN, Launcher, Outcome
from litseg.sweeps.sweep import Sweep
from litseg.sweeps.taking import Taken, take_left_behind, take_new
from litseg.sweeps.trial_run import is_at_work, is_finished, last_error, objective_value

REFUSED = 2
"""Exit code of a training whose config or data were wrong."""
ATTEMPTS, FIRST_REFUSED = 3, 3
LOOK_SECONDS, TAKE_SECONDS = 0.5, 10.0
"""Between two looks at the scores of running trials, and at trials that another runner may have left."""


class AllRefusedError(Exception):
    """The first trials were refused, so the next would be too."""


class Runner:
    """Runs trials until there is none left to take.

    Args:
        sweep: what to run.
        study: where trials are counted and recorded.
        storage: the study's.
        launcher: starts the jobs; it is closed at the end.
        ended: called with each trial that has ended here.
        tick: called with the number of trials that this runner is at, a few times a second.
    """

    def __init__(
        self,
        sweep: Sweep,
        study: Study,
        storage: RDBStorage,
        launcher: Launcher,
        ended: Callable[[FrozenTrial], None],
        tick: Callable[[int], None],
    ) -> None:
        self.sweep, self.study, self.storage, self.launcher = sweep, study, storage, launcher
        self.ended, self.tick = ended, tick
        self.taken: dict[str, Taken] = {}  # by the name of the job
        begun = any(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
        self.refused = None if begun else 0  # how many of the first trials of the study; None: one was not

    def run(self) -> None:
        """Returns when no trial is left that nobody is at.

        Raises:
            AllRefusedError: the first three were refused.
        """
        try:
            looked = self._take()
            while self.taken:
                outcomes = self._wait()
                for outcome in outcomes:
                    self._hear(outcome)
                for taken in list(self.taken.values()):
                    self._look(taken)
                if outcomes or time.monotonic() > looked + TAKE_SECONDS:
                    looked = self._take()
                self.tick(len(self.taken))
        finally:
            self.launcher.close()
            for taken in self.taken.values():
                taken.lease.release()

    def _take(self) -> float:
        """Takes trials until as many run as may; the time at which it did."""
        while len(self.taken) < self.launcher.at_once:
            mine = {taken.trial.number for taken in self.taken.values()}
            found = take_left_behind(self.sweep, self.study, self.storage, mine)
            found = found or take_new(self.sweep, self.study, self.storage)
            if found is None:
                break
            self._begin(found)
        return time.monotonic()

    def _begin(self, taken: Taken) -> None:
        """Starts the job, unless the one of a runner that has died is still ending, or has finished."""
        folder = taken.job.folder
        taken.started = not is_at_work(folder)
        if taken.started and is_finished(folder):
            self.taken.pop(taken.job.name, None)
            return self._finish(taken, 0, 0.0, "")
        self.taken[taken.job.name] = taken
        return self.launcher.start(taken.job) if taken.started else None

    def _wait(self) -> list[Outcome]:
        if any(taken.started for taken in self.taken.values()):
            return self.launcher.wait(LOOK_SECONDS)
        time.sleep(LOOK_SECONDS)
        return []

    def _look(self, taken: Taken) -> None:
        """Tells the study what is new, and stops the job of a trial that is not worth its time."""
        if taken.given_up:
            return
        if taken.lease.lost and not taken.started:
            self._let_go(self.taken.pop(taken.job.name))
        elif not taken.started:
            self._begin(taken)
        elif taken.lease.lost:
            self._give_up(taken)
        elif taken.report(self.sweep.objective) and taken.trial.should_prune():
            epochs = max(taken.reported)
            taken.trial.set_user_attr("reason", f"pruned after {epochs} epoch{'s' if epochs > 1 else ''}")
            self.study.tell(taken.trial.number, state=TrialState.PRUNED)  # now: nobody goes on with it after a kill
            self._give_up(taken)

    def _give_up(self, taken: Taken) -> None:
        taken.given_up = True
        self.launcher.stop(taken.job.name)

    def _hear(self, outcome: Outcome) -> None:
        taken = self.taken.pop(outcome.job.name)
        if taken.given_up or taken.lease.lost:
            self._let_go(taken)
        elif is_finished(taken.job.folder):  # what its process did after that, such as crash, does not matter
            self._finish(taken, 0, outcome.seconds, "")
        elif _may_pass(outcome) and taken.attempts < ATTEMPTS:
            taken.attempts += 1
            self._begin(taken)
        else:
            self._finish(taken, outcome.code, outcome.seconds, outcome.reason)

    def _finish(self, taken: Taken, code: int, seconds: float, reason: str) -> None:
        """Records the end of a trial that ended by itself."""
        taken.report(self.sweep.objective)
        value = objective_value(taken.job.folder, self.sweep.objective) if code == 0 else None
        if code == 0 and value is None:
            reason = f"no finite {self.sweep.objective} in its result.json"
        elif code != 0:
            reason = reason or last_error(taken.job.folder) or f"exit code {code}"
        for name, found in {"exit_code": code, "seconds": round(seconds, 1), "reason": reason}.items():
            taken.trial.set_user_attr(name, found)
        self.study.tell(taken.trial.number, value, None if value is not None else TrialState.FAIL)
        self._let_go(taken)
        self._count_refused(code, reason)

    def _let_go(self, taken: Taken) -> None:
        taken.lease.release()
        found = self.storage.get_trial(taken.trial._trial_id)
        if found.state.is_finished():  # else another runner has it
            self.ended(found)

    def _count_refused(self, code: int, reason: str) -> None:
        self.refused = self.refused + 1 if self.refused is not None and code == REFUSED else None
        if self.refused == FIRST_REFUSED:
            raise AllRefusedError(reason)


def _may_pass(outcome: Outcome) -> bool:
    """Whether the same job may do better: the machine failed it, or somebody else has stopped it."""
    return outcome.code == TRY_AGAIN or (outcome.code == STOPPED and not outcome.reason.startswith("timed out"))
