"""Begins a training with the weights of another run: fine-tuning."""

import logging
from pathlib import Path

from torch import Tensor, nn

from litseg.training.checkpoint_files import load_checkpoint

log = logging.getLogger(__name__)


def load_weights(model: nn.Module, path: Path) -> None:
    """Copies every tensor of a checkpoint whose name and shape fit; says which do not, such as a head of other classes.

    Args:
        model: the `SegmentationModel`; its mean and std come from the checkpoint too, since the weights expect them.
        path: a checkpoint, or a run folder, whose best one is taken.

    Raises:
        ValueError: nothing fits, or it is no checkpoint.
        FileNotFoundError: there is none.
    """
    path = path / "checkpoints" / "best.ckpt" if path.is_dir() else path
    given: dict[str, Tensor] = {
        name.removeprefix("model."): value
        for name, value in load_checkpoint(path)["state_dict"].items()
        if name.startswith("model.") and isinstance(value, Tensor)
    }
    own = model.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    if not any(name.startswith("network.") for name in fitting):
        raise ValueError(f"weights: nothing in {path} fits this network; choose the model and encoder of that run")
    model.load_state_dict(fitting, strict=False)
    log.info("weights of %s: %d of %d tensors", path, len(fitting), len(own))
    if left := sorted(own.keys() - fitting.keys()):
        log.warning("these begin anew, since it has none of their name and shape: %s", ", ".join(left))
