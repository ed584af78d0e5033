"""`litseg evaluate run=<folder>`: the scores of a run's checkpoint on any split or another data set."""

import logging
import math
import re
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track
from torch import Tensor

from litseg.cli.data_verbs import console_width
from litseg.cli.errors import CONF, user_mistakes
from litseg.cli.evaluation_data import EvaluationData, config_with, evaluation_data
from litseg.cli.evaluation_pictures import write_samples
from litseg.cli.forward import Forward, build_forward
from litseg.cli.load_run import LoadedRun, load_run
from litseg.cli.logs import start_logging
from litseg.cli.words import chosen, divide_words, names, number, refuse_others, run_folder
from litseg.data.source import SPLITS
from litseg.metrics import SegmentationMetrics
from litseg.metrics.scores import scores
from litseg.results import class_table, code_state, versions, write_json
from litseg.results.evaluation_folder import whole_folder, write_table

HELP = """\
usage: litseg evaluate run=FOLDER [option=value ...]

  run=FOLDER             a run folder; nothing else is needed where its data are where they were
  split=test             test, val or train; default: test, or val where there is no test split
  checkpoint=best        best or last
  data=camvid data.root=... data.val_share=...   another data set, or the same elsewhere, with as many classes
  loader.batch_size=8 loader.workers=2 trainer.accelerator=cpu trainer.precision=32-true   instead of the run's own
  samples=3              how many of the best, the median and the worst images are drawn
  trust=[my_package]     what the run's config may name, see docs/security.md

Writes FOLDER/evaluation/<split>/ (<data>-<split> for other data, with -last for checkpoint=last): result.json,
classes.csv, images.csv (worst first), confusion.json and samples/. On the same device, precision, batch size and
number of threads the scores equal those of the training to the last digit.
"""
OWN = {"run": None, "split": None, "checkpoint": "best", "samples": "3", "trust": None}
KNOWN = (*OWN, "data", "data.root", "loader.batch_size", "loader.workers", "trainer.accelerator", "trainer.precision")
OF_CONFIG = re.compile(r"\+{0,2}(data=|data\.|loader\.|trainer\.|deterministic=)")
"""Words that go to the run's config; what else it says belongs to the trained weights."""
CONDITIONS = ("device", "precision", "channels_last", "threads")
COLUMNS = ("iou", "dice", "precision", "recall")

log = logging.getLogger(__name__)


def run(words: Sequence[str]) -> int:
    """Runs `litseg evaluate <words>`.

    Returns:
        The exit code.

    Raises:
        UserError: expected, got, what to do.
    """
    if not words or any(word in ("-h", "--help") for word in words):
        print(HELP)
        return 0
    options, others = divide_words("evaluate", words, OWN)
    refuse_others("evaluate", [word for word in others if not OF_CONFIG.match(word)], KNOWN)
    which: Any = chosen("evaluate", "checkpoint", options["checkpoint"], ("best", "last"))
    samples = number("evaluate", "samples", options["samples"], least=0)
    start_logging(None)
    with ExitStack() as stack:
        with user_mistakes():
            loaded = load_run(run_folder("evaluate", options["run"]), which, "cpu", names(options["trust"]))
            cfg = config_with(loaded, others)
            forward = build_forward(loaded, cfg)
            data = evaluation_data(loaded, cfg, _split(loaded, options["split"]), others, forward.device.type)
            target = loaded.folder / "evaluation" / (data.name if which == "best" else f"{data.name}-last")
            folder = stack.enter_context(whole_folder(target))  # now: one that cannot be written costs no work
        evaluate(loaded, cfg, forward, data, folder, samples)
    print(f"wrote {target}")
    return 0


def _split(run: LoadedRun, given: str | None) -> str:
    if given is not None:
        return chosen("evaluate", "split", given, SPLITS)
    return "val" if run.facts.fingerprints and "test" not in run.facts.fingerprints else "test"


def evaluate(
    run: LoadedRun, cfg: DictConfig, forward: Forward, data: EvaluationData, folder: Path, samples: int
) -> dict[str, Any]:
    """Scores every sample, writes the tables and prints the one of the classes.

    Args:
        run: what is evaluated.
        cfg: the run's config with what the command line has changed.
        forward: its network.
        data: the samples.
        folder: where the files go.
        samples: how many pictures of each kind.

    Returns:
        What `result.json` holds.
    """
    begin = time.perf_counter()
    ids, confusions = _count(cfg, forward, data)
    seconds = time.perf_counter() - begin
    confusion = torch.stack(confusions).sum(dim=0)
    metrics = _floats(scores(confusion, data.source.class_names))
    images = sorted(
        (_image_row(*each, data.source.class_names) for each in zip(ids, confusions, strict=True)),
        key=lambda row: (math.isnan(row["image_miou"]), row["image_miou"]),
    )
    result = {
        "split": data.split,
        "data": {"fingerprint": data.fingerprint, "samples": len(ids), "name": type(data.source).__name__},
        "checkpoint": {"file": run.checkpoint.name, "step": run.step, "epoch": run.epoch},
        "task": data.source.task,
        "class_names": list(data.source.class_names),
        "palette": data.source.palette.tolist(),
        "metrics": metrics,
        "intervals": {},
        **_machine(cfg, forward),
        "seconds": round(seconds, 3),
        "images_per_second": round(len(ids) / seconds, 3),
        "versions": versions(),
        **code_state(CONF.parent),
    }
    write_json(folder / "result.json", result)
    write_json(folder / "confusion.json", {"matrix": confusion.tolist()})
    write_table(folder / "classes.csv", [_class_row(name, metrics) for name in data.source.class_names])
    write_table(folder / "images.csv", images)
    write_samples(folder, forward, data, images, samples)
    _show(run, data, result)
    return result


def _count(cfg: DictConfig, forward: Forward, data: EvaluationData) -> tuple[list[str], list[Tensor]]:
    """Names of the samples, and the confusion matrix of each; their sum is the data set's, exactly."""
    metric = SegmentationMetrics(data.source.class_names, data.source.task).to(forward.device)
    ids, confusions = list[str](), list[Tensor]()
    batches = _batches(len(data.loader), cfg.trainer.get(f"limit_{data.split}_batches"))
    shown = track(zip(range(batches), data.loader, strict=False), "evaluating", batches, transient=True,
                  disable=not sys.stdout.isatty())  # fmt: skip
    for _, batch in shown:
        logits, masks = forward(batch["image"]), batch["mask"].to(forward.device)
        for name, one, mask in zip(batch["id"], logits, masks, strict=True):
            metric.reset()
            metric.update(one[None], mask[None])
            ids.append(name)
            confusions.append(metric.confusion.cpu())
    if batches < len(data.loader):
        log.warning("%d of %d batches: the run's trainer.limit_%s_batches", batches, len(data.loader), data.split)
    return ids, confusions


def _batches(available: int, limit: int | float | None) -> int:
    """As Lightning reads its limits: a number of batches, or a share."""
    if limit is None:
        return available
    return min(available, limit) if isinstance(limit, int) else max(1, int(available * limit))


def _floats(values: dict[str, Tensor]) -> dict[str, float]:
    """Single precision, as training logs them: both then write the same digits."""
    return {name: float(value.float()) for name, value in values.items()}


def _image_row(name: str, confusion: Tensor, class_names: Sequence[str]) -> dict[str, Any]:
    values = _floats(scores(confusion, class_names))
    pixels = int(confusion[0].sum() if confusion.ndim == 3 else confusion.sum())
    row = {"id": name, "image_miou": values["miou"], "image_mdice": values["mdice"], "valid_pixels": pixels}
    return row | {f"iou/{each}": values[f"iou/{each}"] for each in class_names}


def _class_row(name: str, metrics: dict[str, float]) -> dict[str, Any]:
    return {"class": name, **{column: metrics[f"{column}/{name}"] for column in COLUMNS}}


def _machine(cfg: DictConfig, forward: Forward) -> dict[str, Any]:
    device = forward.device
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": str(forward.precision.precision),
        "channels_last": forward.memory_format == torch.channels_last,
        "batch_size": cfg.loader.batch_size,
        "threads": torch.get_num_threads(),
    }


def _show(run: LoadedRun, data: EvaluationData, result: dict[str, Any]) -> None:
    metrics = result["metrics"]
    console = Console(width=console_width())
    title = f"{data.name}, {result['checkpoint']['file']}, {result['data']['samples']} images, percent"
    console.print(class_table(metrics, data.source.class_names, title))
    print(f"{data.name} mIoU {metrics['miou']:.4f}, pixel accuracy {metrics['pixel_accuracy']:.4f}; "
          f"{result['images_per_second']:.1f} images/s")  # fmt: skip
    if (reported := run.result.get("metrics", {}).get(data.split)) and data.is_the_runs_own:
        print(_compared(metrics, reported, {key: (result[key], run.result.get(key)) for key in CONDITIONS}))


def _compared(metrics: dict[str, float], reported: dict[str, float | None], conditions: dict[str, Any]) -> str:
    """One line: how far from what training has reported, and under which other conditions."""
    numbers = {name: value for name, value in reported.items() if name in metrics and value is not None}
    largest = max((abs(metrics[name] - value) for name, value in numbers.items()), default=math.nan)
    if largest == 0:
        return f"equal to the last digit to what the training reported ({len(numbers)} scores)"
    other = ", ".join(f"{key} {then} -> {now}" for key, (now, then) in conditions.items() if now != then)
    return f"largest difference from what the training reported: {largest:.2g} ({other or 'the same conditions'})"
