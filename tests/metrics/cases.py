"""Label maps with regions, void and absent classes, and scores of them."""

import torch
from torch import Tensor

CLASSES = 5
NAMES = [f"class{index}" for index in range(CLASSES)]


def label_map(seed: int, height: int = 40, width: int = 56, cell: int = 8) -> Tensor:
    """Patches of a few pixels, int64 (H, W); class 3 is not in each."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, CLASSES, (height // cell + 1, width // cell + 1), generator=generator)
    if seed % 2:
        coarse = coarse.masked_fill(coarse == 3, 0)
    shift_y, shift_x = torch.randint(0, cell, (2,), generator=generator).tolist()
    return coarse.repeat_interleave(cell, 0).repeat_interleave(cell, 1)[shift_y:, shift_x:][:height, :width]


def pair(seed: int, void: bool = True) -> tuple[Tensor, Tensor]:
    """Prediction and target (H, W): the target moved, with some specks; class 4 is never predicted in some."""
    generator = torch.Generator().manual_seed(1000 + seed)
    target = label_map(seed)[:32, :48]
    prediction = label_map(seed)[2:34, 3:51].clone()
    specks = torch.rand(prediction.shape, generator=generator) < 0.02
    prediction[specks] = torch.randint(0, CLASSES, prediction.shape, generator=generator)[specks]
    if seed % 3 == 0:
        prediction = prediction.masked_fill(prediction == 4, 1)
    if void:
        target = target.masked_fill(label_map(seed + 500)[:32, :48] == 0, 255)
    return prediction, target


def batch(images: int = 6, void: bool = True) -> tuple[Tensor, Tensor]:
    """Predictions and targets (N, H, W)."""
    pairs = [pair(seed, void) for seed in range(images)]
    return torch.stack([each[0] for each in pairs]), torch.stack([each[1] for each in pairs])


def logits_of(prediction: Tensor, channels: int = CLASSES) -> Tensor:
    """Noisy logits (N, C, H, W) whose largest is nearly always the prediction."""
    generator = torch.Generator().manual_seed(7)
    one_hot = torch.nn.functional.one_hot(prediction, channels).movedim(-1, 1).float()
    return 4 * one_hot + torch.randn(one_hot.shape, generator=generator)
