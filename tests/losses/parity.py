"""What conf/loss/parity reproduces: our value beside the peer's own code, or its formula.

python -m tests.losses.parity prints the table of docs/parity.md. mmsegmentation and nnU-Net do not install beside a
current torch; their formulas, as read in their code, stand here in numpy.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import kornia.losses
import monai.losses
import numpy as np
import segmentation_models_pytorch as smp
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from litseg.labels import Task
from tests.losses.cases import channels, make_labels, make_logits, make_void, with_void

FOLDER = Path(__file__).parents[2] / "conf" / "loss" / "parity"
Theirs = Callable[[Tensor, Tensor], Any]
SMP, MONAI, KORNIA = smp.losses, monai.losses, kornia.losses
ALL: tuple[Task, ...] = ("multiclass", "binary", "multilabel")
SIGMOID: tuple[Task, ...] = ("binary", "multilabel")


def build(name: str, mode: Task, class_weights: list[float] | None = None) -> nn.Module:
    """The loss of a parity config, as the CLI builds it."""
    config = OmegaConf.create({"data": {"task": mode}, "loss": OmegaConf.load(FOLDER / f"{name}.yaml")})
    config.loss.class_weights = class_weights
    OmegaConf.resolve(config)
    if "terms" in config.loss:
        del config.loss.class_weights
    loss: nn.Module = instantiate(config.loss)
    return loss


def _smp(kind: str, mode: Task, **settings: Any) -> Theirs:
    loss = getattr(SMP, kind)(mode, **settings)
    return lambda logits, target: loss(logits, target[:, None] if mode == "binary" else target)


def _monai(kind: str, mode: Task, **settings: Any) -> Theirs:
    if mode == "multiclass":
        loss = getattr(MONAI, kind)(softmax=True, to_onehot_y=True, **settings)
        return lambda logits, target: loss(logits, target[:, None])
    loss = getattr(MONAI, kind)(sigmoid=True, **settings)
    return lambda logits, target: loss(logits, target.view_as(logits).float())


def _one_hot(logits: Tensor, target: Tensor) -> tuple[Any, Any, Any]:
    """p, t and the mask of valid pixels as float64 (N, C, P)."""
    valid = (target != 255).flatten(1)[:, None].double().numpy()
    labels = target.where(target != 255, 0)
    t = torch.nn.functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).flatten(2).double().numpy()
    return logits.double().softmax(1).flatten(2).numpy() * valid, t * valid, valid


def _mmseg_dice(logits: Tensor, target: Tensor) -> Any:
    p, t, _ = _one_hot(logits, target)
    scores = (2 * (p * t).sum(2) + 1) / ((p**2).sum(2) + (t**2).sum(2) + 1)
    return (1 - scores).mean()


def _mmseg_ce_dice(logits: Tensor, target: Tensor) -> Any:
    return _masked_ce(logits, target) + 3 * _mmseg_dice(logits, target)


def _mmseg_tversky(logits: Tensor, target: Tensor) -> Any:
    p, t, valid = _one_hot(logits, target)
    true_positives = (p * t).sum(2)
    false_positives, false_negatives = (p * (valid - t)).sum(2), ((valid - p) * t).sum(2)
    return (1 - (true_positives + 1) / (true_positives + 0.3 * false_positives + 0.7 * false_negatives + 1)).mean()


def _masked_ce(logits: Tensor, target: Tensor) -> Any:
    p, t, valid = _one_hot(logits, target)
    return -np.log((p * t).sum(1)[valid[:, 0] > 0]).mean()


def _nested_unet_bce_dice(logits: Tensor, target: Tensor) -> Any:
    p, t = logits.double().sigmoid().flatten(1).numpy(), target.flatten(1).double().numpy()
    bce = -(t * np.log(p) + (1 - t) * np.log1p(-p)).mean()
    return 0.5 * bce + (1 - (2 * (p * t).sum(1) + 1e-5) / (p.sum(1) + t.sum(1) + 1e-5)).mean()


def _nested_unet_lovasz_hinge(logits: Tensor, target: Tensor) -> Any:
    losses = []
    for z, t in zip(logits.double().flatten(1).numpy(), target.flatten(1).numpy(), strict=True):
        errors = 1 - z * (2 * t - 1)
        order = np.argsort(-errors)
        hits = t[order].cumsum()
        jaccard = 1 - (t.sum() - hits) / (t.sum() + np.arange(1, len(t) + 1) - hits)
        losses.append((errors[order].clip(0) * np.diff(jaccard, prepend=0)).sum())
    return np.mean(losses)


def _nnunet(logits: Tensor, target: Tensor) -> Any:
    p, t, _ = _one_hot(logits, target)
    shared, predicted, truth = ((a).sum((0, 2))[1:] for a in (p * t, p, t))
    dice = -((2 * shared + 1e-5) / np.maximum(truth + predicted + 1e-5, 1e-8)).mean()
    return _masked_ce(logits, target) + dice + 1


ROWS: list[tuple[str, str, Task, bool, Theirs]] = [
    *(("smp_dice", "smp DiceLoss", mode, True, _smp("DiceLoss", mode, ignore_index=255)) for mode in ALL),
    *(("smp_jaccard", "smp JaccardLoss", mode, False, _smp("JaccardLoss", mode)) for mode in ALL),
    *(("smp_tversky", "smp TverskyLoss", mode, True, _smp("TverskyLoss", mode, ignore_index=255)) for mode in ALL),
    *(("smp_focal", "smp FocalLoss", mode, False, _smp("FocalLoss", mode)) for mode in SIGMOID),
    ("smp_mcc", "smp MCCLoss", "binary", False, lambda x, y: SMP.MCCLoss()(x.sigmoid(), y)),
    ("smp_lovasz", "smp LovaszLoss", "multiclass", True, _smp("LovaszLoss", "multiclass", ignore_index=255)),
    *(("monai_dice", "MONAI DiceLoss", mode, False, _monai("DiceLoss", mode)) for mode in ALL),
    *(("monai_jaccard", "MONAI DiceLoss jaccard", mode, False, _monai("DiceLoss", mode, jaccard=True)) for mode in ALL),
    *(("monai_tversky", "MONAI TverskyLoss", mode, False, _monai("TverskyLoss", mode)) for mode in ALL),
    ("monai_generalized_dice", "MONAI GeneralizedDiceLoss", "multiclass", False,
     _monai("GeneralizedDiceLoss", "multiclass")),
    *(("monai_focal", "MONAI FocalLoss", mode, False,
       lambda x, y: MONAI.FocalLoss()(x, y.view_as(x).float())) for mode in SIGMOID),
    ("monai_dice_ce", "MONAI DiceCELoss", "multiclass", False, _monai("DiceCELoss", "multiclass")),
    ("kornia_dice", "kornia DiceLoss macro", "multiclass", True, KORNIA.DiceLoss("macro", ignore_index=255)),
    ("kornia_tversky", "kornia TverskyLoss", "multiclass", True, KORNIA.TverskyLoss(0.5, 0.5, ignore_index=255)),
    ("kornia_lovasz", "kornia LovaszSoftmaxLoss", "multiclass", False, KORNIA.LovaszSoftmaxLoss()),
    ("mmseg_dice", "mmseg 0.x DiceLoss (formula)", "multiclass", True, _mmseg_dice),
    ("mmseg_tversky", "mmseg TverskyLoss (formula)", "multiclass", True, _mmseg_tversky),
    ("mmseg_ce", "mmseg CrossEntropyLoss (formula)", "multiclass", True, _masked_ce),
    ("mmseg_ce_dice", "mmseg 0.x CE + 3 Dice (formula)", "multiclass", True, _mmseg_ce_dice),
    ("nested_unet_bce_dice", "pytorch-nested-unet BCEDiceLoss (formula)", "binary", False, _nested_unet_bce_dice),
    ("nested_unet_lovasz_hinge", "pytorch-nested-unet LovaszHingeLoss (formula)", "binary", False,
     _nested_unet_lovasz_hinge),
    ("nnunet_dice_ce", "nnU-Net DC_and_CE_loss + 1 (formula)", "multiclass", True, _nnunet),
]  # fmt: skip
"""Config, what it reproduces, mode, whether void pixels agree too, their value."""


def largest_difference(name: str, mode: Task, void: bool, theirs: Theirs) -> float:
    """Over random batches: with an absent class, and with void pixels where the peer knows them."""
    weights = [0.0] + [1.0] * (channels(mode) - 1) if name == "nnunet_dice_ce" else None
    ours, differences = build(name, mode, weights), []
    for seed in range(10):
        logits, target = make_logits(mode, 3, seed), make_labels(mode, 3, seed)
        if mode == "multiclass" and seed % 2:
            target = target.masked_fill(target == 2, 0)
        target = with_void(target, make_void(3, seed)) if void and seed > 3 else target
        differences.append(abs(float(ours(logits, target)) - float(theirs(logits, target))))
    return max(differences)


def main() -> None:
    """Prints the table."""
    print("| config | reproduces | task | void too | largest difference |\n|---|---|---|---|---|")
    for name, what, mode, void, theirs in ROWS:
        difference = largest_difference(name, mode, void, theirs)
        print(f"| {name} | {what} | {mode} | {'yes' if void else '-'} | {difference:.1e} |")


if __name__ == "__main__":
    main()
