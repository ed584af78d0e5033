"""The wrapper, checked by hand on networks small enough to compute on paper."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from litseg.models import SegmentationModel

MEAN, STD = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)


class Recorder(nn.Module):
    """Returns its input and keeps it."""

    minimum_size: int | None = None
    maximum_size: int | None = None
    output_stride = 16

    def __init__(self, stride: int | None = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, images: Tensor) -> Tensor:
        self.received = images
        return images


class Half(nn.Module):
    stride = 8

    def forward(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images, 2)


class Auxiliary(nn.Module):
    stride = 8

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, F.avg_pool2d(images, 4)


def random_images(height: int, width: int, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, channels, height, width), dtype=torch.uint8, generator=generator)


def normalised(images: Tensor) -> Tensor:
    return torch.stack([(images[:, c].float() - MEAN[c]) / STD[c] for c in range(3)], dim=1)


@pytest.mark.parametrize("size", [(64, 32), (65, 70), (7, 9), (1, 1)])
def test_the_logits_are_the_normalised_images_of_an_identity_network(size: tuple[int, int]) -> None:
    images = random_images(*size)
    assert torch.equal(SegmentationModel(Recorder(32), MEAN, STD)(images), normalised(images))


def test_the_padding_is_at_the_bottom_and_right_and_repeats_the_border() -> None:
    network, images = Recorder(8), random_images(7, 17)
    SegmentationModel(network, MEAN, STD)(images)
    expected = normalised(images)[:, :, [*range(7), 6]][..., [*range(17), *[16] * 7]]
    assert torch.equal(network.received, expected)


def test_divisible_images_reach_the_network_as_they_are() -> None:
    network = Recorder(8)
    SegmentationModel(network, MEAN, STD)(random_images(16, 24))
    assert network.received.shape[-2:] == (16, 24)


def test_minimum_and_maximum_size_are_respected() -> None:
    network = Recorder(8)
    network.minimum_size, network.maximum_size = 32, 40
    model = SegmentationModel(network, MEAN, STD)
    model(random_images(9, 33))
    assert network.received.shape[-2:] == (32, 40)
    with pytest.raises(ValueError, match=r"at most 40 pixels a side, got \(2, 3, 41, 8\)"):
        model(random_images(41, 8))


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.float64, torch.int16, torch.uint16, torch.int32, torch.int64]
)
def test_every_dtype_means_the_same_value(dtype: torch.dtype) -> None:
    model, images = SegmentationModel(Recorder(4), MEAN, STD), random_images(6, 5)
    assert torch.equal(model(images), model(images.to(dtype)))


def test_sixteen_bit_values_survive() -> None:
    model = SegmentationModel(Recorder(), [30000.0], [1000.0])
    images = torch.tensor([0, 30000, 65535], dtype=torch.uint16).view(1, 1, 1, 3)
    assert model(images).flatten().tolist() == pytest.approx([-30, 0, 35.535])


def test_the_images_stay_as_they_were() -> None:
    images = random_images(5, 5).float()
    before = images.clone()
    SegmentationModel(Recorder(4), MEAN, STD)(images)
    assert torch.equal(images, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_logits_have_the_dtype_of_the_network(dtype: torch.dtype) -> None:
    model = SegmentationModel(nn.Conv2d(3, 2, 1), MEAN, STD).to(dtype)
    assert model(random_images(6, 5)).dtype == dtype


def test_a_smaller_output_is_resized_bilinearly_to_the_padded_size() -> None:
    network, images = Half(), random_images(8, 13)
    padded = F.pad(normalised(images), (0, 3, 0, 0), mode="replicate")
    small = F.avg_pool2d(padded, 2)
    expected = F.interpolate(small, size=(8, 16), mode="bilinear", align_corners=False)[..., :13]
    assert torch.equal(SegmentationModel(network, MEAN, STD)(images), expected)


def test_auxiliary_outputs_leave_in_training_only() -> None:
    model, images = SegmentationModel(Auxiliary(), MEAN, STD), random_images(9, 13)
    outputs = model.train()(images)
    assert isinstance(outputs, list)
    assert [output.shape for output in outputs] == [(2, 3, 9, 13)] * 2
    assert torch.equal(outputs[0], normalised(images))
    main = model.eval()(images)
    assert torch.equal(main, outputs[0])


@pytest.mark.parametrize("size", [(16, 24), (9, 13)])
def test_channels_last_images_reach_the_network_and_leave_as_channels_last(size: tuple[int, int]) -> None:
    network = Recorder(8)
    images = random_images(*size).to(memory_format=torch.channels_last)
    logits = SegmentationModel(network, MEAN, STD)(images)
    assert network.received.is_contiguous(memory_format=torch.channels_last)
    assert logits.stride()[1] == 1


def test_one_value_serves_all_channels() -> None:
    images = random_images(4, 4, channels=5)
    assert torch.equal(SegmentationModel(Recorder(), [10], [2])(images), (images.float() - 10) / 2)


def test_the_stride_of_a_foreign_network_is_its_encoders_or_one() -> None:
    network = Recorder(stride=None)
    network.encoder = Recorder()
    assert SegmentationModel(network, MEAN, STD).stride == 16
    assert SegmentationModel(nn.Conv2d(3, 2, 3, stride=2), MEAN, STD).stride == 1  # a layer's stride is a pair


def test_the_statistics_are_checked() -> None:
    with pytest.raises(ValueError, match="got 3 and 2 values"):
        SegmentationModel(Recorder(), MEAN, STD[:2])
    with pytest.raises(ValueError, match="got 0 and 0 values"):
        SegmentationModel(Recorder(), [], [])
    with pytest.raises(ValueError, match=r"positive, got \[1.0, 0.0, 1.0\]"):
        SegmentationModel(Recorder(), MEAN, [1.0, 0.0, 1.0])


def test_the_images_are_checked() -> None:
    model = SegmentationModel(Recorder(), MEAN, STD)
    with pytest.raises(ValueError, match="for 3 channels, the images have 4"):
        model(random_images(4, 4, channels=4))
    with pytest.raises(ValueError, match=r"must be \(N, C, H, W\), got the shape \(3, 4, 4\)"):
        model(random_images(4, 4)[0])


def test_it_exports_with_any_batch_size() -> None:
    model, images = SegmentationModel(Half(), MEAN, STD).eval(), random_images(9, 13)
    batch = torch.export.Dim("batch", min=1, max=16)
    program = torch.export.export(model, (images,), dynamic_shapes={"images": {0: batch}})
    assert torch.equal(program.module()(images[:1]), model(images[:1]))
