"""Views: networks for which they change nothing, the mean by hand, and what is refused."""

import pytest
import torch
from torch import Tensor

from litseg.inference import View, averaged_over_views, predictor
from tests.inference.networks import tiny_model

IMAGES = torch.randint(0, 256, (2, 3, 21, 34), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("views", [["hflip"], ["vflip"], ["rot180"], ["hflip", "vflip", "rot180"]], ids=str)
def test_a_network_of_single_pixels_sees_no_flip(views: list[View]) -> None:
    plain = predictor(tiny_model(kernel=1), "multiclass")
    torch.testing.assert_close(averaged_over_views(plain, views)(IMAGES), plain(IMAGES))


def test_a_constant_image_sees_no_scale_up_to_its_borders() -> None:
    images = torch.full((1, 3, 21, 34), 90, dtype=torch.uint8)
    plain = predictor(tiny_model(kernel=1), "multiclass")  # an averaged padded pixel would differ at the border
    torch.testing.assert_close(averaged_over_views(plain, [0.5, 0.77, 1.3, 2])(images), plain(images))


def test_is_the_mean_of_the_probabilities() -> None:
    plain = predictor(tiny_model(), "multiclass")
    flipped = plain(IMAGES.flip(-1)).flip(-1)
    found = averaged_over_views(plain, ["hflip"])(IMAGES)
    torch.testing.assert_close(found, (plain(IMAGES) + flipped) / 2)
    assert not torch.allclose(found, plain(IMAGES), atol=1e-3)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2, 21, 34))


def test_the_network_sees_the_scaled_image_whole() -> None:
    seen: list[tuple[int, ...]] = []

    def predict(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape[-2:]))
        return images[:, :1].float() / 255

    found = averaged_over_views(predict, [0.5, 2.0])(IMAGES)
    assert seen == [(21, 34), (10, 17), (42, 68)]
    assert found.shape == (2, 1, 21, 34)


def test_sixteen_bits_are_flipped() -> None:
    images = torch.arange(60, dtype=torch.int32).view(1, 1, 6, 10).to(torch.uint16)
    found = averaged_over_views(lambda batch: batch.float(), ["hflip"])(images)
    torch.testing.assert_close(found, images.float())


@pytest.mark.parametrize("views", [["flip"], ["hflip", "hflip"], [0.0], [1], [11.0], [True]], ids=str)
def test_refuses_what_is_no_view(views: list[View]) -> None:
    with pytest.raises(ValueError, match="tta: expected"):
        averaged_over_views(predictor(tiny_model(), "binary"), views)
