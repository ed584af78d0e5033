import numpy as np
import pytest

from litseg.data.augmenting.rare_classes import RareClasses, images_of_classes

# ten images: class 0 everywhere, class 1 in half of them, class 2 in the last alone, class 3 nowhere; then void
PIXELS = np.array([[900, 50 * (image % 2), 3 * (image == 9), 0, 47] for image in range(10)])


def _many(draw: RareClasses, epochs: int = 200) -> tuple[np.ndarray, np.ndarray]:
    drawn = [draw(np.random.default_rng([0, epoch])) for epoch in range(epochs)]
    return np.concatenate([each[0] for each in drawn]), np.concatenate([each[1] for each in drawn])


def test_classes_are_drawn_alike_and_images_hold_them() -> None:
    indices, classes = _many(RareClasses(PIXELS))
    assert np.bincount(classes, minlength=4) / len(classes) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=0.04)
    assert set(indices[classes == 2]) == {9}
    assert set(indices[classes == 1]) == {1, 3, 5, 7, 9}
    assert np.bincount(indices[classes == 0]) / (classes == 0).sum() == pytest.approx(np.full(10, 0.1), abs=0.04)


def test_a_share_is_drawn_by_class_and_the_others_are_each_image_once_at_most() -> None:
    draw = RareClasses(PIXELS, share=0.4)
    _, classes = _many(draw)
    assert (classes >= 0).mean() == pytest.approx(0.4, abs=0.04)
    for epoch in range(20):
        indices, classes = draw(np.random.default_rng(epoch))
        plain = indices[classes < 0]
        assert len(indices) == 10
        assert len(set(plain.tolist())) == len(plain)


def test_a_small_temperature_prefers_rare_classes() -> None:
    """DAFormer's formula, computed by hand from shares of 9000, 250 and 3 of 9253 pixels."""
    shares = np.array([9000, 250, 3]) / 9253
    for temperature in (0.01, 0.3, 100.0):
        weights = np.exp((1 - shares) / temperature)
        found = RareClasses(PIXELS, temperature=temperature).probabilities
        assert found == pytest.approx([*(weights / weights.sum()), 0.0])


def test_an_image_holds_a_class_from_min_pixels_on_where_any_does() -> None:
    found = images_of_classes(PIXELS, min_pixels=10)
    assert [each.tolist() for each in found] == [list(range(10)), [1, 3, 5, 7, 9], [9], []]
    assert images_of_classes(np.array([[0, 20, 0], [0, 2, 0]]), min_pixels=10)[1].tolist() == [0]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"share": 0.0}, "sampling.share"), ({"temperature": 0.0}, "sampling.temperature"),
     ({"min_pixels": 0}, "sampling.min_pixels")],
)  # fmt: skip
def test_what_it_refuses(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RareClasses(PIXELS, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no training sample holds any class"):
        RareClasses(PIXELS[:, 3:])
