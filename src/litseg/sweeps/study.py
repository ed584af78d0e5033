"""The study of a sweep: trials in a database, where the next point comes from, and when a trial is pruned."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import optuna
from optuna import Study
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from litseg.sweeps.space import grid
from litseg.sweeps.sweep import Sweep

BUSY_SECONDS = 60
"""How long SQLite waits for another process that writes."""


@contextmanager
def open_storage(url: str) -> Iterator[RDBStorage]:
    """The database behind a URL, made where there is none.

    Raises:
        ValueError: it cannot be opened; the message does not hold the password.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shown = "storage"
    try:
        parsed = make_url(url)
        shown = f"storage {parsed.render_as_string(hide_password=True)}"
        wait = {"timeout": BUSY_SECONDS} if parsed.get_backend_name() == "sqlite" else {}
        storage = RDBStorage(url, engine_kwargs={"connect_args": wait})
    except ImportError as error:
        raise ValueError(f"{shown}: its driver is not installed ({error.name}); pip install it") from error
    except (SQLAlchemyError, RuntimeError, ValueError) as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0].replace(url, shown)
        raise ValueError(
            f"{shown}: cannot be opened ({cause}); expected a URL such as sqlite:////path/study.db or "
            "postgresql://user:password@host/database"
        ) from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def open_study(sweep: Sweep, storage: RDBStorage) -> Study:
    """The sweep's study, made where there is none."""
    return optuna.create_study(
        storage=storage, study_name=sweep.name, direction=sweep.direction, load_if_exists=True, pruner=pruner(sweep)
    )


def enqueue_grid(sweep: Sweep, study: Study) -> None:
    """Lets the points of a grid wait in the study; those that it has are not added again.

    One process at a time may be in here.
    """
    if sweep.sampler == "grid":
        for point in grid(sweep.space, sweep.sampler_seed)[len(study.get_trials(deepcopy=False)) : total(sweep)]:
            study.enqueue_trial(point)


def total(sweep: Sweep) -> int:
    """How many trials there will be."""
    points = len(grid(sweep.space, sweep.sampler_seed)) if sweep.sampler == "grid" else sweep.trials
    assert points is not None  # checked where the config is read
    return points if sweep.trials is None else min(points, sweep.trials)


def study_of_trial(sweep: Sweep, storage: RDBStorage, number: int) -> Study:
    """The study as it samples one trial.

    The seed depends on the trial's number: a runner that starts again, or a second one, draws no point anew that
    another trial has, and a sweep that was interrupted draws what it would have drawn.
    """
    seed = int(np.random.SeedSequence([sweep.sampler_seed, number]).generate_state(1)[0])
    return optuna.load_study(
        study_name=sweep.name, storage=storage, sampler=_sampler(sweep.sampler, seed), pruner=pruner(sweep)
    )


def _sampler(name: str, seed: int) -> BaseSampler:
    """A grid's points wait in the study, so its sampler draws nothing."""
    return TPESampler(seed=seed, constant_liar=True) if name == "tpe" else RandomSampler(seed=seed)


def pruner(sweep: Sweep) -> BasePruner:
    """Of Optuna.

    Raises:
        ValueError: it does not take one of the settings.
    """
    kinds: dict[str, Callable[..., BasePruner]] = {
        "none": NopPruner, "median": MedianPruner, "hyperband": HyperbandPruner
    }  # fmt: skip
    kind = kinds[sweep.pruner]
    try:
        return kind(**sweep.pruner_settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"pruner_settings of {sweep.pruner}: {error}") from error


def is_left(sweep: Sweep, study: Study) -> bool:
    """Whether there are trials that nobody has begun."""
    begun = [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
    return len(begun) < total(sweep)
