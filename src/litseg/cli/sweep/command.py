"""`litseg sweep <words>`, step by step."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from optuna import Study
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from litseg.cli.errors import UserError, user_mistakes
from litseg.cli.exit_codes import TRY_AGAIN
from litseg.cli.sweep.best import write_best
from litseg.cli.sweep.config import compose_sweep, divide, read_sweep
from litseg.cli.sweep.definition import check_definition
from litseg.cli.sweep.show import Shown, show_plan, show_table
from litseg.cli.sweep.trainings import TRAIN, checked
from litseg.cli.words import chosen
from litseg.sweeps.runner import AllRefusedError, Runner
from litseg.sweeps.study import enqueue_grid, open_storage, open_study
from litseg.sweeps.sweep import Sweep
from litseg.sweeps.taking import alone
from litseg.sweeps.trial_table import Row, rows, write_trials


def run_sweep(words: Sequence[str]) -> int:
    """See `litseg.cli.sweep.run`."""
    plans = [word for word in words if word.partition("=")[0] == "plan"]
    plan = bool(plans) and chosen("sweep", "plan", plans[-1].partition("=")[2].lower(), ("true", "false")) == "true"
    own, others = divide([word for word in words if word not in plans])
    cfg, name = compose_sweep(own)
    sweep, training = checked(read_sweep(cfg, name, others))
    if plan:
        return _plan(sweep, training)
    try:
        return _code(_run_on_storage(sweep, training, cfg))
    except StorageInternalError as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        print(f"error: storage: {cause}; when that is mended, the same command goes on", file=sys.stderr)
        return TRY_AGAIN


def _run_on_storage(sweep: Sweep, training: DictConfig | None, cfg: DictConfig) -> list[Row]:
    with ExitStack() as stack:
        with user_mistakes():
            sweep.folder.mkdir(parents=True, exist_ok=True)
            with alone(sweep):
                storage = stack.enter_context(open_storage(sweep.storage))
                study = open_study(sweep, storage)
                check_definition(sweep, study, training)
                enqueue_grid(sweep, study)
        try:
            _run(sweep, study, storage, cfg)
        finally:
            found = _finish(sweep, study)
    return found


def _plan(sweep: Sweep, training: DictConfig | None) -> int:
    """Opens no storage that is not there: a plan leaves no trace."""
    trials = []
    if not sweep.storage.startswith("sqlite:///") or Path(sweep.storage.removeprefix("sqlite:///")).exists():
        with user_mistakes(), open_storage(sweep.storage) as storage:
            names = {study.study_name for study in storage.get_all_studies()}
            if sweep.name in names:
                check_definition(sweep, study := open_study(sweep, storage), training)
                trials = study.get_trials()
    show_plan(sweep, trials)
    return 0


def _run(sweep: Sweep, study: Study, storage: RDBStorage, cfg: DictConfig) -> None:
    with user_mistakes():
        launcher: Any = instantiate(cfg.launcher)
    shown = Shown(sweep, study.get_trials(deepcopy=False))
    runner = Runner(sweep, study, storage, launcher, shown.ended, shown.tick)
    try:
        with shown.bar, _sigterm_ends():
            runner.run()
    except AllRefusedError as error:
        raise UserError(
            f"the first trials were refused, so the others were not begun: {error}; when that is mended, remove "
            f"{sweep.folder} and begin again"
        ) from error


@contextmanager
def _sigterm_ends() -> Iterator[None]:
    """SIGTERM ends a sweep as Ctrl-C does: its trainings save, and the same command goes on with them."""

    def end(*_: object) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _finish(sweep: Sweep, study: Study) -> list[Row]:
    """Writes and prints what has been found so far."""
    from litseg.sweeps.plots import plot_history, plot_importance  # here: matplotlib

    trials = study.get_trials(deepcopy=False)
    found = rows(sweep, trials)
    write_trials(sweep, found)
    plot_history(sweep, trials, sweep.folder / "history.png")
    plotted = plot_importance(sweep, study, sweep.folder / "importance.png")
    show_table(sweep, found)
    print(f"wrote {', '.join(['trials.csv', 'history.png', *(['importance.png'] if plotted else [])])} to "
          f"{os.path.relpath(sweep.folder)}")  # fmt: skip
    if not plotted:
        print("no importance.png: it wants two parameters, and four finished trials that differ")
    left = sum(not trial.state.is_finished() for trial in trials)
    if left:
        print(f"{left} trials have not ended; another runner is at them, or the same command goes on with them")
    if found and found[0].state == "finished" and sweep.target == TRAIN:
        best = found[0]
        print(f"train the best again: {write_best(sweep, best.number, best.value or 0.0, best.parameters)}")
    return found


def _code(found: Sequence[Row]) -> int:
    """0 where there is a result; trials that failed are results too, unless there is nothing else."""
    if any(row.state == "finished" for row in found):
        return 0
    return max((row.exit_code or 1 for row in found if row.state == "failed"), default=0)
