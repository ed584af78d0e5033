"""`litseg data show`: what the network sees, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from litseg.cli.data.contact_sheet import Drawn, contact_sheet
from litseg.cli.data.verbs import Options
from litseg.data.source import Source

if TYPE_CHECKING:
    import torch

    from litseg.data.samples import Item

EPOCHS = (0, 1)


def show_samples(source: Source, cfg: DictConfig, options: Options) -> int:
    """Writes a contact sheet of samples spread over a split: of train as two epochs of training draw them.

    Raises:
        ValueError: an empty split, data that training would refuse, an augmentation that fails.
        OSError: the picture cannot be written.
    """
    path = Path("data_show.png") if options.output is None else options.output
    if path.suffix.lower() not in (".png", ".jpg"):
        raise ValueError(f"output: expected a file that ends in .png or .jpg, got {path}")
    pairs = source.pairs(options.split)
    if not pairs:
        raise ValueError(f"split: {type(source).__name__} has no {options.split} split; choose another")
    chosen = np.unique(np.linspace(0, len(pairs) - 1, options.count).round().astype(int)).tolist()
    if options.split == "train":
        draws = _as_trained(cfg, chosen)
    else:
        draws = [[Drawn(source.read_image(pairs[index]), source.read_mask(pairs[index])) for index in chosen]]
    rows = [(pairs[index].id, of_sample) for index, *of_sample in zip(chosen, *draws, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, source.class_names, source.palette).save(path)
    print(f"{len(rows)} samples of {len(pairs)} in {options.split}: {path.resolve()}")
    return 0


def _as_trained(cfg: DictConfig, chosen: list[int]) -> list[list[Drawn]]:
    """The training loader's own samples of each epoch, pasted, augmented and mixed as one batch."""
    from litseg.cli.wiring.data import build_data  # it loads torch and Lightning, which the other splits do not need

    cfg.loader.batch_size = 1  # samples of different sizes can be looked at too
    samples = build_data(cfg).train_dataloader().dataset
    batches = [samples.__getitems__([(epoch, index) for index in chosen]) for epoch in EPOCHS]  # type: ignore[attr-defined]
    return [[_drawn(item) for item in batch] for batch in batches]


def _drawn(item: "Item") -> Drawn:
    share = float(item["share"]) if "share" in item else None
    return Drawn(_channels_last(item["image"]), _channels_last(item["mask"]), share)


def _channels_last(tensor: "torch.Tensor") -> NDArray[Any]:
    array = tensor.numpy()
    return np.moveaxis(array, 0, -1) if array.ndim == 3 else array
