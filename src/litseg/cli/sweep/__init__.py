"""`litseg sweep sweep=<name>`: many trainings in search of the best config, with Optuna."""

from collections.abc import Sequence
from importlib.util import find_spec

from litseg.cli.errors import UserError

HELP = """\
usage: litseg sweep sweep=NAME [option=value ...] [words of train.py ...]

  sweep=unet_learning_rate    one of conf/sweep: what varies, how, and how often
  trials=20                   how many in all, whoever runs them and however often
  launcher=local launcher.at_once=2   where trials run; one of conf/launcher
  minutes=20                  that a trial may take before it is stopped
  sampler=tpe sampler_seed=0  tpe, random or grid
  pruner=median               none, median or hyperband: stops trials that fall behind the others
  objective=val/miou direction=maximize
  folder=FOLDER               where all of it goes; default: outputs/sweeps/NAME
  storage=URL                 the database of the trials, such as '${oc.env:SWEEP_STORAGE}'; default: study.db in FOLDER
  plan=true                   prints what would run, and stops
  trainer.max_epochs=5 ...    other words are train.py's, for every trial

  litseg sweep sweep=unet_learning_rate trials=10 launcher.at_once=2
  litseg sweep sweep=losses_grid data.train=64 trainer.max_epochs=2 plan=true

Every trial is a training with a folder of its own, FOLDER/trials/<number>. One that fails is recorded with its reason
and costs no other. The same command again goes on with what is left; a second one at the same time, also on another
machine that shares FOLDER, takes part. FOLDER then holds trials.csv, history.png, importance.png from four finished
trials on, and an experiment to train with the best values.
"""


def run(words: Sequence[str]) -> int:
    """Runs `litseg sweep <words>`.

    Returns:
        The exit code: 0 where a trial has finished, else the largest of the trials'.

    Raises:
        UserError: expected, got, what to do.
    """
    if not words or any(word in ("-h", "--help") for word in words):
        print(HELP)
        return 0
    if find_spec("optuna") is None:
        raise UserError("litseg sweep needs Optuna: pip install -e '.[sweep]'")
    from litseg.cli.sweep.command import run_sweep

    return run_sweep(words)
