"""`litseg evaluate` on a run folder, whole and broken."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from litseg.cli.evaluation.pictures import chosen_ranks, one_label
from litseg.cli.main import main
from tests.conftest import WriteTree


def _result(folder: Path, name: str = "test") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evaluation" / name / "result.json").read_text())
    return found


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.array(picture)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_scores_are_those_that_training_reported(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the last digit, of both splits."""
    reported = json.loads((tiny_run / "result.json").read_text())["metrics"]
    for split in ("val", "test"):
        assert main(["evaluate", f"run={tiny_run}", f"split={split}", "samples=0"]) == 0
        found = _result(tiny_run, split)["metrics"]
        assert len(reported[split]) == 31
        assert {name: found[name] for name in reported[split] if name != "loss"} == {
            name: value for name, value in reported[split].items() if name != "loss"
        }
    assert capsys.readouterr().out.count("equal to the last digit to what the training reported (3") == 2


def test_the_files_of_an_evaluation(tiny_run: Path) -> None:
    assert main(["evaluate", f"run={tiny_run}", "split=val", "samples=0"]) == 0
    assert main(["evaluate", f"run={tiny_run}", "samples=1"]) == 0
    folder = tiny_run / "evaluation" / "test"
    assert sorted(path.name for path in folder.iterdir()) == [
        "classes.csv", "confusion.json", "counts.npz", "curves.json", "images.csv", "result.json", "samples",
        "samples.json",
    ]  # fmt: skip
    result = json.loads((folder / "result.json").read_text())
    assert (result["split"], result["data"]["samples"], result["device"], result["batch_size"]) == ("test", 5, "cpu", 2)
    assert result["checkpoint"] == {"file": "best-00000003.ckpt", "step": 3, "epoch": 0}
    chosen = json.loads((tiny_run / "evaluation" / "val" / "result.json").read_text())["thresholds"]
    assert result["thresholds"] == chosen != {}
    classes = _rows(folder / "classes.csv")
    assert [row["class"] for row in classes] == result["class_names"]
    assert float(classes[0]["iou_low"]) <= float(classes[0]["iou"]) <= float(classes[0]["iou_high"])
    images = _rows(folder / "images.csv")
    values = [float(row["image_miou"]) for row in images]
    assert values == sorted(values)
    assert len(images) == 5
    matrix = np.array(json.loads((folder / "confusion.json").read_text())["matrix"])
    assert matrix.sum() == sum(int(row["valid_pixels"]) for row in images)
    counts = np.load(folder / "counts.npz")
    assert (counts["matrices"].dtype, counts["matrices"].shape) == (np.int64, (5, 6, 6))
    assert (counts["matrices"].sum(0) == matrix).all()
    assert sorted(counts["ids"]) == sorted(row["id"] for row in images)
    assert set(result["batch_iou"]) == {"batch_size", *result["class_names"]}
    assert result["batch_iou"]["batch_size"] == 2
    samples = json.loads((folder / "samples.json").read_text())
    assert [(each["id"], each["kind"]) for each in samples] == [
        (images[0]["id"], "worst"), (images[2]["id"], "median"), (images[4]["id"], "best"),
    ]  # fmt: skip
    for sample in samples:
        pictures = {path.stem: _pixels(path) for path in (folder / sample["folder"]).iterdir()}
        assert set(pictures) == {"image", "truth", "prediction", "error"}
        truth, prediction, error = (pictures[name] for name in ("truth", "prediction", "error"))
        assert ((truth == 255) == (error == 255)).all()
        assert (error[truth != 255] == (truth != prediction)[truth != 255]).all()


def test_the_training_split_and_the_last_checkpoint_have_their_own_folders(tiny_run: Path) -> None:
    assert main(["evaluate", f"run={tiny_run}", "split=train", "checkpoint=last", "metrics=[]", "samples=0"]) == 0
    assert _result(tiny_run, "train-last")["data"]["samples"] == 6
    assert "boundary_miou" not in _result(tiny_run, "train-last")["metrics"]


def test_another_data_set_of_as_many_classes(
    tiny_run: Path, write_folder: WriteTree, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without train and val: only the split that is scored must be there."""
    root = write_folder(count=4, values=(0, 1, 2, 3, 4, 5), size=(48, 70))
    rows = [f"images/{path.name},masks/{path.name},test" for path in (root / "images").iterdir()]
    (root / "list.csv").write_text("\n".join(["image,mask,split", *rows]))
    words = ("data=csv", f"data.root={root / 'list.csv'}", "data.class_names=[a,b,c,d,e,f]")
    assert main(["evaluate", f"run={tiny_run}", *words, "samples=0", "metrics=[]"]) == 0
    result = _result(tiny_run, "csv-test")
    assert (result["data"]["samples"], result["class_names"]) == (4, list("abcdef"))
    printed = capsys.readouterr().out
    assert "class names differ" in printed
    assert "training reported" not in printed
    assert not (tiny_run / "evaluation" / "test").exists()


def test_changed_data_are_not_taken_for_the_runs_own(tiny_run: Path) -> None:
    assert main(["evaluate", f"run={tiny_run}", "data.drawing_seed=1", "samples=0", "metrics=[]"]) == 0
    assert [path.name for path in (tiny_run / "evaluation").iterdir()] == ["data-test"]


def test_a_second_evaluation_replaces_the_first_only_when_it_is_whole(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["evaluate", f"run={tiny_run}", "samples=0", "metrics=[]"]
    assert main(words) == 0
    (tiny_run / "evaluation" / "test" / "mine.txt").touch()
    with monkeypatch.context() as patch:
        patch.setattr("litseg.cli.evaluation.evaluate.write_samples", _interrupt)
        assert main(words) == 130
    assert (tiny_run / "evaluation" / "test" / "mine.txt").exists()
    assert main(words) == 0
    assert [path.name for path in (tiny_run / "evaluation").iterdir()] == ["test"]
    assert not (tiny_run / "evaluation" / "test" / "mine.txt").exists()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


REFUSED = {
    "no run": (("run=nowhere",), "expected a run folder"),
    "no run given": (("split=val",), "expected run=<run folder>"),
    "split": (("run=RUN", "split=dev"), "split: expected one of train, val, test, got dev"),
    "checkpoint": (("run=RUN", "checkpoint=third"), "checkpoint: expected one of best, last"),
    "metric": (("run=RUN", "metrics=[hausdorff]"), "metrics: expected one of boundary, calibration, ranking"),
    "other network": (("run=RUN", "model.encoder_name=resnet34"), "litseg evaluate takes no model.encoder_name="),
    "no such key": (("run=RUN", "data.rooot=/x"), "no key 'data.rooot' in the run's config; did you mean root?"),
    "no such group": (("run=RUN", "data=camvit"), "did you mean camvid?"),
    "not a word": (("run=RUN", "--split"), "expected key=value words, got '--split'"),
    "device": (("run=RUN", "trainer.accelerator=toaster"), "toaster"),
    "classes": (("run=RUN", "data=oxford_pet", "data.root=."), "expected 6 classes (multiclass: background, blob"),
    "task": (("run=RUN", "data.task=binary"), "got 2 (binary: background, "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_evaluated_is_refused_and_nothing_is_written(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words, message = REFUSED[name]
    before = sorted(tiny_run.rglob("*"))
    assert main(["evaluate", *(word.replace("RUN", str(tiny_run)) for word in words)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted(tiny_run.rglob("*")) == before


@pytest.mark.parametrize(("shape", "dtype", "more", "message"), [
    ((48, 64, 4), np.uint8, ("data.channels=[4]", "data.mean=[1,1,1,1]", "data.std=[1,1,1,1]"),
     "images of 3 channels, got 4"),
    ((48, 64, 3), np.uint16, (), "expected uint8 images, as in training, got uint16"),
])  # fmt: skip
def test_images_of_other_channels_or_depth(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: tuple[int, ...], dtype: type,
    more: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    import tifffile

    for kind in ("images", "masks"):
        (tmp_path / "tree" / kind).mkdir(parents=True)
    for index in range(4):
        pixels: Any = np.random.default_rng(index).integers(0, 200, shape).astype(dtype)
        path = tmp_path / "tree" / "images" / f"{index}.tif"
        tifffile.imwrite(path, pixels, photometric="minisblack" if shape[-1] == 4 else "rgb", planarconfig="contig")
        Image.fromarray(np.zeros(shape[:2], np.uint8)).save(tmp_path / "tree" / "masks" / f"{index}.png")
    words = (
        "data=folder",
        f"data.root={tmp_path / 'tree'}",
        "data.class_names=[a,b,c,d,e,f]",
        "data.test_share=0.5",
        *more,
    )
    assert main(["evaluate", f"run={tiny_run}", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tiny_run / "evaluation" / "folder-test").exists()


def test_a_hostile_checkpoint_runs_nothing(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_run / "checkpoints" / "best.ckpt"
    path.unlink()
    torch.save({"state_dict": {}, "code": shutil.rmtree}, path)
    assert main(["evaluate", f"run={tiny_run}"]) == 2
    assert "expected a checkpoint of plain types and tensors" in capsys.readouterr().err


def test_a_linked_folder_is_not_written_through(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious" / "test").mkdir(parents=True)
    (tiny_run / "evaluation").symlink_to(tmp_path / "precious")
    assert main(["evaluate", f"run={tiny_run}", "metrics=[]"]) == 2
    assert "expected a folder of the run itself, got a link" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["test"]


def test_a_folder_that_cannot_be_written(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny_run / "evaluation").write_text("a file in the way")
    assert main(["evaluate", f"run={tiny_run}", "metrics=[]"]) == 2
    assert "evaluation" in capsys.readouterr().err


def test_pictures_are_of_different_images_however_few_there_are() -> None:
    assert chosen_ranks(0, 3) == {}
    assert chosen_ranks(2, 3) == {0: "worst", 1: "worst"}
    assert sorted(chosen_ranks(20, 3).values()) == ["best"] * 3 + ["median"] * 3 + ["worst"] * 3
    assert chosen_ranks(21, 1) == {0: "worst", 20: "best", 10: "median"}


def test_a_multilabel_mask_shows_its_first_class() -> None:
    mask = torch.tensor([[[0, 1, 0, 255]], [[1, 1, 0, 255]]], dtype=torch.uint8)
    assert one_label(mask, 2).tolist() == [[1, 0, 2, 255]]
