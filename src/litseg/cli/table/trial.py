"""A cell in short, in a folder that goes: all of its parts for a few batches, and how long the whole would take."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from litseg.cli.table.cell import evaluate_run, finished_run, measure_statistic, train_cell, write_cell
from litseg.cli.table.cells import REQUEST
from litseg.results import write_json

FORECAST, TIMES = "forecast.json", "times.json"
STEPS, BATCHES = 6, 3
"""Training steps in each of two epochs, of which the second counts; batches of each validation and evaluation."""


def main() -> int:
    """Tries the cell of `sys.argv[1]` and writes `forecast.json` into its folder.

    Returns:
        The exit code: 0, or the training's.
    """
    folder, began = Path(sys.argv[1]), time.perf_counter()
    request = json.loads((folder / REQUEST).read_text())
    with tempfile.TemporaryDirectory() as temporary:
        if request["statistic"] is not None:
            measure_statistic(Path(temporary), request, time.time())
            forecast = {"seconds": time.perf_counter() - began}
        else:
            if code := train_cell(Path(temporary), _short(request)):
                return code
            forecast = _forecast(Path(temporary), request, time.perf_counter() - began)
    write_json(folder / FORECAST, forecast)
    return 0


def _short(request: dict[str, Any]) -> dict[str, Any]:
    limits = {"train": STEPS, "val": BATCHES, "test": BATCHES}
    words = [
        *request["words"],
        *(f"++trainer.limit_{split}_batches={limit}" for split, limit in limits.items()),
        "trainer.check_val_every_n_epoch=1",
        f"+callbacks.forecast={{_target_: {__name__}.Clock, path: '${{run_folder}}/{TIMES}'}}",
    ]
    return request | {"words": words}


class Clock(Callback):
    """Ends the training after its second epoch; when the batches ended goes to `path`, and how many there would be."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.ends: dict[str, list[list[float]]] = {"train": [], "val": [], "test": []}
        self.counts: dict[str, int] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Counts the batches that there are."""
        data = trainer.datamodule
        self.counts = {split: len(data.evaluation_loader(split)) for split in ("val", "test") if split in data.scans}
        self.counts["train"] = len(trainer.train_dataloader)

    def on_train_batch_end(self, *batch: Any) -> None:
        """Now, and whether it was an epoch's first."""
        self._write_down("train", *batch)

    def on_validation_batch_end(self, *batch: Any) -> None:
        """As of training."""
        self._write_down("val", *batch)

    def on_test_batch_end(self, *batch: Any) -> None:
        """As of training."""
        self._write_down("test", *batch)

    def _write_down(self, split: str, *batch: Any) -> None:
        if batch[4] == 0:  # its index
            self.ends[split].append([])
        self.ends[split][-1].append(time.perf_counter())

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """The second is the last."""
        trainer.should_stop = trainer.current_epoch == 1

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """After training, and again after its validation and its test."""
        self.path.write_text(json.dumps({"ends": self.ends, "counts": self.counts}))


def _forecast(folder: Path, request: dict[str, Any], trained: float) -> dict[str, Any]:
    """Seconds by part and in all, from those of the short training, which took `trained`."""
    from litseg.cli.data.verbs import compose_config
    from litseg.cli.evaluation.evaluate import limited_batches

    run = finished_run(folder)
    assert run is not None
    trainer = compose_config(request["words"]).trainer
    times = json.loads((run / TIMES).read_text())
    counts = {
        split: limited_batches(count, trainer.get(f"limit_{split}_batches")) for split, count in times["counts"].items()
    }
    left = _left(times["ends"], counts, trainer)
    evaluated = _evaluated(run, request, counts.get(request["split"], 1)) if request["evaluate"] is not None else 0.0
    began = time.perf_counter()
    write_cell(folder, request, time.time(), run)
    written = time.perf_counter() - began
    return {"seconds": trained + left + evaluated + written, "short_training": trained, "rest_of_training": left,
            "evaluation": evaluated, "replicates": written}  # fmt: skip


def _left(ends: dict[str, list[list[float]]], counts: dict[str, int], trainer: Any) -> float:
    """Seconds of the training beyond the short one: steps, validations, between epochs, and the scores at the end."""
    steps: int = trainer.max_epochs * counts["train"]
    if trainer.max_steps > 0:
        steps = min(steps, trainer.max_steps * trainer.accumulate_grad_batches)
    epochs, step = ends["train"], _period(ends["train"])
    passes = steps // counts["train"] // (trainer.check_val_every_n_epoch or 1 if "val" in counts else 1)
    batch = {split: _period(ends[split]) for split in ("val", "test")}
    tried = {split: len(ends[split][0]) if ends[split] else 0 for split in ends}
    between = 0.0
    if len(epochs) > 1:
        between = max(0.0, epochs[1][0] - epochs[0][-1] - step - tried["val"] * batch["val"])
    left: float = (steps - sum(map(len, epochs))) * step + (passes - len(epochs)) * between
    left += (passes * counts.get("val", 0) - len(epochs) * tried["val"]) * batch["val"]
    left += sum((counts.get(split, 0) - tried[split]) * batch[split] for split in batch)
    return left


def _period(ends: Sequence[Sequence[float]]) -> float:
    """Seconds from one batch to the next, where there are two; else what lies between epochs holds them."""
    lengths = [after - before for before, after in pairwise(ends[1] if len(ends) > 1 else ends[0] if ends else [])]
    return statistics.median(lengths) if lengths else 0.0


def _evaluated(run: Path, request: dict[str, Any], batches: int) -> float:
    """Seconds of the evaluation: of one batch, and what each further one takes."""
    limit = f"++trainer.limit_{request['split']}_batches"
    seconds = [
        _timed(run, request | {"evaluate": [*request["evaluate"], f"{limit}={tried}"]})
        for tried in ((1,) if batches == 1 else (1, 1, 1 + BATCHES))
    ]
    if batches == 1:
        return seconds[0]
    return seconds[0] + (batches - 1) * max(0.0, (seconds[2] - seconds[1]) / min(BATCHES, batches - 1))


def _timed(run: Path, request: dict[str, Any]) -> float:
    for path in (run / "evaluation").glob("*/result.json"):
        path.unlink()  # so that it is evaluated again
    began = time.perf_counter()
    evaluate_run(run, request)
    return time.perf_counter() - began
