"""The checked data of a config, and what is counted in them for the loss."""

import logging
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from litseg.cli.wiring.source import build_source
from litseg.data import DataModule
from litseg.data.datamodule import default_workers
from litseg.data.frequencies import class_weights

log = logging.getLogger(__name__)


def build_data(cfg: DictConfig, accelerator: str = "cpu", devices: int = 1) -> DataModule:
    """The checked DataModule, for `devices` of this machine."""
    source = build_source(cfg)
    transforms = list(instantiate(cfg.augmentation.train))
    channels = cfg.augmentation.photometric_channels
    workers = default_workers(accelerator, devices) if cfg.loader.workers is None else cfg.loader.workers
    data = DataModule(
        source,
        transforms,
        cfg.loader.batch_size,
        workers,
        cfg.seed,
        photometric_channels=None if channels is None else list(channels),
        draw=instantiate(cfg.sampling.draw),
        paste=instantiate(cfg.copy_paste.paste, _convert_="all"),
        mix=instantiate(cfg.mixing.mix),
        timeout=cfg.loader.timeout,
    )
    data.check(devices * cfg.trainer.get("num_nodes", 1))
    for name, pixels in zip(source.class_names, data.scans["train"].pixels.sum(axis=0), strict=False):
        if pixels == 0:
            log.warning("no pixel of %s in the training split: it cannot be learnt; check void and label_map", name)
    counts = ", ".join(f"{len(found.sizes)} {split}" for split, found in data.scans.items())
    log.info("data %s: %s images, %d classes, %s", type(source).__name__, counts, len(source.class_names), source.task)
    return data


def resolve_class_weights(node: DictConfig | ListConfig, data: DataModule, key: str = "loss") -> dict[str, Any]:
    """Replaces a method under any `class_weights` of the loss, a name or a mapping, by the vector it gives, in place.

    Returns:
        By config key, each method with its parameters, as they were given, and its vector.
    """
    found: dict[str, Any] = {}
    for name in list(node) if isinstance(node, DictConfig) else range(len(node)):
        if OmegaConf.is_interpolation(node, name):  # what it points at is replaced where it stands
            continue
        value, where = node[name], f"{key}.{name}"
        if name == "class_weights" and isinstance(value, str | DictConfig):
            setting: Any = {"method": value} if isinstance(value, str) else OmegaConf.to_container(value, resolve=True)
            values = node[name] = class_weights(setting, data.scans["train"], data.source.task)
            found[where] = {**setting, "values": values}
            described = ", ".join(str(word) for word in setting.values())
            log.info("class weights (%s): %s", described, ", ".join(f"{weight:.3g}" for weight in values))
        elif isinstance(value, DictConfig | ListConfig):
            found |= resolve_class_weights(value, data, where)
    return found
