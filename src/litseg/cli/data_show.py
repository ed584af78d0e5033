"""`litseg data show`: what the network sees, as a picture."""

from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig

from litseg.cli.contact_sheet import Drawn, contact_sheet
from litseg.cli.data_verbs import Options
from litseg.data.augmentation import Augmentation
from litseg.data.source import Source

DRAWS = 2


def show_samples(source: Source, cfg: DictConfig, options: Options) -> int:
    """Writes a contact sheet of samples spread over a split: two epochs' draws of each training sample.

    Raises:
        ValueError: an empty split, a file that cannot be read, an augmentation that fails.
        OSError: the picture cannot be written.
    """
    pairs = source.pairs(options.split)
    if not pairs:
        raise ValueError(f"split: {type(source).__name__} has no {options.split} split; choose another")
    train = options.split == "train"
    transforms = list(instantiate(cfg.augmentation.train)) if train else []
    augmentation = Augmentation(transforms, cfg.seed, cfg.augmentation.get("photometric_channels"))
    rows = []
    for index in np.unique(np.linspace(0, len(pairs) - 1, options.count).round().astype(int)).tolist():
        image, mask = source.read_image(pairs[index]), source.read_mask(pairs[index])
        draws = [Drawn(*augmentation(image, mask, epoch, index)) for epoch in range(DRAWS if train else 1)]
        rows.append((pairs[index].id, draws))
    path = Path("data_show.png") if options.output is None else options.output
    path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, source.class_names, source.palette).save(path)
    print(f"{len(rows)} samples of {len(pairs)} in {options.split}: {path}")
    return 0
