"""Every file in conf/loss builds a loss, and writes out all of its settings."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from torch import nn

from litseg.labels import Task
from litseg.losses import CompoundLoss, CrossEntropyLoss, DiceLoss
from tests.losses.cases import MODES, make_labels, make_logits

FOLDER = Path(__file__).parents[2] / "conf" / "loss"
OURS = [
    "bce",
    "bce_dice",
    "ce",
    "ce_boundary",
    "ce_dice",
    "ce_dice_learned",
    "ce_dice_scheduled",
    "ce_gradient",
    "ce_hausdorff",
    "ce_lovasz",
    "dice",
    "dice_cldice",
    "focal",
    "focal_tversky",
    "generalized_dice",
    "iou",
    "lovasz",
    "mcc",
    "mse",
    "ohem",
    "tversky",
    "unified_focal",
    "weighted_ce",
]
LEFT_TO_THE_CODE = {"reduction", "ignore_index"}  # training needs a scalar; the void label has one home


def resolved(name: str, mode: Task, class_weights: list[float] | None = None) -> dict[str, Any]:
    """The loss part of an experiment, as the CLI resolves it."""
    config = OmegaConf.create({"data": {"task": mode}, "loss": OmegaConf.load(FOLDER / f"{name}.yaml")})
    config.loss.class_weights = class_weights
    OmegaConf.resolve(config)
    loss: dict[str, Any] = OmegaConf.to_container(config.loss)  # type: ignore[assignment]
    if "terms" in loss:
        del loss["class_weights"]
    return loss


def leaves(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [loss for _, loss in config["terms"].values()] if "terms" in config else [config]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OURS)
def test_builds_and_runs(name: str, mode: Task) -> None:
    weights = [0.5, 2.0] if mode == "binary" else [0.5, 2.0, 1.0, 0.25]
    for class_weights in (None, weights):
        loss = instantiate(resolved(name, mode, class_weights))
        assert isinstance(loss, nn.Module)
        assert loss(make_logits(mode), make_labels(mode)).isfinite()
        buffers = [buffer for key, buffer in loss.named_buffers() if key.endswith("class_weights")]
        assert bool(buffers) == (class_weights is not None)


@pytest.mark.parametrize("name", OURS)
def test_says_what_it_is_and_spells_out_every_switch(name: str) -> None:
    assert (FOLDER / f"{name}.yaml").read_text().startswith("# ")
    assert "class_weights" in OmegaConf.load(FOLDER / f"{name}.yaml")
    for leaf in leaves(resolved(name, "multiclass")):
        accepted = inspect.signature(get_class(leaf["_target_"])).parameters
        assert set(leaf) - {"_target_"} == set(accepted) - LEFT_TO_THE_CODE
        for key, default in accepted.items():
            if key in leaf and key not in {"mode", "class_weights"}:
                assert leaf[key] == default.default


def test_a_compound_is_built_from_the_lists_that_hydra_makes() -> None:
    config = OmegaConf.create(resolved("ce_dice", "multiclass", [1.0, 2.0, 3.0, 4.0]))
    loss = instantiate(config)  # not converted: the pairs arrive as ListConfig
    assert isinstance(loss, CompoundLoss)
    ce, dice = loss.losses.values()
    assert isinstance(ce, CrossEntropyLoss)
    assert isinstance(dice, DiceLoss)
    assert ce.class_weights is not None
    assert ce.class_weights.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_every_file_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(OURS)


def test_weighted_ce_names_its_method() -> None:
    assert OmegaConf.load(FOLDER / "weighted_ce.yaml").class_weights == "median_frequency"
