"""Evaluates nine images on three gloo processes with 3, 6 and 0 of them; run by test_evaluation.py.

python -m tests.metrics.uneven_ranks RANK STORE OUTPUT
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from litseg.metrics import EvaluationMetrics
from tests.metrics.cases import NAMES, batch, logits_of

SHARES = (range(3), range(3, 9), range(0))


def everything(metrics: EvaluationMetrics) -> dict[str, Any]:
    """All that comes out."""
    return {
        "metrics": metrics.compute(), "intervals": metrics.intervals(resamples=50), "images": metrics.images(),
        "classes": metrics.classes(), "curves": metrics.curves(), "confusion": metrics.confusion(),
        "thresholds": metrics.best_thresholds(),
    }  # fmt: skip


def evaluate(images: range) -> EvaluationMetrics:
    """Those of the nine images, two at a time."""
    metrics = EvaluationMetrics(NAMES, "multiclass", thresholds={"class0": 0.4})
    prediction, target = batch(9)
    logits = logits_of(prediction)
    for part in torch.split(torch.tensor(images, dtype=torch.int64), 2):
        if len(part):
            metrics.update(logits[part], target[part], [f"image{int(index)}" for index in part])
    return metrics


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    rank = int(sys.argv[1])
    torch.distributed.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=3)
    result = everything(evaluate(SHARES[rank]))
    if rank == 0:
        Path(sys.argv[3]).write_text(json.dumps(result))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
