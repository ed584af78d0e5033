from typing import Any

import optuna
import pytest

from litseg.sweeps.space import grid, read_space, suggest, words

SPACE = {
    "optimizer": ["adamw", "sgd"],
    "optimizer.lr": {"float": [1e-4, 1e-1], "log": True},
    "optimizer.momentum": {"float": [0.5, 0.9], "step": 0.2, "when": {"optimizer": "sgd"}},
    "loader.batch_size": {"int": [2, 8], "step": 2},
    "data.resize": [[64, 64], None],
}


def test_points_lie_in_their_ranges_and_conditions_hold() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [suggest(study.ask(), read_space(SPACE)) for _ in range(60)]
    rates = sorted(float(str(point["optimizer.lr"])) for point in points)
    assert rates[0] >= 1e-4
    assert rates[-1] <= 1e-1
    assert 1e-3 < rates[30] < 1e-2  # a uniform draw's median would be 0.05
    assert all(("optimizer.momentum" in point) == (point["optimizer"] == "sgd") for point in points)
    assert {point["loader.batch_size"] for point in points} == {2, 4, 6, 8}
    assert {point["data.resize"] for point in points} == {"[64, 64]", None}


def test_a_grid_has_every_point_once_and_its_order_is_seeded() -> None:
    space = read_space({key: form for key, form in SPACE.items() if key != "optimizer.lr"})
    points = grid(space, 0)
    assert len(points) == (1 + 3) * 4 * 2  # adamw, or sgd with three momenta
    assert len({tuple(words(point)) for point in points}) == len(points)
    assert points == grid(space, 0)
    assert points != grid(space, 1)
    momenta = {float(str(point["optimizer.momentum"])) for point in points if "optimizer.momentum" in point}
    assert sorted(momenta) == pytest.approx([0.5, 0.7, 0.9])


def test_words_are_what_train_py_reads_as_that_value() -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    point = {
        "a": 1e-05,
        "b": 3,
        "c": True,
        "d": None,
        "e": "ce",
        "f": "nan",
        "g": "1e3",
        "h": "",
        "i": "null",
        "j": "x y",
    }
    read = OverridesParser.create().parse_overrides(words(point))
    assert {each.key_or_group: each.value() for each in read} == point


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "expected a parameter or more"),
        (["loss"], "expected a parameter or more"),
        ({"a": []}, "space: a: expected a list of choices"),
        ({"a": "ce"}, "space: a: expected a list of choices"),
        ({"a": ["ce", "ce"]}, "space: a: a choice stands there twice"),
        ({"a": [{"b": 1}]}, "space: a: expected plain values or lists"),
        ({"a": {"float": [1]}}, r"space: a: expected float: \[low, high\]"),
        ({"a": {"int": [1, 2.5]}}, r"space: a: expected int: \[low, high\]"),
        ({"a": {"float": [2, 1]}}, "space: a: .*low"),
        ({"a": {"float": [0, 1], "log": True}}, "space: a: .*log"),
        ({"a": {"float": [1, 2], "int": [1, 2]}}, "space: a: expected a list of choices"),
        ({"a": {"float": [1, 2], "lock": True}}, "got 'lock' in it"),
        ({"a": {"choices": [1], "log": True}}, "got 'log' in it"),
        (
            {"a": {"choices": [1], "when": {"b": 1}}, "b": [1]},
            "space: a: when: expected parameters that stand above it",
        ),
    ],
)
def test_what_is_no_space_is_refused(space: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_space(space)
