import numpy as np
import pytest
import torch

from litseg.data.augmenting.batch_mixing import CutMix, MixUp, Mosaic
from litseg.data.samples import Item, Mixing

DTYPES = [torch.uint8, torch.uint16, torch.float32]


def _items(count: int = 5, dtype: torch.dtype = torch.uint8, multilabel: bool = False) -> list[Item]:
    """Sample k: every pixel of the image and the mask is k."""
    return [
        Item(
            image=torch.full((3, 20, 30), index).to(dtype),
            mask=torch.full((4, 20, 30) if multilabel else (20, 30), index, dtype=torch.uint8),
            id=str(index),
        )
        for index in range(count)
    ]


def _together(mixed: list[Item]) -> None:
    for item in mixed:
        image, mask = item["image"].to(torch.int32), item["mask"].to(torch.int32)
        assert all(torch.equal(channel, image[0]) for channel in (*image, *mask.reshape(-1, 20, 30)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("mix", [CutMix(p=1.0), Mosaic(p=1.0)], ids=["cutmix", "mosaic"])
def test_image_and_mask_move_together_and_keep_type_and_size(mix: Mixing, dtype: torch.dtype, multilabel: bool) -> None:
    items = _items(dtype=dtype, multilabel=multilabel)
    for seed in range(30):
        mixed = mix(items, np.random.default_rng(seed))
        _together(mixed)
        assert [item["id"] for item in mixed] == list("01234")
        assert all(item["image"].dtype == dtype and item["mask"].dtype == torch.uint8 for item in mixed)
        assert all(item["mask"].shape == items[0]["mask"].shape for item in mixed)
    assert all(int(item["mask"].max()) == int(item["mask"].min()) == k for k, item in enumerate(items))  # untouched


def test_cutmix_replaces_one_window_by_the_same_window_of_one_other() -> None:
    shares = []
    for seed in range(300):
        for index, item in enumerate(CutMix(p=1.0)(_items(), np.random.default_rng(seed))):
            rows, columns = np.nonzero((item["mask"] != index).numpy())
            shares.append(len(rows) / 600)
            if len(rows):
                assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
                assert len(set(item["mask"][rows, columns].tolist())) == 1
    assert 0.2 < np.mean(shares) < 0.4  # half of the area on average, less what falls off the borders
    assert max(shares) > 0.8


def test_mosaic_has_four_quarters_of_four_samples() -> None:
    for seed in range(30):
        for index, item in enumerate(Mosaic(p=1.0, margin=0.25)(_items(), np.random.default_rng(seed))):
            mask = item["mask"]
            corners = [int(mask[y, x]) for y in (0, -1) for x in (0, -1)]
            assert corners[0] == index
            assert len(set(corners)) == 4
            assert [int((mask == corner).sum()) >= 5 * 7 for corner in corners] == [True] * 4


def test_quarters_are_random_crops() -> None:
    items = _items(2)
    for item in items:
        item["mask"] = torch.arange(600, dtype=torch.int64).reshape(20, 30)  # its own place
    corners = {int(Mosaic(p=1.0)(items, np.random.default_rng(seed))[0]["mask"][0, 0]) for seed in range(50)}
    assert len(corners) > 30
    mosaic = Mosaic(p=1.0)(items, np.random.default_rng(0))[0]["mask"]
    assert (mosaic[:, 1:] - mosaic[:, :-1] == 1).float().mean() > 0.9  # neighbours stay neighbours but at the seam


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_mixup_blends_images_and_tells_by_how_much(dtype: torch.dtype) -> None:
    items = _items(5, dtype)
    for index, item in enumerate(items):
        item["image"] = torch.full((3, 20, 30), 40 * index).to(dtype)
    shares = []
    for seed in range(50):
        for index, item in enumerate(MixUp(p=1.0, alpha=1.0)(items, np.random.default_rng(seed))):
            share, other = float(item["share"]), int(item["other_mask"][0, 0])
            assert int(item["mask"][0, 0]) == index != other
            assert item["image"].dtype == dtype
            expected = 40 * (share * index + (1 - share) * other)
            value = item["image"][0, 0, 0].item()
            assert value == pytest.approx(expected, abs=1e-4 if dtype == torch.float32 else 0.5001)
            shares.append(share)
    assert min(shares) >= 0.5
    assert np.mean(shares) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("mix", [CutMix(p=0.3), Mosaic(p=0.3), MixUp(p=0.3)], ids=["cutmix", "mosaic", "mixup"])
def test_a_share_of_the_batches_is_mixed_and_the_others_are_as_they_were(mix: Mixing) -> None:
    items = _items(2)
    mixed = [mix(items, np.random.default_rng(seed)) is not items for seed in range(400)]
    assert np.mean(mixed) == pytest.approx(0.3, abs=0.06)
    assert mix(items[:1], np.random.default_rng(0))[0] is items[0]  # nobody to mix with


def test_what_they_refuse() -> None:
    with pytest.raises(ValueError, match=r"mixing\.p"):
        CutMix(p=1.5)
    with pytest.raises(ValueError, match=r"mixing\.alpha"):
        MixUp(alpha=0.0)
    with pytest.raises(ValueError, match=r"mixing\.margin"):
        Mosaic(margin=0.6)
