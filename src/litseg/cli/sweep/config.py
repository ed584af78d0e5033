"""From the words of `litseg sweep` to a sweep, checked as far as that goes without training."""

import math
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, UserError, explain_composition, user_mistakes
from litseg.cli.words import chosen
from litseg.sweeps.space import Parameter, grid, read_space
from litseg.sweeps.study import pruner
from litseg.sweeps.sweep import PRUNERS, SAMPLERS, Sweep

OWN = ("base", "direction", "folder", "launcher", "minutes", "objective", "pruner", "pruner_settings", "sampler",
       "sampler_seed", "space", "storage", "sweep", "target", "trials")  # fmt: skip
"""Keys of conf/sweep.yaml; other words are train.py's."""
OF_THE_RUNNER = ("output", "resume", "resume_allow", "run_folder")
NAMES = "unet_learning_rate, losses_grid or optimizers_random"


def divide(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The sweep's own words, and those of train.py.

    Raises:
        UserError: a word is neither, or one that the runner gives itself.
    """
    own: list[str] = []
    others: list[str] = []
    for word in words:
        key, equals, _ = word.partition("=")
        name = key.lstrip("+~").partition(".")[0]
        if word.startswith("-") or (not equals and not word.startswith("~")):
            raise UserError(f"litseg sweep: expected key=value words, got {word!r}; see litseg sweep --help")
        if name in OF_THE_RUNNER:
            raise UserError(f"litseg sweep gives each trial its own {name}=; folder= says where all of them go")
        (own if name in (*OWN, "hydra") else others).append(word)
    return own, others


def compose_sweep(words: Sequence[str]) -> tuple[DictConfig, str]:
    """conf/sweep.yaml with the sweep's own words, and the sweep's name.

    Raises:
        UserError: what is wrong with them, with the nearest names.
    """
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("sweep", overrides=list(words), return_hydra_config=True)
        name = cfg.hydra.runtime.choices.get("sweep")
        OmegaConf.resolve(sweep := OmegaConf.masked_copy(cfg, [*OWN[:-3], *OWN[-2:]]))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_explain(error, words)) from error
    if not name:
        raise UserError(f"litseg sweep: expected sweep=<one of conf/sweep>, such as {NAMES}")
    if name == "wandb":
        raise UserError("sweep=wandb is for Weights & Biases: wandb sweep --project litseg conf/sweep/wandb.yaml")
    return sweep, str(name)


def _explain(error: HydraException | OmegaConfBaseException, words: Sequence[str]) -> str:
    wrong = next((word.partition("=")[0] for word in words if f"'{word.partition('=')[0]}'" in str(error)), None)
    if wrong is None or isinstance(error, MissingConfigException):
        return explain_composition(error, words)
    return f"litseg sweep cannot set {wrong}: {' '.join(str(error).split())}"


def read_sweep(cfg: DictConfig, name: str, others: Sequence[str]) -> Sweep:
    """The sweep that a config describes.

    Args:
        cfg: as `compose_sweep` gives it.
        name: of the sweep.
        others: words of train.py from the command line.

    Raises:
        UserError: a value that is none; expected, got.
    """
    given: Any = OmegaConf.to_container(cfg)
    chosen("sweep", "sampler", given["sampler"], SAMPLERS)
    chosen("sweep", "pruner", given["pruner"], PRUNERS)
    direction: Any = chosen("sweep", "direction", given["direction"], ("maximize", "minimize"))
    folder = Path(given["folder"] or Path("outputs") / "sweeps" / name).resolve()
    with user_mistakes():
        space = read_space(given["space"])
        sweep = Sweep(
            name=name.replace("/", "_"),
            folder=folder,
            storage=given["storage"] or f"sqlite:///{folder}/study.db",
            base=(*given["base"], *others),
            space=space,
            objective=_objective(given["objective"]),
            direction=direction,
            trials=_count(given, space),
            minutes=_minutes(given["minutes"]),
            sampler=given["sampler"],
            sampler_seed=_whole("sampler_seed", given["sampler_seed"], 0),
            pruner=given["pruner"],
            pruner_settings=given["pruner_settings"] or {},
            target=given["target"],
        )
        pruner(sweep)
    _refuse_twice(sweep)
    return sweep


def _count(given: dict[str, Any], space: Sequence[Parameter]) -> int | None:
    if given["sampler"] == "grid":
        grid(space, 0)  # refuses what has no end
        return None if given["trials"] is None else _whole("trials", given["trials"], 1)
    if given["trials"] is None:
        raise UserError(f"trials: expected how many, such as trials=20; {given['sampler']} has no end as a grid has")
    return _whole("trials", given["trials"], 1)


def _whole(key: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"{key}: expected a whole number of at least {least}, got {value!r}")
    return value


def _minutes(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise UserError(f"minutes: expected a number above 0, or null for any time, got {value!r}")
    return float(value)


def _objective(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("val/"):
        raise UserError(
            f"objective: expected a score of the validation split such as val/miou, got {value!r}; a test split never "
            "selects anything"
        )
    return value


def _refuse_twice(sweep: Sweep) -> None:
    fixed = {word.partition("=")[0].lstrip("+"): word for word in sweep.base}
    for each in sweep.space:
        if word := fixed.get(each.key.lstrip("+")):
            raise UserError(f"{each.key} varies in the sweep, and {word} would fix it; leave one of the two out")


def nearest_own(key: str) -> str:
    """A hint where a word of train.py may have been meant for the sweep."""
    close = get_close_matches(key, (*OWN, "plan"), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}=?" if close else ""
