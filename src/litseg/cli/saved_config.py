"""The config of a run folder, read as data: the folder may come from a stranger, and Hydra calls what `_target_` names.

docs/security.md says what is allowed and which hostile inputs were tried.
"""

import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF
from litseg.results import runs_inside

LARGEST_FILE, LONGEST_VALUE, DEEPEST = 2**18, 10_000, 50  # bytes, characters, levels; ours have 8 KiB, 200 and 6
HYDRA_KEYS = {"_target_": str, "_partial_": bool, "_convert_": str}
"""Keys by which a config speaks to Hydra, and their types. `_args_` and `_recursive_` are not among litseg's."""
KINDS = {
    "litseg": (
        "torch.nn.modules.module.Module",
        "torch.optim.optimizer.Optimizer",
        "lightning.pytorch.callbacks.callback.Callback",
        "albumentations.core.transforms_interface.BasicTransform",
        "litseg.data.source.Source",
        "litseg.losses.weight_schedule.WeightSchedule",
    ),
    "segmentation_models_pytorch": ("torch.nn.modules.module.Module",),
    "segmentation_models_pytorch.losses": ("torch.nn.modules.module.Module",),
    "torch.nn": ("torch.nn.modules.loss._Loss",),
    "torch.optim": ("torch.optim.optimizer.Optimizer",),
    "timm.optim": ("torch.optim.optimizer.Optimizer",),
    "albumentations": (
        "albumentations.core.transforms_interface.BasicTransform",
        "albumentations.core.composition.BaseCompose",
    ),
    "lightning.pytorch.callbacks": ("lightning.pytorch.callbacks.callback.Callback",),
    "lightning.pytorch.loggers": (  # the two that write files and talk to nobody
        "lightning.pytorch.loggers.csv_logs.CSVLogger",
        "lightning.pytorch.loggers.tensorboard.TensorBoardLogger",
    ),
}
"""By module, the classes that a config may name: those derived from these. Of litseg at any depth."""
REFUSED = {
    "albumentations.augmentations.other.lambda_transform.Lambda",
    "lightning.pytorch.callbacks.lambda_function.LambdaCallback",
    "lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
}
"""Classes of those kinds that call whatever they are given, or delete the files that a checkpoint names."""
ADDRESS = re.compile(r"://|^[A-Za-z][\w+.-]+:[:/]")
"""A URL, or a path that fsspec, which Lightning writes with, reads as one."""


def read_config(folder: Path, trust: Sequence[str] = (), without: Sequence[str] = ()) -> DictConfig:
    """The config in a run folder, with paths into the folder as it was called then pointing to where it lies now.

    Args:
        folder: the run folder.
        trust: what may stand in the config beyond what litseg allows: modules or objects (`my_package`), addresses
            (`http://host:5000`) and folders that callbacks and loggers may write to.
        without: keys whose content is dropped, unread: who only evaluates needs no `logger`.

    Raises:
        ValueError: there is no config, it is not plain YAML, or it names what is not allowed; what to do about it.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        got = f"{folder}{runs_inside(folder)}"
        raise ValueError(f"expected a run folder on this machine with a config.yaml in it, got {got}")
    config = _parsed(path) | {name: {} for name in without}
    for key, value in _entries(config):
        name = key.rpartition(".")[2]
        if problem := _problem(name, value, trust):
            raise ValueError(f"{path}: {key}: {problem}")
    moved = _moved(config, str(config.get("run_folder") or ""), str(folder.resolve()))
    _refuse_outside(path, moved, folder.resolve(), trust)
    read: DictConfig = OmegaConf.create(moved)
    return read


def _parsed(path: Path) -> dict[Any, Any]:
    """Mappings, lists and plain values; nothing resolved."""
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"{path}: expected at most {LARGEST_FILE} bytes")
    try:
        text = content.decode()
        _refuse_tricks(text)
        config = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (ValueError, yaml.YAMLError, OmegaConfBaseException, RecursionError) as error:
        raise ValueError(f"{path}: expected plain YAML as train.py writes it: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: expected a mapping, got a list")
    return config


def _refuse_tricks(text: str) -> None:
    """What a written config never has, found before anything is built of it: a few lines can stand for gigabytes."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"line {event.start_mark.line + 1}" if event.start_mark else ""
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"{where}: more than {DEEPEST} levels")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise ValueError(f"{where}: an anchor or alias ({event.anchor})")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise ValueError(f"{where}: a tag ({event.tag})")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_VALUE:
            raise ValueError(f"{where}: a value of {len(event.value)} characters")
        if isinstance(event, yaml.ScalarEvent) and "${" in event.value:
            raise ValueError(f"{where}: an interpolation ({event.value[:80]}); a written config has its values")


def _entries(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value at any depth with its key, such as augmentation.train.0.p."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        below = f"{key}.{name}" if key else str(name)
        yield below, value
        yield from _entries(value, below)


def _problem(name: str, value: Any, trust: Sequence[str]) -> str | None:
    """What forbids this entry, and what to do about it; None where nothing does."""
    if name.startswith("_") and name.endswith("_") and type(value) is not HYDRA_KEYS.get(name):
        return f"expected of Hydra's keys only {', '.join(HYDRA_KEYS)}, with a plain value, got {value!r}"
    if name == "_target_" and not _allowed(value, trust):
        hint = f"If it is code that you know: trust=[{value}]"
        return f"{value!r} is not among what a run folder may call (docs/security.md). {hint}"
    if isinstance(value, str) and ADDRESS.search(value) and not _given(value, trust):
        return f"a run folder may not say where to connect to, got {value!r}. If you know it: trust=['{value}']"
    return None


def _allowed(target: str, trust: Sequence[str]) -> bool:
    """Whether Hydra may call this. Nothing is imported before the name itself is one that may be."""
    if target in _targets_of_conf():
        return True
    module = "litseg" if target.startswith("litseg.") else target.rpartition(".")[0]
    if module not in KINDS and not _given(target, trust):
        return False
    try:
        found = get_object(target)
    except Exception:  # whatever a module raises
        return False
    home = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"
    if _given(target, trust):
        return target in trust or _given(home, trust)  # not what a trusted module itself imports, such as os.system
    bases = {f"{base.__module__}.{base.__qualname__}" for base in found.__mro__} if isinstance(found, type) else set()
    return home.startswith(f"{module}.") and home not in REFUSED and not bases.isdisjoint(KINDS[module])


@cache
def _targets_of_conf() -> frozenset[str]:
    """What this checkout's own conf/ names: who added a loss there has its code already."""
    texts = (path.read_text() for path in CONF.rglob("*.yaml") if path.parent.name != "launcher")  # they start programs
    return frozenset(target for text in texts for target in re.findall(r"""_target_["']?:\s*["']?([\w.]+)""", text))


def _given(text: str, trust: Sequence[str]) -> bool:
    """Whether the text is one of these or lies below it, be it a module, an address or a folder."""
    return any(text == entry or text.startswith((f"{entry}.", f"{entry}/")) for entry in trust if entry)


def _moved(node: Any, old: str, new: str) -> Any:
    """The same with every path at or below the folder `old` below `new`."""
    if isinstance(node, dict):
        return {name: _moved(value, old, new) for name, value in node.items()}
    if isinstance(node, list):
        return [_moved(value, old, new) for value in node]
    below = isinstance(node, str) and Path(old).is_absolute() and (node == old or node.startswith(f"{old}/"))
    return f"{new}{node[len(old) :]}" if below else node


def _refuse_outside(path: Path, config: dict[Any, Any], folder: Path, trust: Sequence[str]) -> None:
    """Callbacks and loggers write, and some delete: both in the run folder only."""
    for key, value in _entries({name: config.get(name) for name in ("callbacks", "logger", "trainer")}):
        if not isinstance(value, str) or not re.search(r"^[/~]|\.\.|\$", value):
            continue
        written = str((folder / Path(os.path.expandvars(value)).expanduser()).resolve())
        if not _given(written, [str(folder), *trust]):
            raise ValueError(
                f"{path}: {key}: expected a path in the run folder, got {value!r}. If you know it: trust=['{written}']"
            )
