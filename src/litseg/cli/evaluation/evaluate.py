"""`litseg evaluate run=<folder>`: the scores of a run's checkpoint on any split or another data set."""

import json
import logging
import math
import re
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from litseg.cli.data.verbs import console_width
from litseg.cli.errors import CONF, UserError, user_mistakes, writing
from litseg.cli.evaluation.data import EvaluationData, config_with, evaluation_data
from litseg.cli.evaluation.pictures import write_samples
from litseg.cli.evaluation.windows import EvaluationWindows, read_windows
from litseg.cli.load_run import LoadedRun, load_named_run
from litseg.cli.logs import start_logging
from litseg.cli.wiring.forward import Forward, build_forward
from litseg.cli.words import chosen, divide_words, names, number, refuse_others
from litseg.data.source import SPLITS
from litseg.inference.whole_image import Predict
from litseg.metrics import EvaluationMetrics, batch_iou
from litseg.metrics.evaluation import PARTS, Part
from litseg.results import class_table, code_state, versions, write_json
from litseg.results.evaluation_folder import whole_folder, write_table
from litseg.results.report import write_report

HELP = """\
usage: litseg evaluate run=FOLDER [option=value ...]

  run=FOLDER             a run folder; nothing else is needed where its data are where they were
  split=test             test, val or train; default: test, or val where there is no test split
  checkpoint=best        best or last
  data=camvid data.root=... data.val_share=...   another data set, or the same elsewhere, with as many classes
  loader.batch_size=8 loader.workers=2 trainer.accelerator=cpu trainer.precision=32-true   instead of the run's own
  samples=3              how many of the best, the median and the worst images are drawn
  metrics=[boundary,calibration,ranking]   what is measured besides the confusion matrices; default: all of these
  window=128             whole images by sliding windows of this side; default: in one piece, as in training
  stride=85              pixels between windows, or overlap=0.25, their share of the side
  blending=gaussian      or uniform; average=probabilities or logits (mmsegmentation: uniform, logits)
  trust=[my_package]     what the run's config may name, see docs/security.md

Writes FOLDER/evaluation/<split>/ (<data>-<split> for other data, with -last for checkpoint=last and -window128 for
windows): result.json, classes.csv, images.csv (worst first), confusion.json, counts.npz (ids, and matrices: the counts
of each image), curves.json and samples/. Thresholds of single classes are chosen on val, and scored on the other splits
when those are evaluated after it. On the same device, precision, batch size and number of threads the scores equal
those of the training to the last digit, but for windows. batch_iou in result.json is a convention of others: the IoU
of each batch of loader.batch_size, then the mean.
"""
OWN = {"run": None, "split": None, "checkpoint": "best", "samples": "3", "metrics": None, "trust": None,
       "window": None, "stride": None, "overlap": None, "blending": None, "average": None}  # fmt: skip
KNOWN = (*OWN, "data", "data.root", "loader.batch_size", "loader.workers", "trainer.accelerator", "trainer.precision")
OF_CONFIG = re.compile(r"\+{0,2}(data=|data\.|loader\.|trainer\.|deterministic=)")
"""Words that go to the run's config; what else it says belongs to the trained weights."""
CONDITIONS = ("device", "precision", "channels_last", "threads", "windows")

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
    samples = number("evaluate", "samples", options["samples"], least=0)
    parts: Any = PARTS if options["metrics"] is None else names(options["metrics"])
    for part in parts:
        chosen("evaluate", "metrics", part, PARTS)
    start_logging(None)
    with ExitStack() as stack:
        with user_mistakes():
            loaded = load_named_run("evaluate", options)
            cfg = config_with(loaded, others)
            forward = build_forward(loaded, cfg)
            windows = read_windows(options, cfg.loader.batch_size)
            data = evaluation_data(loaded, cfg, _split(loaded, options["split"]), others, forward.device.type)
            name = data.name if options["checkpoint"] == "best" else f"{data.name}-last"
            target = loaded.folder / "evaluation" / (f"{name}-window{windows.windows.size}" if windows else name)
            with writing(target, "make the run folder writable, and remove what is in the way"):
                folder = stack.enter_context(whole_folder(target))  # now: one that cannot be written costs no work
        measured = evaluate(loaded, cfg, forward, data, folder, samples, parts, windows)
    print(f"wrote {target}")
    if "ranking" in parts and data.name != "val" and not measured["thresholds"]:
        print("no thresholds of single classes: they are chosen on split=val, evaluate that first")
    if (report := write_report(loaded.folder)) is not None:
        print(f"wrote {report}")
    return 0


def _split(run: LoadedRun, given: str | None) -> str:
    if given is not None:
        return chosen("evaluate", "split", given, SPLITS)
    return "val" if run.facts.fingerprints and "test" not in run.facts.fingerprints else "test"


def evaluate(
    run: LoadedRun,
    cfg: DictConfig,
    forward: Forward,
    data: EvaluationData,
    folder: Path,
    samples: int,
    parts: Sequence[Part] = PARTS,
    windows: EvaluationWindows | None = None,
) -> dict[str, Any]:
    """Scores every sample, writes the tables and prints the one of the classes.

    Args:
        run: what is evaluated.
        cfg: the run's config with what the command line has changed.
        forward: its network.
        data: the samples.
        folder: where the files go.
        samples: how many pictures of each kind.
        parts: what is measured besides the confusion matrices.
        windows: by which images go through the network; None: whole.

    Returns:
        What `result.json` holds.
    """
    source = data.source
    measured = EvaluationMetrics(source.class_names, source.task, parts, thresholds=_thresholds(run, data))
    measured = measured.to(forward.device)
    predict = windows.over(forward, source.task, source.output_channels) if windows else forward
    begin = time.perf_counter()
    measure(measured, cfg, predict, forward.device, data)
    metrics, images = _single_precision(measured.compute()), measured.images()
    seconds = time.perf_counter() - begin
    ids, counts = measured.images_counted.compute()
    batch_size = data.loader.batch_size or 1
    chooses = data.name == "val" and "ranking" in parts
    result = {
        "split": data.split,
        "data": {"fingerprint": data.fingerprint, "samples": len(images), "name": type(source).__name__},
        "checkpoint": {"file": run.checkpoint.name, "step": run.step, "epoch": run.epoch},
        "task": source.task,
        "class_names": list(source.class_names),
        "palette": source.palette.tolist(),
        "metrics": metrics,
        "batch_iou": {"batch_size": batch_size, **batch_iou(counts, batch_size, source.class_names)},
        "windows": windows.record() if windows else None,
        "intervals": (intervals := measured.intervals()),
        "thresholds": measured.best_thresholds() if chooses else measured.given_thresholds or {},
        **_machine(cfg, forward),
        "seconds": round(seconds, 3),
        "images_per_second": round(len(images) / seconds, 3),
        "versions": versions(),
        **code_state(CONF.parent),
    }
    write_json(folder / "result.json", result)
    write_json(folder / "confusion.json", {"matrix": measured.confusion()})
    write_json(folder / "curves.json", measured.curves())
    np.savez_compressed(folder / "counts.npz", ids=np.array(ids), matrices=counts.numpy())
    write_table(folder / "classes.csv", measured.classes(intervals))
    write_table(folder / "images.csv", images)
    write_samples(folder, predict, data, images, samples)
    _show(run, data, result)
    return result


def measure(
    metrics: EvaluationMetrics, cfg: DictConfig, predict: Predict, device: torch.device, data: EvaluationData
) -> None:
    """Measures every batch."""
    batches = limited_batches(len(data.loader), cfg.trainer.get(f"limit_{data.split}_batches"))
    shown = track(zip(range(batches), data.loader, strict=False), "evaluating", batches, transient=True,
                  disable=not sys.stdout.isatty())  # fmt: skip
    # in turns: in a thread beside the network metrics took more, 0.58 instead of 0.63 of the bare speed on two cores
    for _, batch in shown:
        metrics.update(predict(batch["image"]), batch["mask"].to(device), batch["id"])
    if batches < len(data.loader):
        log.warning("%d of %d batches: the run's trainer.limit_%s_batches", batches, len(data.loader), data.split)


def _thresholds(run: LoadedRun, data: EvaluationData) -> dict[str, float] | None:
    """Those that an evaluation of `val` has chosen for this checkpoint: never on the samples that they score."""
    path = run.folder / "evaluation" / "val" / "result.json"
    if data.name == "val" or not path.is_file():
        return None
    try:
        found = json.loads(path.read_text())
        of_this = found["checkpoint"]["step"] == run.step
        return {str(name): float(value) for name, value in found["thresholds"].items()} or None if of_this else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: expected what litseg evaluate writes ({error}); evaluate split=val again") from error


def limited_batches(available: int, limit: int | float | None) -> int:
    """As Lightning reads its limits: a number of batches, or a share."""
    if limit is None:
        return available
    return min(available, limit) if isinstance(limit, int) else max(1, int(available * limit))


def _single_precision(values: dict[str, float]) -> dict[str, float]:
    """As training logs them: both then write the same digits."""
    return {name: float(np.float32(value)) for name, value in values.items()}


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
    how = f" in windows of {result['windows']['size']}" if result["windows"] else ""
    title = f"{data.name}, {result['checkpoint']['file']}, {result['data']['samples']} images, percent"
    console.print(class_table(metrics, data.source.class_names, title))
    print(f"{data.name} mIoU {metrics['miou']:.4f}, pixel accuracy {metrics['pixel_accuracy']:.4f}{how}; "
          f"{result['images_per_second']:.1f} images/s")  # fmt: skip
    if (reported := run.result.get("metrics", {}).get(data.split)) and data.is_the_runs_own:
        print(_compared(metrics, reported, {key: (result[key], run.result.get(key)) for key in CONDITIONS}))


def _compared(metrics: dict[str, float], reported: dict[str, float | None], conditions: dict[str, Any]) -> str:
    """One line: how far from what training has reported, and under which other conditions."""
    numbers = {name: value for name, value in reported.items() if name in metrics and value is not None}
    largest = max((abs(metrics[name] - value) for name, value in numbers.items()), default=math.nan)
    if largest == 0 and conditions["windows"][0] is None:
        return f"equal to the last digit to what the training reported ({len(numbers)} scores)"
    other = ", ".join(f"{key} {then} -> {now}" for key, (now, then) in conditions.items() if now != then)
    return f"largest difference from what the training reported: {largest:.2g} ({other or 'the same conditions'})"
