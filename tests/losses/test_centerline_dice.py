"""Centre-line Dice loss against hand-computed values, MONAI, and scipy's erosion and dilation."""

from typing import Any

import numpy as np
import pytest
import torch
from monai.losses.cldice import SoftclDiceLoss, soft_skel
from numpy.typing import NDArray
from scipy import ndimage
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import CenterlineDiceLoss, LossInputs
from litseg.losses.centerline_dice import centerline_dice
from litseg.losses.region import RegionSwitches
from litseg.losses.soft_skeleton import soft_skeleton
from tests.losses.cases import MODES, make_labels, make_logits, value_and_gradient


def scipy_skeleton(image: NDArray[np.float64], iterations: int) -> NDArray[np.float64]:
    cross, box = ndimage.generate_binary_structure(image.ndim, 1), np.ones((3,) * image.ndim, bool)
    rest = np.ones_like(image)
    for _ in range(iterations + 1):
        eroded = ndimage.grey_erosion(image, footprint=cross, mode="constant", cval=np.inf)
        rest *= 1 - np.maximum(image - ndimage.grey_dilation(eroded, footprint=box, mode="constant", cval=-np.inf), 0)
        image = eroded
    return 1 - rest


@pytest.mark.parametrize("shape", [(9,), (7, 8), (4, 5, 6)])
@pytest.mark.parametrize("iterations", [0, 2])
def test_skeleton_as_scipy_computes_it(shape: tuple[int, ...], iterations: int) -> None:
    image = torch.rand(2, 3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = soft_skeleton(image, torch.ones(2, 1, *shape, dtype=torch.bool), iterations)
    for result, one in zip(ours.flatten(0, 1), image.flatten(0, 1), strict=True):
        assert_close(result.numpy(), scipy_skeleton(one.numpy(), iterations))


def everywhere(image: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(image[:, :1], dtype=torch.bool)


@pytest.mark.parametrize("shape", [(8, 9), (5, 4, 6)])
def test_skeleton_and_its_gradient_as_monai(shape: tuple[int, ...]) -> None:
    image = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    factor = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    ours, theirs = soft_skeleton(image, everywhere(image), 3), soft_skel(image, 3)
    assert_close(ours, theirs)
    slopes = [torch.autograd.grad((factor * skeleton).sum(), image)[0] for skeleton in (ours, theirs)]
    assert_close(*slopes)


def test_equal_pixels_share_the_gradient() -> None:
    image = torch.tensor([0.5, 0.5, 0.5, 0.0, 1.0]).view(1, 1, 5).requires_grad_()
    skeleton = soft_skeleton(image, everywhere(image), 0)
    assert_close(skeleton.detach().flatten(), torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]))
    (slope,) = torch.autograd.grad(skeleton[..., 4].sum(), image)
    assert_close(slope.flatten(), torch.tensor([0.0, 0.0, 0.0, -1.0, 1.0]))


def test_a_void_gap_does_not_cut_a_line() -> None:
    bar = torch.zeros(1, 1, 5, 9)
    bar[..., 1:4, :] = 1
    valid = everywhere(bar)
    whole = soft_skeleton(bar, valid, 1)
    assert whole[0, 0, 2].all()
    assert whole.sum() == 9
    valid[..., 4] = False
    gap = soft_skeleton(bar.masked_fill(~valid, 0.3), valid, 1)
    assert_close(gap[valid], whole[valid])


def by_hand_case() -> tuple[torch.Tensor, torch.Tensor]:
    """A line of three pixels, of which the prediction sees two and one beside them, without a doubt."""
    target = torch.tensor([[0, 1, 0, 1, 0, 1, 0, 0, 0]])
    seen = torch.tensor([[0, 1, 0, 1, 0, 0, 0, 1, 0]])
    return 1e4 * (2.0 * seen[:, None] - 1), target


def test_by_hand() -> None:
    logits, target = by_hand_case()  # single pixels are their own skeletons: P = R = 2/3
    exact = CenterlineDiceLoss("binary", smooth_numerator=0.0, smooth_denominator=0.0)
    assert_close(exact(logits, target).item(), 1 / 3)
    assert_close(CenterlineDiceLoss("binary")(logits, target).item(), 1 / 4)  # P = R = 3/4


@pytest.mark.parametrize("mode", ["binary", "multilabel"])
@pytest.mark.parametrize("iterations", [1, 3])
def test_as_monai_with_one_class(mode: Task, iterations: int) -> None:
    """MONAI joins all classes in one ratio; of one class it computes this loss of every image."""
    logits, target = make_logits(mode, images=3)[:, :1], make_labels("binary", images=3)
    theirs = SoftclDiceLoss(iter_=iterations, sigmoid=True, smooth=1e-12)
    expected = value_and_gradient(theirs, logits, target[:, None].float())
    ours = CenterlineDiceLoss(mode, iterations=iterations, over="image")
    target = target[:, None] if mode == "multilabel" else target
    for result, wanted in zip(value_and_gradient(ours, logits, target), expected, strict=True):
        assert_close(result, wanted)


def test_classes_are_averaged_with_their_weights() -> None:
    logits, target = make_logits("multilabel"), make_labels("multilabel")
    one = CenterlineDiceLoss("multilabel")
    each = torch.stack([one(logits[:, [c]], target[:, [c]]) for c in range(4)])
    assert_close(CenterlineDiceLoss("multilabel", reduction="none")(logits, target), each)
    weights = torch.tensor([0.5, 2.0, 1.0, 0.0])
    ours = CenterlineDiceLoss("multilabel", class_weights=weights)(logits, target)
    assert_close(ours, (weights * each).sum() / 3.5)


def test_an_absent_class_leaves_the_mean() -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass") % 2
    classes = CenterlineDiceLoss(reduction="none")(logits, target)
    assert classes[2:].tolist() == [0.0, 0.0]
    assert_close(CenterlineDiceLoss()(logits, target), classes[:2].mean())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_right_everywhere_is_zero_and_wrong_everywhere_is_finite(mode: Task, smooth: float) -> None:
    target = make_labels(mode)
    right = torch.nn.functional.one_hot(target, 4).movedim(-1, 1) if mode == "multiclass" else target.view(2, -1, 5, 6)
    loss = CenterlineDiceLoss(mode, smooth_numerator=smooth, smooth_denominator=smooth)
    assert_close(loss(1e4 * (2.0 * right - 1), target).item(), 0.0)
    for size in (1e4, 50.0):
        value, slope = value_and_gradient(loss, -size * (2.0 * right - 1), target)
        assert 0.3 < value <= 1
        assert slope.isfinite().all()


def test_a_broken_line_costs_more_than_a_thin_one() -> None:
    """What Dice does not see: as many pixels are missing, but here the line falls in two."""
    target = torch.zeros(1, 9, 20, dtype=torch.int64)
    target[:, 3:6] = 1
    thin, broken = (target.clone() for _ in range(2))
    thin[:, 3, :18] = 0
    broken[:, 3:6, 7:13] = 0
    losses = [CenterlineDiceLoss("binary")(20.0 * (2 * seen[:, None] - 1), target) for seen in (thin, broken)]
    assert losses[0] < 0.5 * losses[1]


@pytest.mark.parametrize("iterations", [-1, 1.5])
def test_settings_are_checked(iterations: Any) -> None:
    with pytest.raises(ValueError, match=r"iterations: got .*, expected an integer >= 0"):
        CenterlineDiceLoss(iterations=iterations)
    inputs = LossInputs(torch.zeros(1, 2, 1), torch.tensor([[0]]))
    with pytest.raises(ValueError, match="iterations"):
        centerline_dice(inputs, iterations=iterations)
    with pytest.raises(ValueError, match="power: got 2, expected 1"):
        centerline_dice(inputs, RegionSwitches(power=2))
