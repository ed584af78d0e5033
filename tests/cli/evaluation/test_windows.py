"""`litseg evaluate window=...`: whole images by sliding windows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import litseg
from litseg.cli.errors import UserError
from litseg.cli.evaluation.windows import read_windows
from litseg.cli.main import main

NONE: dict[str, str | None] = {"window": None, "stride": None, "overlap": None, "blending": None, "average": None}
MMSEG = ("window=32", "stride=21", "blending=uniform", "average=logits")


def _result(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evaluation" / name / "result.json").read_text())
    return found


def _slide(model: Any, image: Tensor, size: int, stride: int) -> Tensor:
    """mmsegmentation's rule, written anew: logits are added up, and divided by how many windows saw the pixel."""
    height, width = image.shape[-2:]
    total, seen = torch.zeros(1, 6, height, width), torch.zeros(height, width)
    for row in range(max(height - size + stride - 1, 0) // stride + 1):
        for column in range(max(width - size + stride - 1, 0) // stride + 1):
            top, left = (
                max(min(row * stride + size, height) - size, 0),
                max(min(column * stride + size, width) - size, 0),
            )
            window = model(image[None, :, top : top + size, left : left + size])
            total += F.pad(window, (left, width - left - window.shape[3], top, height - top - window.shape[2]))
            seen[top : top + size, left : left + size] += 1
    return total / seen


def test_windows_are_mmsegmentations_and_recorded(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", f"run={tiny_run}", *MMSEG, "samples=1", "metrics=[]", "loader.batch_size=3"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "in windows of 32" in printed
    assert "to the last digit" not in printed
    assert "largest difference from what the training reported" in printed
    found = _result(tiny_run, "test-window32")
    assert found["windows"] == {"size": 32, "stride": 21, "blending": "uniform", "average": "logits"}
    assert not (tiny_run / "evaluation" / "test").exists()
    run = litseg.load_run(tiny_run)
    counts = np.load(tiny_run / "evaluation" / "test-window32" / "counts.npz")
    samples = run.data.evaluation_loader("test").dataset
    with torch.inference_mode():
        for index, matrix in enumerate(counts["matrices"]):
            item = samples[0, index]
            assert item["id"] == counts["ids"][index]
            said = _slide(run.model, item["image"], 32, 21)[0].argmax(0)[item["mask"] != 255]
            truth = item["mask"][item["mask"] != 255].long()
            expected = torch.bincount(truth * 6 + said, minlength=36).view(6, 6).numpy()
            assert (
                np.abs(matrix - expected).sum() <= 4
            )  # sums in another order: a pixel on the edge between two classes


def test_windows_as_large_as_the_images_change_nothing_but_claim_nothing(
    tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", f"run={tiny_run}", "samples=0"]) == 0
    assert "equal to the last digit" in capsys.readouterr().out
    whole = _result(tiny_run, "test")
    assert whole["windows"] is None
    for average in ("probabilities", "logits"):
        words = ("window=64", f"average={average}", "samples=0")
        assert main(["evaluate", f"run={tiny_run}", *words]) == 0
        assert "equal to the last digit" not in capsys.readouterr().out
        found = _result(tiny_run, "test-window64")["metrics"]
        for name in ("miou", "bf", "ece", "auc"):
            assert found[name] == pytest.approx(whole["metrics"][name], abs=1e-4)


@pytest.mark.parametrize(
    "words", [("window=128", "stride=85"), ("window=64", "stride=42"), ("window=256", "stride=170")]
)
def test_a_stride_is_kept_to_the_pixel(words: tuple[str, ...]) -> None:
    given = dict(word.split("=") for word in words)
    found = read_windows({**NONE, **given}, 4)
    assert found is not None
    assert found.record() == {"size": int(given["window"]), "stride": int(given["stride"]), "blending": "gaussian",
                              "average": "probabilities"}  # fmt: skip
    assert found.windows.batch == 4


REFUSED: dict[str, tuple[dict[str, str | None], str]] = {
    "no window": ({"stride": "8"}, "stride is of windows; give their side"),
    "both": ({"window": "64", "stride": "8", "overlap": "0.5"}, "stride= or overlap=, got both"),
    "gaps": ({"window": "64", "stride": "65"}, "expected 1 to window=64"),
    "overlap": ({"window": "64", "overlap": "1.5"}, "from 0 up to below 1, got 1.5"),
    "no number": ({"window": "64", "overlap": "half"}, "expected a share such as 0.25, got half"),
    "size": ({"window": "0"}, "window: expected a whole number of at least 1"),
    "blending": ({"window": "64", "blending": "hard"}, "blending: expected one of gaussian, uniform"),
    "average": ({"window": "64", "average": "labels"}, "average: expected one of probabilities, logits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    given, message = REFUSED[name]
    with pytest.raises(UserError, match=message):
        read_windows(NONE | given, 1)
