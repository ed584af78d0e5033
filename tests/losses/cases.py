"""The losses and batches that the tests of the contract run over."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses import (
    BoundaryLoss,
    CenterlineDiceLoss,
    CompoundLoss,
    CrossEntropyLoss,
    DiceLoss,
    FocalLoss,
    FocalTverskyLoss,
    GeneralizedDiceLoss,
    GradientLoss,
    HausdorffLoss,
    JaccardLoss,
    LovaszLoss,
    MCCLoss,
    MSELoss,
    OhemCrossEntropyLoss,
    TverskyLoss,
    UnifiedFocalLoss,
)

MODES: tuple[Task, ...] = ("multiclass", "binary", "multilabel")
CLASSES = 4


def _compound(mode: Task, **settings: Any) -> CompoundLoss:
    return CompoundLoss({"ce": (1.0, CrossEntropyLoss(mode, **settings)), "dice": (0.5, DiceLoss(mode, **settings))})


PLAIN: dict[str, Callable[..., nn.Module]] = {
    "CrossEntropyLoss": CrossEntropyLoss,
    "FocalLoss": FocalLoss,
    "DiceLoss": DiceLoss,
    "JaccardLoss": JaccardLoss,
    "TverskyLoss": TverskyLoss,
    "FocalTverskyLoss": FocalTverskyLoss,
    "GeneralizedDiceLoss": GeneralizedDiceLoss,
    "MCCLoss": MCCLoss,
    "UnifiedFocalLoss": UnifiedFocalLoss,
    "LovaszLoss": LovaszLoss,
    "OhemCrossEntropyLoss": OhemCrossEntropyLoss,
    "MSELoss": MSELoss,
    "GradientLoss": GradientLoss,
    "BoundaryLoss": BoundaryLoss,
    "HausdorffLoss": HausdorffLoss,
    "CenterlineDiceLoss": CenterlineDiceLoss,
    "CompoundLoss": _compound,
}
"""Name in clauses.yaml -> loss with its default switches."""

VARIANTS: dict[str, Callable[..., nn.Module]] = {
    **PLAIN,
    "smoothed CE": lambda mode, **s: CrossEntropyLoss(mode, label_smoothing=0.1, **s),
    "focal 0.5": lambda mode, **s: FocalLoss(mode, gamma=0.5, **s),
    "focal alpha": lambda mode, **s: FocalLoss(mode, alpha=[0.5, 2.0] if mode == "binary" else [0.5, 2.0, 1, 3], **s),
    "dice image": lambda mode, **s: DiceLoss(mode, over="image", **s),
    "dice all smooth": lambda mode, **s: DiceLoss(mode, absent="all", smooth_denominator=1.0, **s),
    "dice image all": lambda mode, **s: DiceLoss(mode, over="image", absent="all", smooth_numerator=0.5, **s),
    "jaccard zero": lambda mode, **s: JaccardLoss(mode, absent="zero", **s),
    "jaccard log": lambda mode, **s: JaccardLoss(mode, form="log", **s),
    "dice log-cosh": lambda mode, **s: DiceLoss(mode, form="log_cosh", **s),
    "focal tversky 2": lambda mode, **s: FocalTverskyLoss(mode, gamma=2.0, **s),
    "generalized image": lambda mode, **s: GeneralizedDiceLoss(mode, over="image", balance="simple", absent="all", **s),
    "mcc image": lambda mode, **s: MCCLoss(mode, over="image", **s),
    "unified symmetric": lambda mode, **s: UnifiedFocalLoss(mode, asymmetric=False, **s),
    "learned compound": lambda mode, **s: CompoundLoss(
        {"ce": (1.0, CrossEntropyLoss(mode, **s)), "dice": (1.0, DiceLoss(mode, **s))}, learned=True
    ),
    "lovasz image": lambda mode, **s: LovaszLoss(mode, over="image", **s),
    "lovasz all": lambda mode, **s: LovaszLoss(mode, absent="all", **s),
    "lovasz hinge": lambda mode, **s: LovaszLoss(mode, errors="probability" if mode == "multiclass" else "hinge", **s),
    "ohem image": lambda mode, **s: OhemCrossEntropyLoss(mode, share=0.1, over="image", **s),
    "ohem threshold": lambda mode, **s: OhemCrossEntropyLoss(mode, threshold=0.7, **s),
    "hausdorff 0.5": lambda mode, **s: HausdorffLoss(mode, alpha=0.5, **s),
    "centerline dice image": lambda mode, **s: CenterlineDiceLoss(
        mode, iterations=1, over="image", absent="all", smooth_numerator=0.0, smooth_denominator=0.0, **s
    ),
    "jaccard squared": lambda mode, **s: JaccardLoss(mode, power=2, **s),
}
"""Every branch of every loss, for the clauses that know no exception."""


def channels(mode: Task) -> int:
    return 1 if mode == "binary" else CLASSES


def make_logits(mode: Task, images: int = 2, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(images, channels(mode), 5, 6, generator=generator, dtype=torch.float64).to(dtype)


def make_labels(mode: Task, images: int = 2, seed: int = 0) -> Tensor:
    """Integer labels without a void pixel."""
    generator = torch.Generator().manual_seed(100 + seed)
    shape = (images, CLASSES, 5, 6) if mode == "multilabel" else (images, 5, 6)
    return torch.randint(0, CLASSES if mode == "multiclass" else 2, shape, generator=generator)


def make_void(images: int = 2, seed: int = 0) -> Tensor:
    """Which pixels are void (N, H, W): about a third."""
    generator = torch.Generator().manual_seed(200 + seed)
    return torch.rand(images, 5, 6, generator=generator) < 0.33


def with_void(labels: Tensor, void: Tensor) -> Tensor:
    return labels.masked_fill(void if labels.ndim == void.ndim else void.unsqueeze(1), IGNORE_INDEX)


def soft_target(mode: Task, images: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    logits = make_logits(mode, images, 300 + seed, dtype)
    return logits.softmax(1) if mode == "multiclass" else logits.sigmoid()


def value_and_gradient(loss: nn.Module, logits: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor]:
    leaf = logits.detach().clone().requires_grad_()
    value = loss(leaf, *arguments)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient
