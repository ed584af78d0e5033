import json

import numpy as np
import pytest

from litseg.data import CamVid, Folder
from litseg.data.frequencies import class_weights
from litseg.data.scan import scan
from litseg.data.statistics import statistics
from tests.conftest import WriteTree


def test_numbers_are_those_of_the_files(write_camvid: WriteTree) -> None:
    source = CamVid(str(write_camvid()))
    found = statistics(source)
    pairs = source.pairs("train")
    pixels = np.concatenate([source.read_image(pair).reshape(-1, 3) for pair in pairs]).astype(np.float64)
    masks = np.stack([source.read_mask(pair) for pair in pairs])
    train = found["splits"]["train"]
    assert train["mean"] == pytest.approx(pixels.mean(axis=0).tolist())
    assert train["std"] == pytest.approx(pixels.std(axis=0).tolist())
    assert list(train["pixels"].values()) == [int((masks == label).sum()) for label in range(11)]
    held = np.array([[(mask == label).any() for label in range(11)] for mask in masks])
    assert list(train["images"].values()) == held.sum(axis=0).tolist()
    assert found["co_occurrence"] == [[int((held[:, a] & held[:, b]).sum()) for b in range(11)] for a in range(11)]
    assert train["sizes"] == {"36 x 48": 8}
    assert json.loads(json.dumps(found)) == found


def test_weights_are_those_of_training(write_camvid: WriteTree) -> None:
    source = CamVid(str(write_camvid()))
    found = statistics(source)["class_weights"]
    split = scan(source, "train")
    assert split is not None
    for method in ("median_frequency", "effective_number", "enet", "inverse_frequency"):
        assert found[method] == class_weights(method, split, "multiclass")
    assert found["median_frequency with void"] != found["median_frequency"]


def test_a_broken_file_is_refused(write_folder: WriteTree) -> None:
    root = write_folder()
    (root / "images" / "004.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"cannot read .*004\.png"):
        statistics(Folder(str(root), class_names=["background", "object"]))
