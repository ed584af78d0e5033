"""Every mistake: one message with what to do, exit code 2, before the first step."""

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import TINY, TINY_SHAPES, RunTrain
from tests.conftest import WriteTree


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiment=unet_dise"], "no experiment is named 'unet_dise'; did you mean unet_dice"),
        (["loss=dise"], "no loss is named 'dise'; did you mean dice"),
        (["optimiser=adam"], "no config key or group is named 'optimiser'; did you mean optimizer"),
        (["trainer.max_epoch=1"], "did you mean trainer.max_epochs"),
        (["max_epochs=1"], "did you mean trainer.max_epochs"),
        (["encoder_name=resnet34"], "did you mean model.encoder_name"),
        (["data.fold=0"], "'data.fold'; expected one of: data._target_, data.drawing_seed, data."),
        (["data.drawing_sed=1"], "did you mean data.drawing_seed?"),
        (["data=folder"], "data.root"),
        (["seed=${nothing}"], "nothing"),
        (["seed"], "seed"),
        (["output=/proc/nowhere"], "cannot write the run folder"),
    ],
)
def test_mistakes_of_composition(
    run_train: RunTrain, capfd: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], message: str
) -> None:
    assert run_train(*words) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.encoder_name=resnet19"], "resnet18"),
        (["model.architecture=Unett"], "Unet"),
        (["model=dpt", "model.encoder_name=resnet18"], "fit"),
        (["loss.mode=binary"], "expected"),
        (["loss.class_weights=[1.0,2.0]"], "class_weights"),
        (["loss.class_weights=median"], "median_frequency"),
        (["loss._target_=litseg.losses.CrossEntropieLoss"], "CrossEntropieLoss"),
        (["loss=focal", "+loss.gama=2"], "did you mean gamma"),
        (["+data.drawing_sed=2"], "did you mean drawing_seed"),
        (["+data.fold=0"], "argument 'fold' (config key data); expected one of: drawing_seed, resize, root"),
        (["model.auxiliary_heads=9"], "model.auxiliary_heads: expected 0 to 4 for Unet"),
        (["augmentation.train=[{_target_: albumentations.Nope}]"], "config key augmentation.train[0]"),
        (["+optimizer.lrr=1"], "lrr"),
        (["callbacks.checkpoint.monitor=val/miuo"], "val/miou"),
        (["callbacks.checkpoint.monitor=val/loss"], "callbacks.checkpoint.mode=min"),
        (["trainer.strategy=ddp_spawn"], "expected ddp"),
        (["trainer.accelerator=tpu"], "torch_xla"),
        (["trainer.max_epochs=-1"], "trainer.max_steps"),
        (["model.encoder_name=tu-hiera_tiny_224", "+model.image_size=32"], "at most 32"),
        (["loader.batch_size=5"], "4 training samples do not fill one batch"),
        (["loader.batch_size=0"], "loader.batch_size"),
        (["data.task=binry"], "expected multiclass, binary or multilabel"),
        (["scheduler.shape=ploy"], "scheduler.shape"),
        (["trainer.max_epochs=0"], "no training step"),
        (["trainer.devices=none"], "trainer.devices"),
        (["+trainer.limit_train_batch=1"], "limit_train_batch"),
        (["~callbacks.checkpoint"], "litseg.training.Checkpoints"),
    ],
)
def test_mistakes_of_building(
    run_train: RunTrain, capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run_train("experiment=unet_ce", *TINY, *TINY_SHAPES, *words) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error


def _train_on(run_train: RunTrain, root: Path, *words: str) -> int:
    return run_train("data=camvid", "loss=ce", f"data.root={root}", *TINY, *words)


def test_a_missing_folder(run_train: RunTrain, capfd: pytest.CaptureFixture[str]) -> None:
    assert _train_on(run_train, Path("nowhere")) == 2
    assert "no folder nowhere/train: expected image files there; check data.root" in capfd.readouterr().err


def test_class_names_for_a_set_that_has_them(run_train: RunTrain, capfd: pytest.CaptureFixture[str]) -> None:
    assert _train_on(run_train, Path("nowhere"), "+data.class_names=[a,b]") == 2
    assert "data.class_names: CamVid brings its own; leave the key out" in capfd.readouterr().err


def test_an_empty_folder(run_train: RunTrain, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("train", "trainannot"):
        (tmp_path / name).mkdir()
    assert _train_on(run_train, tmp_path) == 2
    assert "holds no image" in capfd.readouterr().err


def test_an_image_without_a_mask(
    run_train: RunTrain, capfd: pytest.CaptureFixture[str], write_camvid: WriteTree
) -> None:
    root = write_camvid()
    (root / "valannot" / "val_001.png").unlink()
    assert _train_on(run_train, root) == 2
    assert "1 image of" in (error := capfd.readouterr().err)
    assert "val_001" in error


def test_sizes_that_differ(run_train: RunTrain, capfd: pytest.CaptureFixture[str], write_camvid: WriteTree) -> None:
    root = write_camvid()
    Image.new("L", (48, 37)).save(root / "trainannot" / "train_003.png")
    assert _train_on(run_train, root) == 2
    assert "sizes differ" in (error := capfd.readouterr().err)
    assert "train_003.png" in error


def test_an_unseen_label(run_train: RunTrain, capfd: pytest.CaptureFixture[str], write_camvid: WriteTree) -> None:
    root = write_camvid()
    Image.new("L", (48, 36), color=42).save(root / "trainannot" / "train_003.png")
    assert _train_on(run_train, root) == 2
    assert "train_003.png: label 42 has no class" in capfd.readouterr().err


def test_several_devices_in_a_multirun(run_train: RunTrain, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_train("-m", "experiment=unet_ce", "seed=0,1", *TINY, *TINY_SHAPES, "trainer.devices=2") == 2
    assert "litseg sweep ... launcher=local" in capfd.readouterr().err


def test_debug_shows_the_traceback(run_train: RunTrain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITSEG_DEBUG", "1")
    with pytest.raises(Exception, match="batch_size"):
        run_train("experiment=unet_ce", *TINY, *TINY_SHAPES, "loader.batch_size=0")


def test_a_setting_with_dashes(run_train: RunTrain, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_train("--experiment=unet_dice") == 2
    assert "a setting has no dashes: experiment=unet_dice" in capfd.readouterr().err


def test_a_trainer_setting_that_lightning_does_not_have(run_train: RunTrain, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_train("experiment=unet_ce", *TINY, *TINY_SHAPES, "+trainer.max_epoch=1") == 2
    expected = "trainer.max_epoch: Lightning's Trainer has no such setting; did you mean max_epochs"
    assert expected in capfd.readouterr().err
