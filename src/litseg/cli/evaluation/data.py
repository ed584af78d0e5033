"""Which samples an evaluation scores: a split of the run's own data set, or of another one with the same classes."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import DataLoader

from litseg.cli.data.verbs import compose_config
from litseg.cli.load_run import LoadedRun
from litseg.cli.wiring.source import build_source
from litseg.cli.words import put_values
from litseg.data import DataModule, Source
from litseg.data.datamodule import default_workers

PLACE = ("data.root", "data.cache", "data.max_pixels")
"""Where the data lie and how they are read; what they are is told by their fingerprint."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationData:
    """One split, checked.

    Attributes:
        name: of the folder of its results: the split, or `<data>-<split>` where it is not the run's own.
        split: train, val or test.
        loader: every sample once, in order, without augmentation.
        source: the data set.
        fingerprint: of the split.
    """

    name: str
    split: str
    loader: DataLoader[Any]
    source: Source
    fingerprint: str

    @property
    def is_the_runs_own(self) -> bool:
        """Whether these are the samples that training knew under the split's name."""
        return self.name == self.split


def config_with(run: LoadedRun, words: Sequence[str]) -> DictConfig:
    """The run's config with the command line's words: `data=` takes another set of conf/data, values are put over.

    Raises:
        UserError: words that cannot be composed.
    """
    config = run.config.copy()
    config.loader.batch_size = run.batch_size
    values = [word for word in words if not word.startswith("data=")]
    if len(values) < len(words):
        of_data = [word for word in words if re.match(r"\+{0,2}data[.=]", word)]
        composed = compose_config(of_data)
        config.data = OmegaConf.to_container(composed.data, resolve=True)
        values = [word for word in values if word not in of_data]
    put_values(config, values)
    return config


def evaluation_data(
    run: LoadedRun, cfg: DictConfig, split: str, words: Sequence[str], workers_for: str
) -> EvaluationData:
    """Opens and checks the split.

    Args:
        run: the run, whose network the data must fit.
        cfg: see `config_with`.
        split: train, val or test.
        words: the command line's, which say whether the data are the run's own.
        workers_for: the accelerator, which decides the number of loader processes.

    Raises:
        ValueError: no such split, unusable files, or other classes, channels or pixels than the network's.
    """
    source = build_source(cfg)
    workers = default_workers(workers_for) if cfg.loader.workers is None else cfg.loader.workers
    data = DataModule(source, [], cfg.loader.batch_size, workers, cfg.seed)
    _refuse_other(run, source)
    fingerprint = data.check_split(split).fingerprint
    loader = data.evaluation_loader(split)
    _refuse_pixels(run, loader.dataset[0, 0]["image"].dtype)
    own = run.facts.fingerprints.get(split)
    changed = [word.partition("=")[0] for word in words if re.match(r"\+{0,2}data[.=]", word)]
    moved_only = all(key in PLACE for key in changed)
    if not changed and own not in (None, fingerprint):
        log.warning("the %s split is not the one of the training: files have changed since", split)
    is_own = moved_only and (not changed or own in (None, fingerprint))
    return EvaluationData(split if is_own else f"{_name(cfg, words)}-{split}", split, loader, source, fingerprint)


def _name(cfg: DictConfig, words: Sequence[str]) -> str:
    """What another data set is called: its group option, else its folder."""
    groups = [word.partition("=")[2] for word in words if word.startswith("data=")]
    name = groups[-1] if groups else Path(str(cfg.data.get("root") or "data")).stem
    return re.sub(r"[^0-9A-Za-z_-]", "_", name)


def _refuse_other(run: LoadedRun, source: Source) -> None:
    facts, name = run.facts, type(source).__name__
    if (source.task, len(source.class_names)) != (facts.task, len(facts.class_names)):
        raise ValueError(
            f"data: expected {len(facts.class_names)} classes ({facts.task}: {_some(facts.class_names)}), as in "
            f"training, got {len(source.class_names)} ({source.task}: {_some(source.class_names)}) in {name}"
        )
    if source.in_channels != facts.in_channels:
        raise ValueError(f"data: expected images of {facts.in_channels} channels, got {source.in_channels} in {name}")
    if source.class_names != facts.class_names:
        log.warning("class names differ: trained as %s, here %s", _some(facts.class_names), _some(source.class_names))


def _refuse_pixels(run: LoadedRun, pixels: torch.dtype) -> None:
    if str(pixels) != f"torch.{run.facts.pixels}":
        raise ValueError(
            f"data: expected {run.facts.pixels} images, as in training, got {str(pixels)[6:]}; convert them"
        )


def _some(class_names: Sequence[str]) -> str:
    return ", ".join(class_names[:6]) + (", ..." if len(class_names) > 6 else "")
