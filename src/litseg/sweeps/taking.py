"""Which trial a runner does next, with several runners on one study: each trial has one at a time."""

import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from optuna import Study, Trial
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from litseg.jobs.job import Job
from litseg.jobs.lease import Lease
from litseg.sweeps import space
from litseg.sweeps.study import is_left, study_of_trial
from litseg.sweeps.sweep import Sweep
from litseg.sweeps.trial_run import epoch_values


@dataclass
class Taken:
    """A trial that this runner is at.

    started: whether its job is; a job of a runner that has died may still have to end. attempts: starts of its job.
    reported: epochs, from 1, whose score the study has. given_up: its end is recorded, or another runner has it.
    """

    trial: Trial
    lease: Lease
    job: Job
    started: bool = False
    attempts: int = 1
    given_up: bool = False
    reported: set[int] = field(default_factory=set)

    def report(self, objective: str) -> bool:
        """Tells the study the scores that it does not have yet; whether there were any."""
        found = epoch_values(self.job.folder, objective)
        new = {epoch: value for epoch, value in found.items() if epoch not in self.reported}
        for epoch, value in new.items():
            self.trial.report(value, epoch - 1)  # Optuna's pruners count steps from 0
        self.reported.update(new)
        return bool(new)


@contextmanager
def alone(sweep: Sweep) -> Iterator[None]:
    """One runner of a sweep at a time may be in here: who makes the study, or counts trials and adds one."""
    while (lease := Lease.take(sweep.folder / "asking")) is None:
        time.sleep(0.05)
    with lease:
        yield


def take_left_behind(sweep: Sweep, study: Study, storage: RDBStorage, mine: Container[int]) -> Taken | None:
    """A trial that was begun and that nobody is at any more; None where there is none.

    Args:
        sweep: the sweep.
        study: its study.
        storage: the study's.
        mine: numbers of the trials that this runner is at.
    """
    for found in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if found.number not in mine and (lease := Lease.take(sweep.trial_folder(found.number))):
            if not storage.get_trial(found._trial_id).state.is_finished():
                return _taken(sweep, Trial(study_of_trial(sweep, storage, found.number), found._trial_id), lease)
            lease.release()  # it ended between the two looks
    return None


def take_new(sweep: Sweep, study: Study, storage: RDBStorage) -> Taken | None:
    """A trial that nobody has begun; None where all have been."""
    while is_left(sweep, study):
        with alone(sweep):
            if not is_left(sweep, study):
                break
            number = len(study.get_trials(deepcopy=False))
            trial = study_of_trial(sweep, storage, number).ask()
        if lease := Lease.take(sweep.trial_folder(trial.number)):  # else another runner has been quicker
            return _taken(sweep, trial, lease)
    return None


def _taken(sweep: Sweep, trial: Trial, lease: Lease) -> Taken:
    """A trial left behind keeps the values that it had; what its runner could not draw any more is drawn now."""
    point, folder = space.suggest(trial, sweep.space), sweep.trial_folder(trial.number)
    job = Job(
        name=f"{sweep.name}-{trial.number:04d}",
        target=sweep.target,
        words=(*sweep.base, *space.words(point), f"output={folder}", "resume=auto"),
        folder=folder,
        minutes=sweep.minutes,
    )
    reported = {step + 1 for step in trial.storage.get_trial(trial._trial_id).intermediate_values}
    return Taken(trial, lease, job, reported=reported)
