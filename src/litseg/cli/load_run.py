"""Opens what a training has left behind: `litseg.load_run(folder)`."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from omegaconf import DictConfig

from litseg.cli.data.facts import DataFacts, facts_of, read_facts
from litseg.cli.errors import UserError, user_mistakes
from litseg.cli.saved_config import read_config
from litseg.cli.wiring.data import build_data
from litseg.cli.wiring.model import build_model
from litseg.cli.wiring.source import build_source
from litseg.cli.words import chosen, names, run_folder
from litseg.data import DataModule, Source
from litseg.models import SegmentationModel
from litseg.results import read_status
from litseg.training import choose_hardware, load_checkpoint

Which = Literal["best", "last"]


@dataclass
class LoadedRun:
    """A run that has trained. Its data set is opened when it is first asked for; nothing else needs it.

    Attributes:
        folder: the run folder.
        config: the resolved config, without loggers and callbacks: nothing is told to a service.
        facts: what is known of the data: task, class names, palette, channels, type of pixels.
        model: in evaluation mode, on `device`; raw images (N, C, H, W) to logits of the same size.
        device: where the model is.
        checkpoint: the file that its weights are from.
        step: optimizer steps that those weights have seen.
        epoch: the epoch they are from, counted from 0.
    """

    folder: Path
    config: DictConfig
    facts: DataFacts
    model: SegmentationModel = field(repr=False)
    device: torch.device
    checkpoint: Path
    step: int
    epoch: int

    @property
    def class_names(self) -> tuple[str, ...]:
        """By label; in binary background, foreground."""
        return self.facts.class_names

    @cached_property
    def result(self) -> dict[str, Any]:
        """`result.json`; empty where the training has not ended."""
        path = self.folder / "result.json"
        found = json.loads(path.read_text()) if path.is_file() else {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def metrics(self) -> list[dict[str, float]]:
        """The rows of `metrics.csv`, each with the values it has: epoch, step, val/miou and so on."""
        path = self.folder / "metrics.csv"
        if not path.is_file():
            return []
        with path.open(newline="") as file:
            return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]

    @cached_property
    def source(self) -> Source:
        """The data set of the training, which must be where `data.root` says."""
        return build_source(self.config)

    @cached_property
    def data(self) -> DataModule:
        """The checked data with their loaders, as in training; reads every file once, unless the cache knows them."""
        return build_data(self.config)

    @property
    def batch_size(self) -> int:
        """As it was trained and evaluated with, after `out_of_memory=halve` where that has acted."""
        halved = read_status(self.folder).get("batch_size_halved", 0)
        return max(1, int(self.config.loader.batch_size) >> int(halved))


def load_run(
    folder: str | Path,
    checkpoint: Which = "best",
    device: str | torch.device | None = None,
    trust: Sequence[str] = (),
) -> LoadedRun:
    """Opens a run folder: its network with trained weights, config, results, and on demand its data.

    No pretrained weights are fetched, nothing is written, and a folder from a stranger cannot run code
    (docs/security.md).

    Args:
        folder: the run folder.
        checkpoint: "best" by validation, or "last".
        device: where the model goes; None: a GPU where there is one.
        trust: what the config may name beyond what litseg allows, see `litseg.cli.saved_config.read_config`.

    Raises:
        ValueError: no run folder, no such checkpoint, a config or checkpoint that is hostile or damaged, or weights of
            another network.

    Example:
        >>> run = load_run("outputs/unet_dice/20261121-...")  # doctest: +SKIP
        >>> run.result["metrics"]["test"]["miou"]  # doctest: +SKIP
    """
    path = Path(folder).expanduser().resolve()
    if checkpoint not in get_args(Which):
        raise ValueError(f"checkpoint: expected best or last, got {checkpoint!r}")
    place = _device(device)
    file = path / "checkpoints" / f"{checkpoint}.ckpt"
    try:
        with user_mistakes():
            _refuse_unfinished(path, file)
            config = read_config(path, trust, without=("logger", "callbacks"))
            facts = read_facts(path) or facts_of(build_source(config))
            found = load_checkpoint(file)
            with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and replaced
                model = build_model(config.model, facts, getattr(torch, facts.pixels), weights_follow=True)
            _take_weights(model, found["state_dict"], file)
            step, epoch = (int(found.get(key, 0)) for key in ("global_step", "epoch"))
    except UserError as error:  # who calls from Python knows ValueError
        raise ValueError(str(error)) from error
    model.eval().requires_grad_(False).to(place)
    return LoadedRun(path, config, facts, model, place, file.resolve(), step, epoch)


def _refuse_unfinished(folder: Path, file: Path) -> None:
    """A run that left no checkpoint says why."""
    status = read_status(folder)
    if status and not file.is_file():
        ended = f"; the run is {status.get('state')}, exit code {status.get('exit_code')}, see its log.txt"
        raise FileNotFoundError(f"no checkpoint at {file}{ended if status.get('state') != 'finished' else ''}")


def load_named_run(verb: str, options: Mapping[str, Any]) -> LoadedRun:
    """The run that the words of a verb name, on the CPU.

    Args:
        verb: for messages.
        options: its run, checkpoint and trust, as they were written.

    Raises:
        UserError: no run is named, or no such checkpoint.
        ValueError: see `load_run`.
    """
    which: Any = chosen(verb, "checkpoint", options["checkpoint"], get_args(Which))
    return load_run(run_folder(verb, options["run"]), which, "cpu", names(options["trust"]))


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        accelerator = choose_hardware("auto", "auto", "auto").accelerator
        return torch.device({"gpu": "cuda"}.get(accelerator, accelerator))
    try:
        place = torch.device(device)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:  # torch's, for a name it does not know or a GPU that is not there
        raise ValueError(f"device: expected cpu, cuda or mps, such as this machine has, got {device!r}") from error
    return place


def _take_weights(model: SegmentationModel, state: dict[str, Any], file: Path) -> None:
    weights = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
    own = model.state_dict()
    wrong = [name for name in own if getattr(weights.get(name), "shape", None) != own[name].shape]
    if wrong or weights.keys() != own.keys():
        name = (wrong or sorted(weights.keys() - own.keys()))[0]
        shapes = [tuple(tensors[name].shape) if name in tensors else "none" for tensors in (own, weights)]
        raise ValueError(
            f"{file}: expected the weights of the network that config.yaml describes, {name}: {shapes[0]}, got "
            f"{shapes[1]}; it belongs to another network or number of classes"
        )
    model.load_state_dict(weights)
