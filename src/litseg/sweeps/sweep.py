"""What a sweep is: everything that its runner must know."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from litseg.sweeps.space import Parameter

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("none", "median", "hyperband")


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Attributes:
        name: of the study in its storage, and of its jobs; no slashes.
        folder: where trials and results go; several runners of one sweep share it.
        storage: a database that SQLAlchemy can open, such as sqlite:////path/study.db.
        base: words of train.py that all trials share.
        space: what varies.
        objective: val/<name>, a score or loss of the validation split.
        direction: maximize or minimize.
        trials: how many in all, whoever runs them and however often; None: all points of a grid.
        minutes: that a trial may take before it is stopped and recorded as failed; None: any.
        sampler: one of `SAMPLERS`.
        sampler_seed: of the points; not of the trainings.
        pruner: one of `PRUNERS`.
        pruner_settings: arguments of Optuna's class of that name, such as n_warmup_steps.
        target: what a trial runs, package.module:function.
    """

    name: str
    folder: Path
    storage: str
    base: tuple[str, ...]
    space: tuple[Parameter, ...]
    objective: str
    direction: Literal["maximize", "minimize"]
    trials: int | None
    minutes: float | None
    sampler: str
    sampler_seed: int
    pruner: str
    target: str
    pruner_settings: dict[str, Any] = field(default_factory=dict)

    def trial_folder(self, number: int) -> Path:
        """Where the log and the run folder of a trial lie."""
        return self.folder / "trials" / f"{number:04d}"
