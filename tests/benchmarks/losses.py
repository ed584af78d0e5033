"""Time and memory of every loss, forward and backward, against torch's cross-entropy and the losses of peers.

python -m tests.benchmarks.losses [SECONDS_PER_ROW]

Prints Markdown tables. Times are medians in milliseconds; torch.nn.functional.cross_entropy is timed in turns with the
loss of litseg. Memory is the peak of live tensor bytes, as a multiple of the logits, which are left out themselves.
Each row has a process of its own.
"""

import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from multiprocessing import get_context

import kornia.losses
import monai.losses
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from litseg import losses
from litseg.data.machine import keep_freed_memory

Call = Callable[[Tensor, Tensor], Tensor]
SIZES = ((4, 19, 256, 512), (2, 150, 256, 256))
EDGE_SIZE = (2, 6, 128, 128)
LIBRARIES = ("litseg", "smp", "MONAI", "kornia")


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
        "(torch.sort of the errors in Lovasz, and cross-entropy)": {"litseg": sort_and_cross_entropy},
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


def milliseconds(call: Call, logits: Tensor, target: Tensor, budget: float) -> tuple[float, float]:
    """Median time of `call` and, in turns with it, of cross-entropy."""
    for warm_up in (call, cross_entropy, call):
        first = seconds(warm_up, logits, target)
    turns = max(3, min(15, int(budget / first)))
    pairs = [(seconds(call, logits, target), seconds(cross_entropy, logits, target)) for _ in range(turns)]
    ours, yardstick = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
    return ours, yardstick


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


def sort_and_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """What Lovasz is measured by: sorting the errors of every class, and a cross-entropy."""
    logits.detach().movedim(1, 0).flatten(1).sort(dim=1, descending=True)
    return cross_entropy(logits, target)


def row(size: tuple[int, ...], name: str, calls: dict[str, Call], budget: float, kept: bool) -> None:
    """Measures and prints one line of a table."""
    torch.set_num_threads(2)
    if kept:
        keep_freed_memory()
        calls = {"litseg": calls["litseg"]}
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(size, generator=generator).requires_grad_()
    target = torch.randint(0, size[1], (size[0], *size[2:]), generator=generator)
    target[:, : size[2] // 16] = 255
    timed = {library: milliseconds(call, logits, target, budget) for library, call in calls.items()}
    cells = [f"{timed[library][0]:.1f}" if library in timed else "-" for library in LIBRARIES[: 1 if kept else None]]
    ours, yardstick = timed["litseg"]
    memory = [peak_memory(call, logits, target) for call in (calls["litseg"], cross_entropy)]
    numbers = [f"{yardstick:.1f}", f"{ours / yardstick:.2f}", *(f"{each:.1f}" for each in memory)]
    print(f"| {' | '.join([name, *cells, *numbers])} |", flush=True)


def table(size: tuple[int, ...], entries: dict[str, dict[str, Call]], budget: float, kept: bool = False) -> None:
    """Measures and prints one table."""
    libraries = LIBRARIES[: 1 if kept else None]
    columns = ["loss", *libraries, "F.cross_entropy", "litseg / F.cross_entropy", "memory", "of F.cross_entropy"]
    print(f"\nLogits {' x '.join(map(str, size))} float32{', pages kept' if kept else ''}\n\n| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|", flush=True)
    for name, calls in entries.items():
        # forked before torch has started a thread: what one row leaves in the allocator cannot help the next
        process = get_context("fork").Process(target=row, args=(size, name, calls, budget, kept))
        process.start()
        process.join()


def main() -> None:
    """Prints all tables."""
    budget = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    for kept in (False, True):
        for size in SIZES:
            table(size, rows(), budget, kept)
    table(EDGE_SIZE, edge_rows(), budget)
    names = ("torch", "segmentation-models-pytorch", "monai", "kornia")
    print("\n" + ", ".join(f"{name} {version(name)}" for name in names) + ", 2 threads")


if __name__ == "__main__":
    main()
