"""One cell of a table, in a process of its own: trains or goes on, evaluates, and writes its scores.

Called by a launcher with the cell's folder as the only word, see `litseg.cli.table.cells`. Whatever part of it is done
already, by a process that was killed, is not done again.
"""

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml

from litseg.cli.errors import CONF, UserError
from litseg.cli.exit_codes import TRY_AGAIN
from litseg.cli.table.cells import CELL, REPLICATES, REQUEST, code_hash
from litseg.cli.training.resume import HARMLESS, is_below
from litseg.results import code_state, lock, read_status, unfinished_runs, versions, write_json

RUNS, PATIENCE = "runs", 90.0
LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "fast_dev_run", "overfit_batches")
"""Trainer settings with which a run has not seen all of its data."""


def main() -> int:
    """Makes the cell of `sys.argv[1]`.

    Returns:
        The exit code: 0 when its scores are written, else the training's.
    """
    folder = Path(sys.argv[1])
    request = json.loads((folder / REQUEST).read_text())
    started = time.time()
    if code_hash() != request["parts"]["code"]:  # an hour in a queue later, the key would not say what was run
        raise UserError("src/litseg has changed since the table was begun; start it again, for cells of one code")
    held = _hold(folder)
    if held is None:
        print(f"error: another process is still at work in {folder}", file=sys.stderr)
        return TRY_AGAIN
    with held:
        return 0 if (folder / CELL).is_file() else _make(folder, request, started)


def _hold(folder: Path) -> IO[str] | None:
    """The cell for this process alone; one whose runner was killed saves for some seconds, or goes on in a cluster."""
    until = time.monotonic() + PATIENCE
    while (held := lock(folder)) is None and time.monotonic() < until:
        time.sleep(0.2)
    return held


def _make(folder: Path, request: dict[str, Any], started: float) -> int:
    if request["statistic"] is not None:
        return measure_statistic(folder, request, started)
    if (run := finished_run(folder)) is None:
        code = train_cell(folder, request)
        if code:
            return code
        run = finished_run(folder)
    if run is None:
        raise UserError(f"{folder / RUNS}: the training ended with 0, but no run there is finished")
    if request["evaluate"] is not None:
        evaluate_run(run, request)
    write_cell(folder, request, started, run)
    return 0


def train_cell(folder: Path, request: dict[str, Any]) -> int:
    """Trains, or goes on; the exit code is the training's."""
    from litseg.cli import train

    # by its folder: resume=auto would look for all of the config, and start anew where data.root is another one now
    begun = [f"resume={run}" for run in unfinished_runs(folder / RUNS, None)[:1]]
    sys.argv = ["train.py", *request["words"], f"output={folder / RUNS}", *begun]
    sys.modules["__main__"].__spec__ = find_spec(train.__name__)  # what Lightning starts for each further device
    code = train.main()
    _leave_group()
    return code


def _leave_group() -> None:
    """Further devices' processes have ended with the training; what comes now would wait for them."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def finished_run(folder: Path) -> Path | None:
    """The cell's run, when it is finished."""
    paths = sorted((folder / RUNS).glob("*/*/status.json"))
    return next((path.parent for path in paths if read_status(path.parent).get("state") == "finished"), None)


def evaluate_run(run: Path, request: dict[str, Any]) -> None:
    """Without pictures; what is there already stays."""
    from litseg.cli.evaluation import evaluate

    if _evaluation(run, request) is None:
        evaluate.run([f"run={run}", f"split={request['split']}", "samples=0", *request["evaluate"]])


def _evaluation(run: Path, request: dict[str, Any]) -> Path | None:
    """The folder of the cell's evaluation: of the split, or of the split in windows."""
    return next(iter((run / "evaluation").glob(f"{request['split']}*/result.json")), None)


def write_cell(folder: Path, request: dict[str, Any], started: float, run: Path) -> None:
    """`cell.json`, last of all."""
    result = json.loads((run / "result.json").read_text())
    scores = {f"{split}/{name}": value for split, values in result["metrics"].items() for name, value in values.items()}
    images, names = None, list[str]()
    if (path := _evaluation(run, request)) is not None:
        found = json.loads(path.read_text())
        scores |= {f"{request['split']}/{name}": value for name, value in found["metrics"].items()}
        of_batches = found.get("batch_iou", {})
        scores |= {f"{request['split']}/batch_iou/{name}": value for name, value in of_batches.items()}
        images, names = _write_replicates(folder, path.parent, request["split"], found["class_names"])
    write_json(folder / CELL, {
        "key": request["key"], "parts": request["parts"], "seed": request["seed"], "scores": scores, "images": images,
        "replicates": names, "marks": _marks(run, result, request["evaluate"] or ()),
        **{key: result[key] for key in ("commit", "dirty", "versions", "device", "threads", "resumes")},
        "run": str(run.relative_to(folder)), "training_seconds": result["seconds"],
        "images_per_second": result["images_per_second"],
        "seconds": round(max(time.time() - started, result["seconds"]), 3),  # of a cell that went on, all parts
    })  # fmt: skip
    kept = ("best",) if request["keep_weights"] else ()
    for path in (run / "checkpoints").glob("*.ckpt"):
        if path.name.split("-")[0].removesuffix(".ckpt") not in kept:
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)


def _write_replicates(
    folder: Path, evaluation: Path, split: str, class_names: list[str]
) -> tuple[str | None, list[str]]:
    """Scores of each resample of the images, in the order of their ids; which images, and the names of the scores."""
    import torch

    from litseg.metrics import bootstrap_replicates
    from litseg.metrics.scores import scores

    counts = np.load(evaluation / "counts.npz", allow_pickle=False)
    ids, matrices = counts["ids"], counts["matrices"]
    order = np.argsort(ids)
    if len(ids) < 2:
        return None, []
    drawn = bootstrap_replicates(torch.from_numpy(matrices[order]), lambda matrix: scores(matrix, tuple(class_names)))
    np.save(folder / REPLICATES, torch.stack(list(drawn.values())).float().numpy())
    images = hashlib.sha256("\0".join(ids[order].tolist()).encode()).hexdigest()
    return images, [f"{split}/{name}" for name in drawn]


def _marks(run: Path, result: dict[str, Any], evaluate: Sequence[str]) -> list[str]:
    """What a reader of the table must know of this number."""
    from litseg.cli.saved_config import read_config

    words = {key.lstrip("+"): value for key, _, value in (word.partition("=") for word in evaluate)}
    set_there = {key.removeprefix("trainer."): yaml.safe_load(value) for key, value in words.items()}
    limits = [*limited(read_config(run, ()).trainer), *limited(set_there)]
    marks = [f"limited: {', '.join(dict.fromkeys(limits))}"] if limits else []
    if result["dirty"]:
        marks.append("uncommitted changes")
    changed = {key for change in result["changes_on_resume"] for key in change if key != "checkpoint"}
    if any(not is_below(key, HARMLESS) for key in changed):
        marks.append("config changed on resume")
    return marks


def limited(trainer: Mapping[str, Any]) -> list[str]:
    """The settings that keep data away; Lightning takes 1.0 for all of it and 1 for a single batch."""
    set_ones = {key: trainer.get(key) for key in LIMITS if trainer.get(key) is not None}
    whole = {"fast_dev_run": 0, "overfit_batches": 0}
    return [f"{key}={value}" for key, value in set_ones.items()
            if not (value == whole[key] if key in whole else isinstance(value, float) and value == 1.0)]  # fmt: skip


def measure_statistic(folder: Path, request: dict[str, Any], started: float) -> int:
    """A cell that is a statistic of the data; the exit code is 0."""
    from litseg.cli.table.statistic import statistic

    scores = statistic(request["statistic"], request["words"], request["arguments"])
    code = code_state(CONF.parent)
    write_json(folder / CELL, {
        "key": request["key"], "parts": request["parts"], "seed": request["seed"], "scores": scores, "images": None,
        "replicates": [], "marks": ["uncommitted changes"] if code["dirty"] else [], **code, "versions": versions(),
        "seconds": round(time.time() - started, 3),
    })  # fmt: skip
    return 0
