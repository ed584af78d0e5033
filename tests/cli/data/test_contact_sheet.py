import numpy as np

from litseg.cli.data.contact_sheet import LINE, STRIPES, TILE, Drawn, contact_sheet, overlay, visible

PALETTE = np.array([[0, 0, 0], [200, 0, 0], [0, 200, 0]], dtype=np.uint8)


def test_void_is_striped_and_nothing_else_is() -> None:
    image, mask = np.full((60, 60, 3), 100, dtype=np.uint8), np.ones((60, 60), dtype=np.uint8)
    mask[:30] = 255
    drawn = overlay(image, mask, PALETTE)
    assert {tuple(colour) for colour in drawn[:30].reshape(-1, 3)} == {tuple(colour) for colour in STRIPES}
    assert {tuple(colour) for colour in drawn[30:].reshape(-1, 3)} == {(155, 45, 45)}


def test_multilabel_shows_the_image_where_no_class_is_and_mixes_colours_where_two_are() -> None:
    image, mask = np.full((2, 2, 3), 100, dtype=np.uint8), np.zeros((2, 2, 3), dtype=np.uint8)
    mask[0, 0, 1:] = 1
    drawn = overlay(image, mask, PALETTE)
    assert drawn[1, 1].tolist() == [100, 100, 100]
    assert drawn[0, 0].tolist() == [100, 100, 45]


def test_other_types_and_channels_are_made_visible() -> None:
    deep = np.random.default_rng(0).integers(0, 4000, (50, 50, 5)).astype(np.uint16)
    for image in (deep, deep[..., :1], deep.astype(np.float32) / 4000):
        shown = visible(image)
        assert shown.shape == (50, 50, 3)
        assert shown.dtype == np.uint8
        assert shown.min() < 10
        assert shown.max() > 245


def test_a_sheet_takes_samples_of_several_sizes_and_many_classes() -> None:
    names = [f"class number {number}" for number in range(100)]
    palette = np.random.default_rng(0).integers(0, 255, (100, 3), dtype=np.uint8)
    rows = [
        (name, [Drawn(np.zeros((*size, 3), dtype=np.uint8), np.zeros(size, dtype=np.uint8))] * 2)
        for name, size in (("tall", (90, 30)), ("wide", (500, 900)))
    ]
    sheet = contact_sheet(rows, names, palette)
    assert sheet.width == 4 * 328 + 8
    assert sheet.height > 320 + 178 + 10 * 22


def test_a_blend_says_whose_labels_are_drawn() -> None:
    """The picture differs only in the title of the labels."""
    image, mask = np.zeros((50, 50, 3), dtype=np.uint8), np.zeros((50, 50), dtype=np.uint8)
    plain, blend = (contact_sheet([("a", [Drawn(image, mask, share)])], ["x"], PALETTE) for share in (None, 0.8))
    differs = np.argwhere(np.asarray(plain).any(axis=2) & (np.asarray(plain) != np.asarray(blend)).any(axis=2))
    assert len(differs) > 0
    assert differs[:, 0].max() < LINE
    assert differs[:, 1].min() > TILE
