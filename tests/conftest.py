"""Fixtures that many rooms' tests use."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)  # the tensors of tests are tiny: a second thread costs more than it computes


@pytest.fixture(autouse=True, scope="session")
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests neither read nor fill the user's cache, and W&B neither asks nor calls."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LITSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("WANDB_MODE", "offline")


WriteTree = Callable[..., Path]


@pytest.fixture
def write_camvid(tmp_path: Path) -> WriteTree:
    """Writes a tree that imitates CamVid: `write_camvid(suffix=".png", train=8, size=(36, 48))`."""

    def write(suffix: str = ".png", size: tuple[int, int] = (36, 48), **counts: int) -> Path:
        rng = np.random.default_rng(0)
        for split, count in ({"train": 8, "val": 2, "test": 2} | counts).items():
            for folder in (split, f"{split}annot"):
                (tmp_path / "camvid" / folder).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                labels = np.kron(rng.integers(0, 12, (size[0] // 6, size[1] // 6)), np.ones((6, 6))).astype(np.uint8)
                image = (labels[..., None] * np.array([20, 10, 5]) + rng.integers(0, 20, (*size, 3))).astype(np.uint8)
                name = f"{split}_{index:03d}"
                Image.fromarray(image).save(tmp_path / "camvid" / split / f"{name}{suffix}")
                Image.fromarray(labels).save(tmp_path / "camvid" / f"{split}annot" / f"{name}.png")
        return tmp_path / "camvid"

    return write


@pytest.fixture
def write_folder(tmp_path: Path) -> WriteTree:
    """Writes a flat folder set: `write_folder(count=10, values=(0, 1), size=(32, 40))`."""

    def write(count: int = 10, values: tuple[int, ...] = (0, 1), size: tuple[int, int] = (32, 40)) -> Path:
        rng = np.random.default_rng(1)
        for folder in ("images", "masks"):
            (tmp_path / "mine" / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            mask = rng.choice(np.array(values, dtype=np.uint8), size)
            Image.fromarray(image).save(tmp_path / "mine" / "images" / f"{index:03d}.png")
            Image.fromarray(mask).save(tmp_path / "mine" / "masks" / f"{index:03d}.png")
        return tmp_path / "mine"

    return write
