import numpy as np
import torch

from litseg.training.predictions import HEADER, MARGIN, RIGHT, VOID, WRONG, draw_panels, predicted

NAMES = ("background", "object")
PALETTE = np.array([[0, 0, 0], [255, 0, 0]], dtype=np.uint8)


def test_four_panels_show_image_truth_prediction_and_error() -> None:
    image = np.full((2, 3, 3), 100, dtype=np.uint8)
    truth = np.array([[0, 1, 255], [1, 0, 0]], dtype=np.uint8)
    prediction = np.array([[0, 1, 1], [0, 0, 0]], dtype=np.uint8)
    picture = np.asarray(draw_panels(image, truth, prediction, NAMES, PALETTE, opacity=0.5))
    scale = -(-224 // 3)
    width = 3 * scale + MARGIN

    def pixel(panel: int, row: int, column: int) -> tuple[int, ...]:
        top, left = HEADER + row * scale + scale // 2, MARGIN + panel * width + column * scale + scale // 2
        return tuple(int(value) for value in picture[top, left])

    assert pixel(0, 0, 0) == (100, 100, 100)
    assert pixel(1, 0, 1) == (177, 50, 50)
    assert pixel(1, 0, 2) == (177, 177, 177)  # void is white
    assert pixel(2, 0, 0) == (50, 50, 50)
    assert [pixel(3, 0, 0), pixel(3, 1, 0), pixel(3, 0, 2)] == [RIGHT, WRONG, VOID]


def test_a_long_legend_takes_several_rows() -> None:
    image, labels = np.zeros((32, 32, 3), dtype=np.uint8), np.zeros((32, 32), dtype=np.uint8)
    few = draw_panels(image, labels, labels, NAMES, PALETTE)
    names = tuple(f"a rather long class name {index}" for index in range(30))
    many = draw_panels(image, labels, labels, names, np.zeros((30, 3), dtype=np.uint8))
    assert many.width == few.width
    assert many.height > few.height + 100


def test_one_channel_images_are_shown_grey() -> None:
    labels = np.zeros((32, 32), dtype=np.uint8)
    picture = np.asarray(draw_panels(np.full((32, 32, 1), 70, dtype=np.uint8), labels, labels, NAMES, PALETTE))
    assert picture[HEADER + 5, MARGIN + 5].tolist() == [70, 70, 70]


def test_predictions_follow_the_task() -> None:
    logits = torch.tensor([[[-1.0, 2.0]], [[3.0, 1.0]]])
    assert predicted(logits, "multiclass").tolist() == [[1, 0]]
    assert predicted(logits, "multilabel").tolist() == [[[0, 1]], [[1, 1]]]
    assert predicted(logits[:1], "binary").tolist() == [[0, 1]]
