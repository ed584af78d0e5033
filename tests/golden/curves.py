"""The losses of the first ten steps of an experiment: seeded, float32, one thread, 64 x 64 fake data.

python -m tests.golden.curves FILE [EXPERIMENT ...]

Writes the curves to FILE, all of them or only those named; the others in FILE stay. What is stored is losses.json.

The learning rate is a hundredth of the experiment's. With its own, two CPUs that round differently are 1 % apart after
ten steps: what a step makes of a difference of 1e-7 grows 10 to 30 times at each of the first steps, in float64 too.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from litseg.cli.errors import CONF
from litseg.cli.logs import start_logging
from litseg.cli.wiring.build import build
from tests.data.sets.trees import TREES

STORED = Path(__file__).with_name("losses.json")
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
STEPS, SIDE, RATE = 10, 64, 0.01
SMALL = {"base_channels": 8, "features": 8, "widths": [8, 16, 32, 64, 128]}  # networks from scratch train in seconds
OVERRIDES = (
    "trainer=cpu", "logger=csv", "loader.batch_size=2", "loader.workers=0", f"trainer.max_steps={STEPS}",
    "trainer.enable_progress_bar=false", "+trainer.limit_val_batches=0", f"data.resize=[{SIDE},{SIDE}]",
)  # fmt: skip


class Recorder(lightning.Callback):
    """The loss of every batch."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(float(outputs["loss"]))


def curve(experiment: str) -> list[float]:
    """The training losses of `experiment`, through the real composition and build."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            cfg = config(experiment, Path(folder))
            lightning.seed_everything(cfg.seed, workers=True, verbose=False)
            parts = build(cfg, Path(folder))
            recorder = Recorder()
            parts.trainer.callbacks.append(recorder)  # type: ignore[attr-defined]  # Lightning's list
            parts.trainer.fit(parts.module, datamodule=parts.data)
    finally:
        torch.set_num_threads(threads)
    return recorder.losses


def config(experiment: str, folder: Path) -> DictConfig:
    """The experiment's config on fake data: the embedded set at 64 x 64, or a small tree of the real one."""
    words = [f"experiment={experiment}", *OVERRIDES, f"run_folder={folder}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        data = compose("train", overrides=words, return_hydra_config=True).hydra.runtime.choices.data
        cfg = compose("train", overrides=words)
    cfg.optimizer.lr *= RATE
    cfg.model.update({name: size for name, size in SMALL.items() if name in cfg.model})
    if data == "shapes":
        cfg.data.merge_with({"size": SIDE, "train": 12, "val": 2, "test": 2})
    else:
        TREES[data].write(folder / data)
        cfg.data.root = str(folder / data / TREES[data].file)
    for transform in cfg.augmentation.train:
        if {"height", "width"} <= set(transform):  # crops get something to choose from
            transform.height = transform.width = SIDE
            cfg.data.resize = [SIDE + SIDE // 2] * 2
    return cfg


def main() -> None:
    """Computes and writes."""
    file, names = Path(sys.argv[1]), sys.argv[2:] or EXPERIMENTS
    if Path(__file__).resolve().parents[2] / "conf" != CONF:
        sys.exit(f"litseg comes from {CONF.parent}, not from this tree: set PYTHONPATH to its src")
    if unknown := set(names) - set(EXPERIMENTS):
        sys.exit(f"expected names of conf/experiment, got {', '.join(sorted(unknown))}")
    start_logging(None)
    curves = json.loads(file.read_text()) if file.is_file() else {}
    curves = {name: losses for name, losses in curves.items() if name in EXPERIMENTS}
    curves |= {name: curve(name) for name in names}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(curves[name])}" for name in sorted(curves))
    file.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
