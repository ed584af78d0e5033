"""What the trials of a sweep would train, composed before any of them is started."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution

from litseg.cli.data.verbs import compose_config
from litseg.cli.errors import UserError
from litseg.cli.sweep.config import nearest_own
from litseg.sweeps.space import Parameter, Point, Value, words
from litseg.sweeps.sweep import Sweep

TRAIN = "litseg.cli.train:main"


def checked(sweep: Sweep) -> tuple[Sweep, DictConfig | None]:
    """The sweep, and the training config that its trials share; None where they are no trainings.

    Every choice and every end of a range is composed once, so that a wrong name costs no trial. Where the checkpoint
    would be chosen by something else than the objective, words that make it the objective are added.

    Raises:
        UserError: words that do not compose; why, and of which parameter.
    """
    if sweep.target != TRAIN:
        return sweep, None
    cfg = _compose(list(sweep.base), "")
    for point, key in _probes(sweep):
        _compose([*sweep.base, *words(point)], f"space: {key}: ")
    monitor = OmegaConf.select(cfg, "callbacks.checkpoint.monitor")
    mode = sweep.direction.removesuffix("imize")
    if monitor == sweep.objective and cfg.callbacks.checkpoint.mode == mode:
        return sweep, cfg
    chosen = (f"callbacks.checkpoint.monitor={sweep.objective}", f"callbacks.checkpoint.mode={mode}")
    sweep = replace(sweep, base=(*sweep.base, *chosen))
    return sweep, _compose(list(sweep.base), "")


def _compose(given: list[str], where: str) -> DictConfig:
    try:
        return compose_config(given)
    except UserError as error:
        hints = (nearest_own(word.partition("=")[0].lstrip("+~")) for word in given if not where)
        hint = next((hint for hint in hints if hint), "") if "is named" in str(error) else ""
        raise UserError(f"{where}{error}{hint}") from error


def _probes(sweep: Sweep) -> Iterator[tuple[Point, str]]:
    """Points in which one parameter after the other takes its values, and the others their first where needed."""
    for each in sweep.space:
        for value in _ends(each):
            yield _with_conditions(sweep, each) | {each.key: value}, each.key


def _with_conditions(sweep: Sweep, parameter: Parameter) -> Point:
    """What must be so for a parameter to be there."""
    point: Point = {}
    for each in sweep.space:
        if each.key in parameter.when:
            point |= _with_conditions(sweep, each) | {each.key: parameter.when[each.key][0]}
    return point


def _ends(parameter: Parameter) -> tuple[Value, ...]:
    distribution: Any = parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    return (distribution.low, distribution.high)
