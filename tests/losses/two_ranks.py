"""Gradients of two DDP processes against those of one process on the joined batch, void distributed unevenly.

python -m tests.losses.two_ranks prints a table; test_world.py runs `measure`.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import torch
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from litseg.losses import (
    CompoundLoss,
    CrossEntropyLoss,
    DiceLoss,
    FocalLoss,
    GeneralizedDiceLoss,
    JaccardLoss,
    MCCLoss,
    TverskyLoss,
    UnifiedFocalLoss,
)

WEIGHTS = [0.5, 2.0, 1.0, 0.25]
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def losses(over: str) -> dict[str, nn.Module]:
    """Every kind of loss that knows the switch."""
    return {
        "dice": DiceLoss(over=over, class_weights=WEIGHTS),  # type: ignore[arg-type]
        "jaccard log squared": JaccardLoss(over=over, form="log", power=2),  # type: ignore[arg-type]
        "tversky": TverskyLoss(over=over),  # type: ignore[arg-type]
        "generalized dice": GeneralizedDiceLoss(over=over),  # type: ignore[arg-type]
        "mcc": MCCLoss(over=over),  # type: ignore[arg-type]
        "weighted cross-entropy": CrossEntropyLoss(over=over, class_weights=WEIGHTS),  # type: ignore[arg-type]
        "focal": FocalLoss(over=over),  # type: ignore[arg-type]
        "unified focal": UnifiedFocalLoss(over=over),  # type: ignore[arg-type]
        "compound": CompoundLoss(
            {
                "ce": (1.0, CrossEntropyLoss(over=over, class_weights=WEIGHTS)),  # type: ignore[arg-type]
                "dice": (0.5, DiceLoss(over=over)),  # type: ignore[arg-type]
            }
        ),
    }


def batch(void_ranks: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Four images, two for each rank; the second rank's are 90 % or wholly void."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 12, 12, generator=generator, dtype=torch.float64).to(dtype)
    target = torch.randint(0, 4, (4, 12, 12), generator=generator)
    share = 0.9 if void_ranks == "uneven" else 1.0
    target[2:][torch.rand(2, 12, 12, generator=generator) < share] = 255
    return images, target


def gradient(network: nn.Module, loss: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    """The parameters' gradient as one vector."""
    network.zero_grad()
    loss(network(images), target).backward()
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])


def make_network(dtype: torch.dtype) -> nn.Module:
    """Two convolutions, without batch norm."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 4, 1)).to(dtype)


def run(rank: int, folder: str) -> None:
    """One process; the first writes what it found."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    found = compare(slice(2 * rank, 2 * rank + 2))
    if rank == 0:
        (Path(folder) / "found.json").write_text(json.dumps(found))
    torch.distributed.barrier()
    os._exit(0)  # gloo's threads sometimes hang while a process takes its groups down


def compare(mine: slice) -> list[dict[str, str | float]]:
    """Largest difference of this rank's averaged gradient, relative to the largest entry of the joined batch's."""
    found: list[dict[str, str | float]] = []
    for dtype_name, dtype in DTYPES.items():
        for void in ("uneven", "one rank wholly void"):
            images, target = batch(void, dtype)
            for name, joined in losses("batch").items():
                expected = gradient(make_network(dtype), joined.to(dtype), images, target)
                row: dict[str, str | float] = {"loss": name, "dtype": dtype_name, "void": void}
                for over in ("world", "batch"):
                    network = DistributedDataParallel(make_network(dtype))
                    averaged = gradient(network, losses(over)[name].to(dtype), images[mine], target[mine])
                    row[over] = float((averaged - expected).abs().max() / expected.abs().max())
                found.append(row)
    return found


def measure() -> list[dict[str, str | float]]:
    """A row for each loss, dtype and distribution of void pixels."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(run, (folder,), nprocs=2)  # type: ignore[attr-defined, no-untyped-call]
        rows: list[dict[str, str | float]] = json.loads((Path(folder) / "found.json").read_text())
    return rows


if __name__ == "__main__":
    print("largest relative difference of the parameter gradient, two DDP ranks against one process", file=sys.stdout)
    for row in measure():
        print(f"{row['loss']:24} {row['dtype']} {row['void']:22} world {row['world']:.1e}   batch {row['batch']:.1e}")
