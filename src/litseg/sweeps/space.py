"""The search space of a sweep: which words of train.py vary, and how."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna import Trial
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

Value = None | bool | int | float | str
Point = dict[str, Value]
Distribution = FloatDistribution | IntDistribution | CategoricalDistribution
FORMS = "expected a list of choices, {choices: [...]}, {float: [low, high], log: true} or {int: [low, high], step: 2}"


@dataclass(frozen=True)
class Parameter:
    """One thing that varies.

    Attributes:
        key: a config key or group of train.py, such as optimizer.lr or loss; +key adds one.
        distribution: its values.
        when: other parameters and the values they must have; it is left out where one has another.
    """

    key: str
    distribution: Distribution
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def applies(self, point: Point) -> bool:
        """Whether it is part of a point, whose earlier parameters are known."""
        return all(key in point and point[key] in values for key, values in self.when.items())

    def __str__(self) -> str:
        """Such as `optimizer.lr: float 0.0001 to 0.1, log`."""
        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            text = " | ".join(_text(choice) for choice in found.choices)
        else:
            kind = "float" if isinstance(found, FloatDistribution) else "int"
            step = f", step {found.step:g}" if found.step and (found.step, kind) != (1, "int") else ""
            text = f"{kind} {found.low:g} to {found.high:g}{', log' if found.log else ''}{step}"
        when = "".join(f", where {key} is {' or '.join(map(_text, values))}" for key, values in self.when.items())
        return f"{self.key}: {text}{when}"


def read_space(given: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The search space of a YAML.

    Args:
        given: by key, a list of choices or a mapping, see `FORMS`; a mapping may have `when: {other key: value}`.

    Raises:
        ValueError: it is empty, or a parameter cannot be read; which, and what is expected.
    """
    if not isinstance(given, Mapping) or not given:
        raise ValueError("space: expected a parameter or more, such as optimizer.lr: {float: [1e-4, 1e-1], log: true}")
    found: list[Parameter] = []
    for key, form in given.items():
        try:
            found.append(_parameter(str(key), form))
        except (ValueError, TypeError) as error:
            raise ValueError(f"space: {key}: {error}") from error
        if unknown := set(found[-1].when) - {each.key for each in found[:-1]}:
            raise ValueError(f"space: {key}: when: expected parameters that stand above it, got {', '.join(unknown)}")
    return tuple(found)


def _parameter(key: str, form: Any) -> Parameter:
    options = dict(form) if isinstance(form, Mapping) else {"choices": form}
    when = {str(name): tuple(_choices(value)) for name, value in (options.pop("when", None) or {}).items()}
    kinds = [kind for kind in ("float", "int", "choices") if kind in options]
    if len(kinds) != 1:
        raise ValueError(f"{FORMS}, got {form!r}")
    values = options.pop(kinds[0])
    if unknown := set(options) - ({"log", "step"} if kinds[0] != "choices" else set()):
        raise ValueError(f"{FORMS}, got {', '.join(map(repr, sorted(unknown)))} in it")
    if kinds[0] == "choices":
        return Parameter(key, _categorical(values), when)
    low, high = _bounds(values, kinds[0])
    if kinds[0] == "float":
        return Parameter(key, FloatDistribution(low, high, **options), when)
    return Parameter(key, IntDistribution(int(low), int(high), **options), when)


def _categorical(values: Any) -> CategoricalDistribution:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ValueError(f"{FORMS}, got {values!r}")
    choices = _choices(values)
    if len({(type(each), each) for each in choices}) < len(choices):
        raise ValueError(f"a choice stands there twice: {values}")
    return CategoricalDistribution(choices)


def _choices(values: Any) -> list[Value]:
    listed = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    return [_scalar(value) for value in listed]


def _scalar(value: Any) -> Value:
    """Storage keeps plain values; a list becomes the text that train.py reads as one."""
    if isinstance(value, Mapping):
        raise ValueError(f"expected plain values or lists as choices, got {value!r}")
    return json.dumps(list(value)) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _bounds(values: Any, kind: str) -> tuple[float, float]:
    number = (int,) if kind == "int" else (int, float)
    plain = isinstance(values, Sequence) and len(values) == 2
    if not plain or not all(isinstance(each, number) and not isinstance(each, bool) for each in values):
        raise ValueError(f"expected {kind}: [low, high], got {values!r}")
    return values[0], values[1]


def suggest(trial: Trial, space: Sequence[Parameter]) -> Point:
    """The point of a trial; a trial that has been given some of its values before keeps them."""
    point: Point = {}
    for each in space:
        if each.applies(point):
            point[each.key] = _suggest(trial, each.key, each.distribution)
    return point


def _suggest(trial: Trial, key: str, distribution: Distribution) -> Value:
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            key, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    value: Value = trial.suggest_categorical(key, distribution.choices)
    return value


def grid(space: Sequence[Parameter], seed: int) -> list[Point]:
    """Every point, in an order that the seed decides: the first few are then spread over the grid.

    Raises:
        ValueError: a parameter has no end of values.
    """
    points: list[Point] = [{}]
    for each in space:
        points = [
            longer
            for point in points
            for longer in ([{**point, each.key: value} for value in _values(each)] if each.applies(point) else [point])
        ]
    random.Random(seed).shuffle(points)
    return points


def _values(parameter: Parameter) -> Sequence[Value]:
    distribution = parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if distribution.log or distribution.step is None:
        raise ValueError(f"space: {parameter.key}: a grid wants a list of values, or a step without log")
    count = int((distribution.high - distribution.low) / distribution.step + 1e-8) + 1
    return [distribution.low + index * distribution.step for index in range(count)]


def words(point: Point) -> list[str]:
    """As train.py takes it: `key=value` each."""
    return [f"{key}={_text(value)}" for key, value in point.items()]


def _text(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"'{value}'" if _is_no_text(value) else value
    return repr(value)


def _is_no_text(value: str) -> bool:
    """Whether train.py would read this text as something else."""
    try:
        float(value)
    except ValueError:
        return value.lower() in ("", "null", "true", "false")
    return True
