"""What a verb is given that it must refuse: python -m tests.cli.bad_runs RUN_FOLDER writes docs/bad_runs.md.

There each command runs as a process of its own, on a copy of a run of the embedded data; `test_bad_runs.py` runs all of
them inside one.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image

from tests.training.test_hostile_checkpoints import REFUSED as HOSTILE

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad_runs.md"
COMMANDS = {
    "evaluate": "evaluate run=RUN metrics=[]",
    "predict": "predict run=RUN input=PHOTOS output=OUT",
    "export": "export run=RUN format=safetensors",
    "report": "report run=RUN",
    "bench": "bench run=RUN size=32,32 repeats=1 ways=eager device=cpu",
}
READ_WEIGHTS = ("evaluate", "predict", "export", "bench")
HEAD = """\
# Bad run folders and places

What the verbs say to a folder that is no run or a damaged one, to data that do not fit its network, and to places that
cannot be written. Made by `python -m tests.cli.bad_runs RUN_FOLDER`, each command in a process of its own;
`tests/cli/test_bad_runs.py` repeats them. Nothing that was there is changed. `report` reads no checkpoint.

| what is wrong | command | exit code | message |
|---|---|---|---|
"""


class Case(NamedTuple):
    """What is done to the folder `RUN`, beside which `marker` must not appear; the command; a part of its message."""

    spoil: Callable[[Path], object]
    command: str
    message: str
    code: int = 2


def _no_run(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()


def _without_checkpoint(run: Path) -> None:
    (run / "checkpoints" / "best.ckpt").unlink()


def _hostile(run: Path) -> None:
    _without_checkpoint(run)
    HOSTILE["os.system"](run / "checkpoints" / "best.ckpt", run.parent / "marker")


def _other_network(run: Path) -> None:
    facts = json.loads((run / "data.json").read_text())
    facts |= {"class_names": [*facts["class_names"], "cat"], "palette": [*facts["palette"], [1, 2, 3]]}
    (run / "data.json").write_text(json.dumps(facts))


def _four_channels(run: Path) -> None:
    """Beside the run: photos of four channels, and a tree of them with masks."""
    pixels = np.random.default_rng(0).integers(0, 200, (48, 64, 4)).astype(np.uint8)
    for kind in ("images", "masks"):
        (run.parent / "tree" / kind).mkdir(parents=True)
    for index in range(4):
        path = run.parent / "tree" / "images" / f"{index}.tif"
        tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig")
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(run.parent / "tree" / "masks" / f"{index}.png")


def _file_in_the_way(run: Path) -> None:
    (run / "evaluation").write_text("a file in the way")


def _nothing(run: Path) -> None:
    pass


def _cases() -> dict[str, Case]:
    found = {}
    for verb, command in COMMANDS.items():
        found[f"not a run: {verb}"] = Case(_no_run, command, "expected a run folder")
    for verb in READ_WEIGHTS:
        command = COMMANDS[verb]
        found[f"no checkpoint: {verb}"] = Case(_without_checkpoint, command, "no checkpoint at")
        found[f"checkpoint with code: {verb}"] = Case(_hostile, command, "expected a checkpoint of plain types")
        found[f"weights of other classes: {verb}"] = Case(
            _other_network, command, "another network or number of classes"
        )
    for verb in ("evaluate", "export"):
        words = f"{COMMANDS[verb]} data.task=binary"
        found[f"data of other classes: {verb}"] = Case(_nothing, words, "data: expected 6 classes")
    tree = (
        "data=folder data.root=TREE data.class_names=[a,b,c,d,e,f] data.channels=[4] data.mean=[1,1,1,1] "
        "data.std=[1,1,1,1] data.test_share=0.5"
    )
    channels = "images of 3 channels, got 4"
    found["images of four channels: evaluate"] = Case(_four_channels, f"{COMMANDS['evaluate']} {tree}", channels)
    words = COMMANDS["predict"].replace("PHOTOS", "TREE/images/0.tif")
    found["images of four channels: predict"] = Case(
        _four_channels, words, "expected 3 channels of uint8, as in training, got 4"
    )
    found["a file in the way: evaluate"] = Case(_file_in_the_way, COMMANDS["evaluate"], "remove what is in the way")
    for verb, words in {
        "predict": COMMANDS["predict"].replace("output=OUT", "output=/proc/labels"),
        "export": f"{COMMANDS['export']} output=/proc/model.safetensors",
        "report": f"{COMMANDS['report']} output=/proc/report.html",
    }.items():
        found[f"unwritable output: {verb}"] = Case(_nothing, words, "to a f")
    found["no checkpoint: report"] = Case(_without_checkpoint, COMMANDS["report"], "report.html", 0)
    found["checkpoint with code: report"] = Case(_hostile, COMMANDS["report"], "report.html", 0)
    return found


CASES = _cases()


def prepared(case: Case, run: Path) -> list[str]:
    """Spoils a run folder that is to be spoiled, puts a photo beside it, and gives the words of the command."""
    (run.parent / "photos").mkdir()
    Image.new("RGB", (64, 48)).save(run.parent / "photos" / "a.png")
    case.spoil(run)
    places = {"RUN": run, "PHOTOS": run.parent / "photos", "OUT": run.parent / "labels", "TREE": run.parent / "tree"}
    words = case.command.split()
    for name, place in places.items():
        words = [word.replace(name, str(place)) for word in words]
    return words


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _row(name: str, run: Path) -> str:
    with tempfile.TemporaryDirectory() as place:
        words = prepared(CASES[name], Path(shutil.copytree(run, Path(place) / "run", symlinks=True)))
        command = [sys.executable, "-W", "ignore", "-m", "litseg.cli.main", *words]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    printed = (done.stderr if done.returncode else done.stdout).replace(str(place), "").strip().replace("|", "\\|")
    what = name.partition(": ")[0]
    shown = CASES[name].command.replace("RUN", "run").replace("PHOTOS", "photos").replace("OUT", "labels")
    return f"| {what} | `litseg {shown.replace('TREE', 'tree')}` | {done.returncode} | {printed.splitlines()[-1]} |\n"


if __name__ == "__main__":
    DOCUMENT.write_text(HEAD + "".join(_row(name, Path(sys.argv[1])) for name in CASES))
