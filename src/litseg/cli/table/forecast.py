"""How long the missing cells would take, measured: a few real steps of each row, none of which is kept."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from litseg.cli.errors import CONF
from litseg.cli.table.cells import REQUEST, Wanted
from litseg.cli.table.parts import file_name
from litseg.cli.table.spec import TableSpec
from litseg.jobs import Job, Launcher
from litseg.results import write_json

FORECAST, TARGET = "forecast.json", "litseg.cli.table.forecast:main"
WARM_UP, MEASURED = 3, 6
"""Steps before the first that counts, and steps that count; batches of evaluation that count."""


def show_plan(spec: TableSpec, wanted: Sequence[Wanted], launcher: Launcher) -> int:
    """Prints the cells by row, what is there, and how long the rest would take.

    Returns:
        The exit code, 0.
    """
    missing = [each for each in wanted if not each.is_finished()]
    seconds = _measure(spec, missing, launcher)
    table = Table("row", "there", "missing", "a cell", title="plan", title_justify="left")
    for row in spec.rows:
        own = [each for each in wanted if each.row.name == row.name]
        left = sum(not each.is_finished() for each in own)
        shown = _shown(seconds[row.name]) if row.name in seconds else "-"
        table.add_row(row.title, str(len(own) - left), str(left), shown)
    Console().print(table)
    total = sum(seconds.get(each.row.name, 0.0) for each in missing) / launcher.at_once
    unknown = sorted({each.row.name for each in missing} - set(seconds))
    print(f"{len(missing)} cells are missing: about {_shown(total)} with {launcher.at_once} at once")
    if unknown:
        print(f"not measured, see job.log in their folders: {', '.join(unknown)}")
    return 0


def _measure(spec: TableSpec, missing: Sequence[Wanted], launcher: Launcher) -> dict[str, float]:
    """By row, the seconds of one of its cells."""
    first = {each.row.name: each for each in reversed(missing)}
    try:
        waiting = {}
        for name, cell in first.items():
            cell.write_request(spec)
            waiting[file_name(name)] = cell
        jobs = [
            Job(name, "litseg.cli.table.forecast:main", (str(cell.folder),), cell.folder)
            for name, cell in waiting.items()
        ]
        running = 0
        while jobs or running:
            while jobs and running < launcher.at_once:
                launcher.start(jobs.pop(0))
                running += 1
            running -= len(launcher.wait(2.0))
    finally:
        launcher.close()
    paths = {name: cell.folder / FORECAST for name, cell in first.items()}
    return {name: json.loads(path.read_text())["seconds"] for name, path in paths.items() if path.is_file()}


def _shown(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def main() -> int:
    """Measures the cell of `sys.argv[1]` and writes `forecast.json` into its folder.

    Returns:
        The exit code.
    """
    folder = Path(sys.argv[1])
    request = json.loads((folder / REQUEST).read_text())
    began = time.perf_counter()
    if request["statistic"] is not None:
        from litseg.cli.table.statistic import statistic

        statistic(request["statistic"], request["words"], request["arguments"])
        found: dict[str, Any] = {"seconds": time.perf_counter() - began}
    else:
        with tempfile.TemporaryDirectory() as temporary:
            found = _training(request, Path(temporary), began)
    write_json(folder / FORECAST, found)
    return 0


def _training(request: dict[str, Any], folder: Path, began: float) -> dict[str, Any]:
    """Seconds by part, and their sum over all steps, validations and the evaluation at the end."""
    import lightning
    from hydra import compose, initialize_config_dir

    from litseg.cli.build import build

    words = [*request["words"], "logger=csv", "trainer.enable_progress_bar=false", f"run_folder={folder}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=words)
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    parts = build(cfg, folder)
    clock = _clock()
    parts.trainer.callbacks.insert(0, clock)  # type: ignore[attr-defined]  # Lightning's list
    with suppress(StopIteration):
        parts.trainer.fit(parts.module, datamodule=parts.data)
    started = clock.first - began
    validated = _evaluation_seconds(parts, request)
    counts = {split: len(parts.data.evaluation_loader(split)) for split in ("val", "test") if split in parts.data.scans}
    epochs = parts.trainer.max_epochs or 1
    validations = epochs // (parts.trainer.check_val_every_n_epoch or 1) if "val" in counts else 0
    ends = sum(counts.values()) + counts.get(request["split"], 0) * (request["evaluate"] is not None)
    batches = validations * counts.get("val", 0) + ends
    total = started + clock.steps * clock.step + batches * validated
    return {"seconds": total, "start": started, "steps": clock.steps, "step": clock.step,
            "evaluated_batches": batches, "evaluated_batch": validated}  # fmt: skip


def _clock() -> Any:
    import lightning

    class Clock(lightning.Callback):
        """Times the steps, and ends the training when enough are measured."""

        first = steps = 0.0

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.steps = int(trainer.estimated_stepping_batches) * trainer.accumulate_grad_batches
            self.times = [time.perf_counter()]
            self.first = self.times[0]

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.times.append(time.perf_counter())
            if len(self.times) > WARM_UP + MEASURED or len(self.times) > self.steps:
                raise StopIteration

        @property
        def step(self) -> float:
            lengths = [after - before for before, after in zip(self.times, self.times[1:], strict=False)]
            return statistics.median(lengths[WARM_UP:] or lengths)

    return Clock()


def _evaluation_seconds(parts: Any, request: dict[str, Any]) -> float:
    """Of one batch: forward and confusion matrix."""
    import torch

    split = request["split"] if request["split"] in parts.data.scans else "val"
    loader = iter(parts.data.evaluation_loader(split))
    module, lengths = parts.module.eval(), []
    with torch.no_grad(), parts.trainer.precision_plugin.forward_context():
        for _ in range(WARM_UP + 1):
            began = time.perf_counter()
            if (batch := next(loader, None)) is None:
                break
            module._step({key: _moved(value, module.device) for key, value in batch.items()}, "val")
            lengths.append(time.perf_counter() - began)
    return statistics.median(lengths[1:] or lengths)


def _moved(value: Any, device: Any) -> Any:
    return value.to(device) if hasattr(value, "to") else value
