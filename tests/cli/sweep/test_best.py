"""The best point as an experiment file: it composes to what the trial was."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from litseg.cli.errors import CONF
from litseg.cli.sweep.best import write_best
from litseg.cli.sweep.config import compose_sweep, read_sweep
from litseg.cli.training.resume import differences
from litseg.sweeps.space import Point, words

POINTS: list[Point] = [
    {"loss": "parity/smp_dice", "seed": 0},
    {"optimizer": "sgd", "optimizer.lr": 0.0012345678901234567, "+model.decoder_use_batchnorm": False},
    {"data.resize": "[64, 64]", "scheduler": "poly", "name": "1e3"},
    {"callbacks": "[default,early_stopping]", "loader.workers": None},
]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: " ".join(words(point)))
def test_the_experiment_of_the_best_composes_to_its_config(
    point: Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg, name = compose_sweep(["sweep=losses_grid", "folder=swept"])
    base = ["data.size=32", "+trainer.limit_val_batches=2", "trainer.max_epochs=1"]
    sweep = read_sweep(cfg, name, [word for word in base if word.partition("=")[0] not in point])
    sweep.folder.mkdir()
    command = write_best(sweep, 7, 0.5, point)
    assert command == "python train.py --config-dir swept experiment=losses_grid_best"
    text = (tmp_path / "swept" / "experiment" / "losses_grid_best.yaml").read_text()
    assert text.startswith("# @package _global_\n# The best of sweep losses_grid: val/miou 0.5000 in trial 7")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        wanted = compose("train", overrides=[*sweep.base, *words(point)])
        found = compose(
            "train", overrides=["experiment=losses_grid_best", f"hydra.searchpath=['file://{tmp_path}/swept']"]
        )
    assert differences(wanted, found) == {}


def test_what_an_experiment_cannot_say_stays_in_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg, name = compose_sweep(["sweep=losses_grid", "folder=swept"])
    sweep = read_sweep(cfg, name, ["~callbacks.learning_rate"])
    sweep.folder.mkdir()
    assert write_best(sweep, 0, 0.5, {"loss": "dice"}).endswith("~callbacks.learning_rate loss=dice")
