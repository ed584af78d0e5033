"""One pass: activations, labels, images of mixed sizes, and probabilities in another size."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from litseg.inference import enlarged, labels_of, predict_images, predictor
from litseg.labels import Task
from tests.inference.networks import tiny_model


@pytest.mark.parametrize(("task", "channels"), [("multiclass", 4), ("multilabel", 4), ("binary", 1)])
def test_probabilities_and_labels_are_those_of_the_logits(task: Task, channels: int) -> None:
    model, images = tiny_model(channels), torch.randint(0, 256, (2, 3, 20, 30), dtype=torch.uint8)
    logits, found = model(images), predictor(model, task)(images)
    expected = logits.softmax(1) if task == "multiclass" else logits.sigmoid()
    assert found.equal(expected)
    labels = {"multiclass": logits.argmax(1), "multilabel": logits > 0, "binary": logits[:, 0] > 0}[task]
    for own, wanted in zip(found, labels, strict=True):
        assert labels_of(own, task).equal(wanted.to(torch.uint8))


def test_images_of_mixed_sizes_keep_their_order_and_meet_no_padding() -> None:
    sizes, calls = ((9, 9), (20, 11), (9, 9), (1, 5), (20, 11), (9, 9)), list[int]()
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    single = predictor(tiny_model(), "multiclass")

    def predict(batch: torch.Tensor) -> torch.Tensor:
        calls.append(len(batch))
        return single(batch)

    for image, found in zip(images, predict_images(predict, images, batch=2), strict=True):
        torch.testing.assert_close(found, single(image[None])[0])
    assert sorted(calls) == [1, 1, 2, 2]


def test_sixteen_bit_images_are_taken() -> None:
    pixels = np.random.default_rng(0).integers(0, 60000, (1, 3, 8, 8)).astype(np.uint16)
    found = predictor(tiny_model(), "binary")(torch.from_numpy(pixels))
    assert found.equal(predictor(tiny_model(), "binary")(torch.from_numpy(pixels.astype(np.float32))))


def test_refuses_a_model_that_trains() -> None:
    with pytest.raises(ValueError, match="expected a model in evaluation mode"):
        predictor(tiny_model().train(), "binary")


@pytest.mark.parametrize("size", [(50, 70), (7, 9), (1, 1), (300, 5)])
def test_enlarged_is_bilinear_interpolation(size: tuple[int, int]) -> None:
    small = torch.rand(3, 13, 17)
    expected = F.interpolate(small[None], size, mode="bilinear")[0]
    torch.testing.assert_close(torch.cat([part for _, part in enlarged(small, size, rows=16)], dim=1), expected)
