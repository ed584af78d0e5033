"""The data set of a config; without torch, which `litseg data` does not need."""

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from litseg.data.source import Source


def build_source(cfg: DictConfig) -> Source:
    """The data set alone, without loaders.

    Raises:
        ValueError: a key that is not set, or another class than a `Source`.
    """
    if missing := sorted(key for key in OmegaConf.missing_keys(cfg) if key.startswith("data.")):
        raise ValueError(f"not set: {', '.join(missing)}; give each a value, such as {missing[0]}=...")
    source = instantiate(cfg.data)
    if not isinstance(source, Source):
        raise ValueError(f"data._target_: expected a litseg.data.Source, got {type(source).__name__}")
    return source
