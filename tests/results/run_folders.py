"""Run folders as training and `litseg evaluate` leave them, drawn from a seed; for tests of reports."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

NAMES = ("road", "pavement", "building", "tree", "car", "pedestrian")
PALETTE = [[128, 64, 128], [60, 40, 222], [128, 0, 0], [128, 128, 0], [64, 0, 128], [64, 64, 0]]
CONFIG = {
    "seed": 0,
    "run_folder": "outputs/unet_ce/1",
    "data": {"_target_": "litseg.data.Shapes", "task": "multiclass", "root": None},
    "model": {"_target_": "litseg.models.create_network", "architecture": "Unet", "encoder_name": "resnet18"},
    "loss": {"_target_": "litseg.losses.CrossEntropyLoss", "mode": "multiclass", "class_weights": None},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.002, "weight_decay": 0.01},
}


def trained(folder: Path, names: tuple[str, ...] = NAMES, seed: int = 0, epochs: int = 12, **config: Any) -> Path:
    """What a finished training leaves."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "seed": seed, **config}, sort_keys=False))
    iou = np.linspace(0.95, 0.45, len(names)) + random.normal(0, 0.02, len(names))
    metrics = _metrics(names, iou)
    _write(folder / "result.json", {
        "metrics": {"val": metrics, "test": metrics}, "seed": seed, "commit": "0" * 40, "dirty": False,
        "versions": {"python": "3.12.1", "torch": "2.12.1"},
        "data": {"fingerprint": "f" * 64, "samples": {"train": 367}},
        "device": "cpu", "precision": "bf16-mixed", "world_size": 1, "threads": 2, "epochs": epochs, "seconds": 812.4,
        "images_per_second": 21.5, "parameters": 14328934, "command": ["train.py", "experiment=unet_ce"],
    })  # fmt: skip
    _write(folder / "status.json", {"state": "finished", "exit_code": 0})
    _write_curves(folder / "metrics.csv", epochs, float(np.mean(iou)), random)
    (folder / "predictions").mkdir()
    Image.fromarray(random.integers(0, 255, (80, 400, 3), dtype=np.uint8)).save(folder / "predictions" / "first.png")
    return folder


def evaluated(folder: Path, split: str = "test", names: tuple[str, ...] = NAMES, seed: int = 0) -> Path:
    """Adds `evaluation/<split>/`."""
    random = np.random.default_rng(seed)
    root = folder / "evaluation" / split
    (root / "samples").mkdir(parents=True)
    matrix = _matrix(len(names), random)
    hit, truth, said = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    iou, dice = hit / (truth + said - hit), 2 * hit / (truth + said)
    width = 0.02 + 0.08 * np.arange(len(names)) / len(names)
    metrics = _metrics(names, iou)
    _write(root / "result.json", {
        "split": split, "data": {"fingerprint": "f" * 64, "samples": 233, "name": "camvid"}, "task": "multiclass",
        "checkpoint": {"file": "best.ckpt", "step": 100, "epoch": 9}, "class_names": list(names),
        "palette": [PALETTE[index % len(PALETTE)] for index in range(len(names))], "metrics": metrics,
        "intervals": {"miou": [metrics["miou"] - 0.02, metrics["miou"] + 0.02]}, "device": "cpu",
    })  # fmt: skip
    rows = [
        {"class": name, "iou": iou[i], "iou_low": iou[i] - width[i], "iou_high": min(1, iou[i] + width[i]),
         "dice": dice[i], "precision": hit[i] / said[i], "recall": hit[i] / truth[i], "boundary_iou": iou[i] * 0.7,
         "hausdorff95": 4 + 20 * width[i], "auc": "", "threshold": round(0.3 + 0.4 * i / len(names), 2)}
        for i, name in enumerate(names)
    ]  # fmt: skip
    _table(root / "classes.csv", rows)
    images = [{"id": f"image_{index:03d}", "image_miou": 0.3 + index / 50, "valid_pixels": 1000} for index in range(20)]
    _table(root / "images.csv", images)
    _write(root / "confusion.json", {"matrix": matrix.tolist()})
    _write(root / "curves.json", _threshold_curves(names))
    _write(
        root / "samples.json",
        [_sample(root, kind, rank, random) for rank, kind in enumerate(("best", "median", "worst"))],
    )
    return folder


def _metrics(names: tuple[str, ...], iou: NDArray[np.float64]) -> dict[str, float]:
    scalars = {
        "loss": 0.4,
        "miou": float(iou.mean()),
        "mdice": float((2 * iou / (1 + iou)).mean()),
        "pixel_accuracy": 0.91,
    }
    return scalars | {f"iou/{name}": float(value) for name, value in zip(names, iou, strict=True)}


def _matrix(classes: int, random: np.random.Generator) -> NDArray[np.int64]:
    sizes = 10 ** np.linspace(6.5, 4, classes)
    wrong = random.dirichlet(np.full(classes, 0.6), classes) * np.linspace(0.03, 0.3, classes)[:, None]
    np.fill_diagonal(wrong, 0)
    np.fill_diagonal(wrong, 1 - wrong.sum(1))
    return np.asarray(wrong * sizes[:, None] + 1, dtype=np.int64)


def _write_curves(path: Path, epochs: int, best: float, random: np.random.Generator) -> None:
    rows: list[dict[str, Any]] = []
    for epoch in range(epochs):
        left = math.exp(-3 * epoch / epochs)
        for step in range(40 * epoch + 9, 40 * epoch + 40, 10):
            rows.append({"step": step, "lr-AdamW": 0.001 * (1 + math.cos(math.pi * step / 40 / epochs))})
        score = best * (1 - 0.8 * left) + random.normal(0, 0.01)
        rows.append({"epoch": epoch, "step": 40 * epoch + 39, "val/loss": 0.3 + left, "val/miou": score})
        rows.append({"epoch": epoch, "step": 40 * epoch + 39, "train/loss": 0.2 + left, "train/miou": score * 1.05})
    rows.append(
        {"epoch": epochs, "step": 40 * epochs, "val/loss": 99.0, "val/miou": 0.0}
    )  # of the best checkpoint, at the end
    columns = sorted({key for row in rows for key in row})
    _table(path, [{column: row.get(column, "") for column in columns} for row in rows])


def _threshold_curves(names: tuple[str, ...]) -> dict[str, Any]:
    thresholds = [index / 20 for index in range(21)]
    recall = {name: [max(0.0, 1 - t ** (2 + i)) for t in thresholds] for i, name in enumerate(names)}
    precision = [0.5 + t / 2 for t in thresholds]
    dice = {name: [2 * p * r / (p + r) for p, r in zip(precision, each, strict=True)] for name, each in recall.items()}
    bins = [(index + 0.5) / 15 for index in range(15)]
    return {
        "classes": list(names),
        "precision_recall": {
            n: {"precision": precision, "recall": r, "thresholds": thresholds} for n, r in recall.items()
        },
        "threshold_dice": {
            n: {"thresholds": thresholds, "dice": d, "iou": [x / (2 - x) for x in d]} for n, d in dice.items()
        },
        "reliability": {
            "confidence": bins, "accuracy": [b**1.3 for b in bins], "count": [int(4 ** (8 * b)) for b in bins],
            "ece": 0.041,
        },
    }  # fmt: skip


def _sample(root: Path, kind: str, rank: int, random: np.random.Generator) -> dict[str, Any]:
    """A street of rectangles and discs, 120 x 160, and a prediction that is shifted and spotted."""
    y, x = np.mgrid[:120, :160]
    truth = np.full((120, 160), 3, dtype=np.uint8)
    truth[(x // 40 + y // 200) % 2 == 0] = 2
    truth[y > 70] = 1
    truth[(y > 70) & (abs(x - 80) < (y - 60))] = 0
    truth[(abs(x - 90) < 16) & (abs(y - 90) < 9)] = 4
    truth[(x - 30) ** 2 + (y - 82) ** 2 < 60] = 5
    prediction = np.roll(truth, 2 * rank, axis=1)
    prediction[random.random(truth.shape) < 0.02 * rank] = 0
    truth[(y < 4) | (x < 3)] = 255
    photo = np.clip(np.asarray(PALETTE)[truth % 6] // 2 + 60 + random.normal(0, 12, (120, 160, 3)), 0, 255).astype(
        np.uint8
    )
    folder = root / "samples" / f"{rank}-image_{rank}"
    folder.mkdir()
    Image.fromarray(photo).save(folder / "image.png")
    for name, labels in (("truth", truth), ("prediction", prediction)):
        picture = Image.fromarray(labels, "L")
        picture.putpalette([value for colour in PALETTE for value in colour])
        picture.save(folder / f"{name}.png")
    return {"id": f"image_{rank}", "kind": kind, "image_miou": 0.9 - 0.25 * rank, "folder": f"samples/{folder.name}"}


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def _table(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
