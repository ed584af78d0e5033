"""Exported files against the network that they were made of."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from litseg.inference import export
from litseg.inference.timing import median_seconds, peak_memory
from litseg.models import SegmentationModel

FACTS = {"class_names": ["a", "b", "c"], "task": "multiclass"}


class Strided(nn.Module):
    """A network of stride 4 that refuses other sizes, as those of smp do."""

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 4, stride=4)
        self.up = nn.ConvTranspose2d(8, 3, 4, stride=4)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-1] % 4 or images.shape[-2] % 4:
            raise RuntimeError("wrong size")
        logits: Tensor = self.up(self.down(images).relu())
        return logits


@pytest.fixture
def model() -> SegmentationModel:
    torch.manual_seed(0)
    return SegmentationModel(Strided(), [100.0, 110.0, 120.0], [50.0, 51.0, 52.0]).eval()


def _images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("side", [16, 19])
def test_onnx_takes_any_batch_and_size_whatever_the_example(
    model: SegmentationModel, tmp_path: Path, side: int
) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
    path = tmp_path / "model.onnx"
    assert export.export_onnx(model, path, _images(2, 3, side, 20), FACTS) == "batch and size"
    run = export.open_onnx(path)
    for shape in ((1, 3, 16, 16), (3, 3, 17, 30), (1, 3, 2, 3), (2, 3, 40, 41)):
        found = export.compare(run, model, [_images(*shape)])
        assert found.largest < 1e-5
        assert found.labels == 1
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(metadata["class_names"]) == ["a", "b", "c"]
    assert metadata["task"] == "multiclass"


def test_a_network_that_reads_its_size_is_exported_for_that_size(model: SegmentationModel, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra 'export'")

    class Fixed(Strided):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * torch.linspace(0, 1, int(images.shape[-1]))

    model.network.forward = Fixed.forward.__get__(Fixed())
    varies = export.export_onnx(model, tmp_path / "model.onnx", _images(2, 3, 16, 20), FACTS)
    found = export.compare(export.open_onnx(tmp_path / "model.onnx"), model, [_images(1, 3, 16, 20)])
    assert varies in ("batch and size", "batch")
    assert found.largest < 1e-5


def test_torch_export_takes_any_batch_of_its_size(model: SegmentationModel, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    assert export.export_torch(model, path, _images(2, 3, 18, 20), FACTS) == "batch"
    batches = [_images(count, 3, 18, 20) for count in (1, 2, 5)]
    found = export.compare(export.open_torch(path), model, batches)
    expected: list[Any] = [0.0, pytest.approx(1, abs=20), 1.0, 8]
    assert list(found) == expected
    extra = {export.FACTS: ""}
    torch.export.load(path, extra_files=extra)
    assert json.loads(extra[export.FACTS]) == FACTS


def test_safetensors_hold_the_weights_and_the_names(model: SegmentationModel, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors", reason="needs the extra 'export'")
    path = tmp_path / "model.safetensors"
    export.export_safetensors(model, path, FACTS)
    fresh = SegmentationModel(Strided(), [0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    assert export.compare(export.open_safetensors(path, fresh), model, [_images(2, 3, 9, 9)]).largest == 0
    with safetensors.safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["class_names"]) == ["a", "b", "c"]


def test_what_torch_cannot_export_is_refused(model: SegmentationModel, tmp_path: Path) -> None:
    class Deciding(Strided):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) if images.sum().item() > 0 else images

    model.network = Deciding()
    with pytest.raises(ValueError, match=r"torch\.export cannot export this network"):
        export.export_torch(model, tmp_path / "model.pt2", _images(2, 3, 16, 16), FACTS)


def test_a_comparison_sees_a_difference_nan_and_another_shape(model: SegmentationModel) -> None:
    images = [_images(1, 3, 8, 8)]
    assert export.compare(lambda batch: model(batch) + 0.5, model, images).largest == pytest.approx(0.5)
    assert export.compare(lambda batch: model(batch) * torch.nan, model, images).largest == float("inf")
    assert export.compare(lambda batch: -model(batch), model, images).labels < 1
    with pytest.raises(ValueError, match="expected logits"):
        export.compare(lambda batch: model(batch)[..., 1:], model, images)


def test_costs_of_a_call() -> None:
    assert median_seconds(lambda: sum(range(1000)), repeats=3) > 0
    memory = peak_memory(lambda: torch.ones(20_000_000).sum())
    assert memory is None or 60e6 < memory < 200e6
