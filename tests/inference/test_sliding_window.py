"""Windows: against whole images, against a slow reference in numpy, and what must hold of their weights."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import Tensor

from litseg.inference import Windows, averaged_over_views, predictor, sliding_blocks, sliding_window
from litseg.inference.sliding_window import Blending, Grid, axis_weights, reader_of, window_starts
from tests.inference.networks import tiny_model

SIZES = ((1, 1), (5, 40), (16, 16), (17, 33), (50, 37), (64, 31))


def image_of(height: int, width: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(height * width).integers(0, 256, (3, height, width), dtype=np.uint8))


def reference(image: Tensor, windows: Windows) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Sums and weights over the whole image, as one would write it down first."""
    predict, (height, width) = predictor(tiny_model(), "multiclass"), image.shape[-2:]
    assert windows.size is not None
    h, w = min(windows.size, height), min(windows.size, width)
    y, x = (np.arange(side) - (side - 1) / 2 for side in (h, w))
    weight = np.exp(-((y[:, None] / h) ** 2 + (x / w) ** 2) * 32) if windows.blending == "gaussian" else np.ones((h, w))
    total, weights = np.zeros((4, height, width)), np.zeros((height, width))
    step = [max(1, round(side * (1 - windows.overlap))) for side in (h, w)]
    tops = sorted({min(top, height - h) for top in range(0, height, step[0])})
    lefts = sorted({min(left, width - w) for left in range(0, width, step[1])})
    for top, left in product(tops, lefts):
        found = predict(image[None, :, top : top + h, left : left + w])[0].double().numpy()
        total[:, top : top + h, left : left + w] += weight * found
        weights[top : top + h, left : left + w] += weight
    return total / weights


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("blending", ["gaussian", "uniform"])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_equals_the_slow_reference(size: tuple[int, int], blending: Blending, overlap: float) -> None:
    image = image_of(*size)
    for batch, memory in ((1, 2**28), (3, 2**28), (2, 16 * 16 * 24)):
        windows = Windows(16, overlap, blending, batch, memory)
        found = sliding_window(predictor(tiny_model(), "multiclass"), image, 4, windows)
        np.testing.assert_allclose(found.numpy(), reference(image, windows), atol=2e-6)


@pytest.mark.parametrize("size", [None, 40, 1000])
def test_a_window_that_covers_the_image_is_the_whole_image(size: int | None) -> None:
    image, predict = image_of(40, 33), predictor(tiny_model(), "multiclass")
    assert sliding_window(predict, image, 4, Windows(size)).equal(predict(image[None])[0])


@pytest.mark.parametrize("blending", ["gaussian", "uniform"])
def test_a_constant_network_gives_its_constant(blending: Blending) -> None:
    found = sliding_window(
        lambda images: torch.full((len(images), 2, *images.shape[-2:]), 0.7),
        image_of(50, 70), 2, Windows(16, 0.5, blending),
    )  # fmt: skip
    torch.testing.assert_close(found, torch.full((2, 50, 70), 0.7))


@pytest.mark.parametrize("blending", ["gaussian", "uniform"])
def test_weights_sum_to_one_at_every_pixel(blending: Blending) -> None:
    for length, window, overlap in ((100, 16, 0.25), (100, 16, 0.9), (17, 16, 0.0), (16, 16, 0.5), (1000, 512, 0.75)):
        total = torch.zeros(length)
        weights = axis_weights(length, window, overlap, blending)
        for start, own in zip(window_starts(length, window, overlap), weights, strict=True):
            total[start : start + window] += own
        torch.testing.assert_close(total, torch.ones(length))


def test_windows_lie_inside_and_leave_no_gap() -> None:
    for length, window, overlap in product((1, 7, 16, 33, 100), (1, 5, 16), (0.0, 0.3, 0.99)):
        starts, side = window_starts(length, min(window, length), overlap), min(window, length)
        assert starts[0] == 0
        assert starts[-1] == length - side
        assert all(0 < after - before <= side for before, after in pairwise(starts))


@pytest.mark.parametrize("memory", [1, 16 * 16 * 40, 2**28])
def test_blocks_cover_each_pixel_once_and_do_not_depend_on_the_memory(memory: int) -> None:
    image, predict = image_of(60, 90), predictor(tiny_model(), "multiclass")
    windows = Windows(16, 0.5, memory=memory)
    seen, whole = torch.zeros(60, 90), sliding_window(predict, image, 4, Windows(16, 0.5))
    widest = max(right - left for left, right in Grid((60, 90), 4, windows).strips)
    for top, left, part in sliding_blocks(predict, reader_of(image), (60, 90), 4, windows):
        seen[top : top + part.shape[1], left : left + part.shape[2]] += 1
        torch.testing.assert_close(part, whole[:, top : top + part.shape[1], left : left + part.shape[2]])
        assert part.shape[2] <= widest
    assert seen.eq(1).all()
    assert widest <= max(memory // (4 * 4 * 16), 16)


def test_counts_the_windows_it_predicts() -> None:
    calls = []
    for memory in (1, 16 * 16 * 40, 2**28):
        windows = Windows(16, 0.5, memory=memory)

        def predict(images: Tensor) -> Tensor:
            calls.append(len(images))
            return torch.zeros(len(images), 1, *images.shape[-2:])

        calls.clear()
        sliding_window(predict, image_of(60, 90), 1, windows)
        assert sum(calls) == len(Grid((60, 90), 1, windows))


def test_views_and_windows_together() -> None:
    image = image_of(40, 40)
    predict = averaged_over_views(predictor(tiny_model(), "binary"), ["hflip"])
    found = sliding_window(predict, image, 4, Windows(16, 0.5, accumulate="cpu"))
    mirrored = sliding_window(predict, image.flip(-1), 4, Windows(16, 0.5)).flip(-1)
    torch.testing.assert_close(found, mirrored)


@pytest.mark.parametrize(
    "wrong",
    [{"size": 0}, {"overlap": 1.0}, {"overlap": -0.1}, {"blending": "hann"}, {"batch": 0}, {"accumulate": "disk"}],
    ids=str,
)
def test_refuses_what_makes_no_windows(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Windows(**wrong)  # type: ignore[arg-type]
