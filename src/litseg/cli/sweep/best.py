"""The best point of a sweep as an experiment, ready to be trained."""

import os
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from litseg.cli.errors import CONF
from litseg.cli.training.resume import plain
from litseg.results import write_text
from litseg.sweeps.space import Point, words
from litseg.sweeps.sweep import Sweep


def write_best(sweep: Sweep, number: int, value: float, point: Point) -> str:
    """Writes `experiment/<name>_best.yaml` in the sweep's folder: the groups chosen, and what differs from their files.

    Args:
        sweep: the sweep.
        number: of its best trial.
        value: of the objective.
        point: what varied, as it was in that trial.

    Returns:
        The command that trains it.
    """
    given = [*sweep.base, *words(point)]
    cfg, choices = _compose(given)
    plainly, _ = _compose([f"{group}={_listed(choice)}" for group, choice in choices.items()])
    name = f"{sweep.name}_best"
    command = f"python train.py --config-dir {os.path.relpath(sweep.folder)} experiment={name}"
    content: dict[str, Any] = {"defaults": [{f"override /{group}": choice} for group, choice in choices.items()]}
    content |= _changed(plain(plainly, resolve=False), plain(cfg, resolve=False))
    head = (
        f"# @package _global_\n# The best of sweep {sweep.name}: {sweep.objective} {value:.4f} in trial {number}, "
        f"{' '.join(words(point))}\n# {command}\n"
    )
    path = sweep.folder / "experiment" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    write_text(path, head + OmegaConf.to_yaml(OmegaConf.create(content)))
    found, _ = _compose([f"experiment={name}"], sweep.folder)
    if found != cfg:  # such as a key that the sweep's words take away: an experiment can only add
        command += " " + " ".join(given)
    return command


def _compose(given: list[str], folder: Path | None = None) -> tuple[DictConfig, dict[str, Any]]:
    """The training config of some words, and the choice in each of its groups but the experiment."""
    path = [] if folder is None else [f"hydra.searchpath=['file://{folder}']"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=[*given, *path], return_hydra_config=True)
    choices = OmegaConf.to_container(cfg.hydra.runtime.choices)
    assert isinstance(choices, dict)
    own = {str(key): choices[key] for key in reversed(choices) if "hydra" not in str(key) and key != "experiment"}
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]), own


def _listed(choice: Any) -> str:
    return f"[{','.join(choice)}]" if isinstance(choice, list) else str(choice)


def _changed(before: Any, after: Any) -> dict[str, Any]:
    """What has to be put over `before` to make it `after`."""
    found = {}
    for key, value in after.items():
        if isinstance(value, dict) and isinstance(before.get(key), dict):
            if below := _changed(before[key], value):
                found[key] = below
        elif key not in before or before[key] != value:
            found[key] = value
    return found
