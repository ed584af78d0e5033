"""Time and memory of every loss, forward and backward, against torch's cross-entropy and the losses of peers.

python -m tests.benchmarks.losses [SECONDS_PER_ROW]

Prints a Markdown table for each size of logits. Time is the median, as a multiple of torch.nn.functional.cross_entropy
timed next to it; memory is the peak of live tensor bytes, as a multiple of the logits, which are left out themselves.
"""

import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import kornia.losses
import monai.losses
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from litseg import losses

Call = Callable[[Tensor, Tensor], Tensor]
SIZES = ((4, 19, 256, 512), (2, 150, 256, 256))
EDGE_SIZE = (2, 6, 128, 128)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """The yardstick: torch's own."""
    return F.cross_entropy(logits, target, ignore_index=255)


def with_channel(loss: nn.Module) -> Call:
    """MONAI wants (N, 1, H, W) labels, all of them classes."""
    return lambda logits, target: loss(logits, target.where(target != 255, 0).unsqueeze(1))


def clean(loss: nn.Module) -> Call:
    """A peer that knows no void label gets a target without one."""
    return lambda logits, target: loss(logits, target.where(target != 255, 0))


def added(*calls: Call) -> Call:
    """What one writes without a compound loss."""
    return lambda logits, target: torch.stack([call(logits, target) for call in calls]).sum()


def four_terms() -> nn.Module:
    """The compound of the bound."""
    names = {"ce": "CrossEntropyLoss", "dice": "DiceLoss", "jaccard": "JaccardLoss", "focal": "FocalLoss"}
    return losses.CompoundLoss({term: (1.0, getattr(losses, name)()) for term, name in names.items()})


SMP, MONAI = smp.losses, monai.losses
SOFTMAX = {"softmax": True, "to_onehot_y": True, "batch": True}


def rows() -> dict[str, dict[str, Call]]:
    """Loss -> library -> call, on float logits and integer labels."""
    smp_focal, smp_dice = SMP.FocalLoss("multiclass", ignore_index=255), SMP.DiceLoss("multiclass", ignore_index=255)
    smp_ce, smp_jaccard = SMP.SoftCrossEntropyLoss(smooth_factor=0.0, ignore_index=255), SMP.JaccardLoss("multiclass")
    monai_focal = with_channel(MONAI.FocalLoss(use_softmax=True, to_onehot_y=True))
    monai_dice = with_channel(MONAI.DiceLoss(**SOFTMAX))
    monai_jaccard = with_channel(MONAI.DiceLoss(jaccard=True, **SOFTMAX))
    kornia_focal = kornia.losses.FocalLoss(alpha=None, reduction="mean", ignore_index=255)
    kornia_dice = kornia.losses.DiceLoss(average="macro", ignore_index=255)
    return {
        "CE + Dice + Jaccard + focal": {
            "litseg": four_terms(),
            "smp": added(smp_ce, smp_dice, clean(smp_jaccard), smp_focal),
            "MONAI": added(cross_entropy, monai_dice, monai_jaccard, monai_focal),
        },
        "cross-entropy": {"litseg": losses.CrossEntropyLoss(), "smp": smp_ce},
        "focal": {
            "litseg": losses.FocalLoss(), "smp": smp_focal, "MONAI": monai_focal, "kornia": kornia_focal
        },
        "OHEM cross-entropy": {"litseg": losses.OhemCrossEntropyLoss()},
        "MSE": {"litseg": losses.MSELoss()},
        "Dice": {"litseg": losses.DiceLoss(), "smp": smp_dice, "MONAI": monai_dice, "kornia": kornia_dice},
        "Jaccard": {"litseg": losses.JaccardLoss(), "smp": clean(smp_jaccard), "MONAI": monai_jaccard},
        "Tversky": {
            "litseg": losses.TverskyLoss(),
            "smp": SMP.TverskyLoss("multiclass", ignore_index=255),
            "MONAI": with_channel(MONAI.TverskyLoss(**SOFTMAX)),
            "kornia": kornia.losses.TverskyLoss(0.3, 0.7, ignore_index=255),
        },
        "focal Tversky": {
            "litseg": losses.FocalTverskyLoss(),
            "smp": SMP.TverskyLoss("multiclass", gamma=0.75, ignore_index=255),
        },
        "generalised Dice": {
            "litseg": losses.GeneralizedDiceLoss(),
            "MONAI": with_channel(MONAI.GeneralizedDiceLoss(**SOFTMAX)),
        },
        "MCC": {"litseg": losses.MCCLoss()},
        "unified focal": {"litseg": losses.UnifiedFocalLoss()},
        "Lovasz": {
            "litseg": losses.LovaszLoss(),
            "smp": SMP.LovaszLoss("multiclass", ignore_index=255),
            "kornia": clean(kornia.losses.LovaszSoftmaxLoss()),
        },
    }  # fmt: skip


def edge_rows() -> dict[str, dict[str, Call]]:
    """Losses that look at neighbours or distances: small images, since some peers take minutes."""
    return {
        "image gradient": {"litseg": losses.GradientLoss()},
        "boundary": {"litseg": losses.BoundaryLoss()},
        "Hausdorff": {
            "litseg": losses.HausdorffLoss(),
            "MONAI": with_channel(MONAI.HausdorffDTLoss(softmax=True, to_onehot_y=True, include_background=True)),
        },
        "centreline Dice": {"litseg": losses.CenterlineDiceLoss(), "MONAI": _monai_cldice},
    }


def _monai_cldice(logits: Tensor, target: Tensor) -> Tensor:
    one_hot = F.one_hot(target.where(target != 255, 0), logits.shape[1]).movedim(-1, 1).float()
    result: Tensor = MONAI.SoftclDiceLoss(iter_=3)(one_hot, logits.softmax(1))
    return result


def seconds(call: Call, logits: Tensor, target: Tensor) -> float:
    """One forward and backward pass."""
    logits.grad = None
    started = time.perf_counter()
    call(logits, target).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - started


def ratio(call: Call, logits: Tensor, target: Tensor, budget: float) -> tuple[float, float]:
    """Median time as a multiple of cross-entropy's, in turns; and that of cross-entropy in seconds."""
    for warm_up in (call, cross_entropy, call):
        first = seconds(warm_up, logits, target)
    turns = max(3, min(15, int(budget / first)))
    pairs = [(seconds(cross_entropy, logits, target), seconds(call, logits, target)) for _ in range(turns)]
    yardstick, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    return ours / yardstick, yardstick


def peak_memory(call: Call, logits: Tensor, target: Tensor) -> float:
    """Peak of live tensor bytes beside logits and target, in units of the logits."""
    logits.grad = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call(logits, target).backward()  # type: ignore[no-untyped-call]
    live = peak = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return peak / (logits.numel() * logits.element_size())


def sort_bound(logits: Tensor, target: Tensor, budget: float) -> float:
    """What Lovasz may take: 1.4 x (sorting the errors of every class, and a cross-entropy), as a multiple."""
    errors = logits.detach().movedim(1, 0).flatten(1)

    def sort_and_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
        errors.sort(dim=1, descending=True)
        return cross_entropy(logits, target)

    return 1.4 * ratio(sort_and_cross_entropy, logits, target, budget)[0]


def table(size: tuple[int, ...], entries: dict[str, dict[str, Call]], budget: float) -> None:
    """Measures and prints one table."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(size, generator=generator).requires_grad_()
    target = torch.randint(0, size[1], (size[0], *size[2:]), generator=generator)
    target[:, : size[2] // 16] = 255
    libraries = ("litseg", "smp", "MONAI", "kornia")
    lines, yardsticks = [], []
    for name, calls in track(entries.items(), " x ".join(map(str, size)), disable=not sys.stdout.isatty()):
        cells = []
        for library in libraries:
            if library not in calls:
                cells.append("-")
                continue
            relative, yardstick = ratio(calls[library], logits, target, budget)
            yardsticks.append(yardstick)
            cells.append(f"{relative:.2f}")
        memory = peak_memory(calls["litseg"], logits, target)
        lines.append(f"| {name} | {' | '.join(cells)} | {memory:.1f} |")
    torch_memory = peak_memory(cross_entropy, logits, target)
    print(
        f"\nLogits {' x '.join(map(str, size))} float32; F.cross_entropy {1e3 * statistics.median(yardsticks):.0f} ms",
        end="",
    )
    print(f", peak memory {torch_memory:.1f} x the logits\n\n| loss | {' | '.join(libraries)} | memory of litseg |")
    print("|---|" + "---|" * (len(libraries) + 1))
    print("\n".join(lines))
    if "Lovasz" in entries:
        bound = sort_bound(logits, target, budget)
        print(f"\nThe bound of Lovasz, 1.4 x (torch.sort of its errors + cross-entropy): {bound:.2f}")


def main() -> None:
    """Prints all tables."""
    budget = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    torch.set_num_threads(2)
    for size in SIZES:
        table(size, rows(), budget)
    table(EDGE_SIZE, edge_rows(), budget)
    names = ("torch", "segmentation-models-pytorch", "monai", "kornia")
    print("\n" + ", ".join(f"{name} {version(name)}" for name in names), f"{torch.get_num_threads()} threads", sep=", ")


if __name__ == "__main__":
    main()
