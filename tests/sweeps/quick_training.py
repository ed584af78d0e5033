"""A training of a few milliseconds that leaves a run folder as train.py does, with faults on demand.

Its words: x= decides the score (best at 3), epochs=, pause= (seconds an epoch), fault=; counts= names a file to which
each start appends its x.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from litseg.results import create_run_folder, lock, unfinished_runs, write_json, write_status


def main() -> int:
    """As `python train.py`; a run that was stopped or killed is taken up where it was."""
    words: dict[str, Any] = dict(word.split("=", 1) for word in sys.argv[1:])
    assert words.pop("resume") == "auto"
    output, counts = Path(words.pop("output")), words.pop("counts", None)
    if counts:
        with Path(counts).open("a") as file:
            file.write(f"{words['x']}\n")
    runs = unfinished_runs(output, config := json.dumps(words))
    folder = runs[0] if runs else create_run_folder(output, "quick", "x")
    held = lock(folder)
    write_status(folder, {"state": "running", "exit_code": None, "config_hash": config})
    code = _train(folder, words)
    if code == 0:
        value = _score(float(words["x"]), 1.0) if words.get("fault") != "no score" else None
        write_json(folder / "result.json", {"metrics": {"val": {"miou": value}}})
    write_status(folder, {"state": "failed" if code else "finished", "exit_code": code, "config_hash": config})
    assert held
    return code


def _train(folder: Path, words: dict[str, Any]) -> int:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    epochs, path = int(words.get("epochs", 2)), folder / "metrics.csv"
    if not path.exists():
        path.write_text("epoch,step,train/loss,val/miou\n")
    for epoch in range(path.read_text().count("\n") - 1, epochs):
        time.sleep(float(words.get("pause", 0)))
        if stopped:
            return 143
        with path.open("a") as file:
            file.write(f"{epoch},{epoch},0.5,{_score(float(words['x']), (epoch + 1) / epochs)}\n")
    return _fault(words.get("fault", "none"))


def _score(x: float, share: float) -> float:
    return share * (1 - 0.01 * (x - 3) ** 2)


def _fault(kind: str) -> int:
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "raise":
        raise RuntimeError("it broke")
    elif kind == "hang":
        time.sleep(1000)
    elif kind == "refuse":
        print("error: model: expected another one", file=sys.stderr)
    return {"diverge": 3, "refuse": 2}.get(kind, 0)
