"""Images per second of a training loader with one process, against what one commonly writes.

python -m tests.benchmarks.data /path/to/camvid [TURNS]

CamVid, a crop of 352 x 480 and a flip, batches of 8. Each turn reads two epochs of the training split with every
loader, one after the other, and times the second; medians over the turns, and their ratios.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import albumentations
import cv2
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from litseg.data import CamVid, DataModule, Folder
from litseg.data.pair_table import PairTable
from litseg.data.samples import Samples
from litseg.data.source import Cache, Pair

SIZE, BATCH = (352, 480), 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Loader = DataLoader[Any]


class WithAlbumentations(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """OpenCV, albumentations, Normalize and ToTensorV2 in the loader process."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = pairs
        self.transform = albumentations.Compose(
            [
                albumentations.RandomCrop(*SIZE),
                albumentations.HorizontalFlip(),
                albumentations.Normalize(),
                ToTensorV2(),
            ]
        )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = cv2.imread(str(self.pairs[index].images[0]))
        assert image is not None
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        result = self.transform(image=image, mask=cv2.imread(str(self.pairs[index].masks[0]), cv2.IMREAD_UNCHANGED))
        return result["image"], result["mask"].long()


class WithTorchvision(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """PIL and torchvision's transforms v2 in the loader process."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = pairs
        to_float = v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)
        self.transform = v2.Compose([v2.RandomCrop(SIZE), v2.RandomHorizontalFlip(), to_float, v2.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        with Image.open(self.pairs[index].images[0]) as file:
            image = tv_tensors.Image(v2.functional.pil_to_tensor(file.convert("RGB")))
        with Image.open(self.pairs[index].masks[0]) as file:
            mask = tv_tensors.Mask(torch.from_numpy(np.array(file)))
        image, mask = self.transform(image, mask)
        return image, mask.long()


def litseg_loader(root: str, cache: Cache) -> Loader:
    """The training loader of litseg."""
    transforms = [albumentations.RandomCrop(*SIZE), albumentations.HorizontalFlip()]
    data = DataModule(CamVid(root, cache=cache), transforms, BATCH, workers=1)
    data.check()
    return data.train_dataloader()


def peer_loader(dataset: Dataset[Any]) -> Loader:
    """A loader as one commonly writes it."""
    return DataLoader(dataset, BATCH, shuffle=True, drop_last=True, num_workers=1, persistent_workers=True)


def images_per_second(loader: Loader) -> float:
    """Of the second epoch, from its second batch on: before that, the process starts."""
    for _ in loader:
        pass
    batches = iter(loader)
    next(batches)
    started = time.perf_counter()
    count = sum(1 for _ in batches)
    return count * BATCH / (time.perf_counter() - started)


def memory_of_a_worker(count: int) -> float:
    """Megabytes that a loader process takes for itself after reading some of `count` samples."""
    with tempfile.TemporaryDirectory() as folder:
        image, mask = Path(folder) / "image.png", Path(folder) / "mask.png"
        Image.new("RGB", (32, 32)).save(image)
        Image.new("L", (32, 32)).save(mask)
        source = Folder(folder, class_names=["background", "object"])
        pairs = PairTable([Pair(f"sample-{index:06d}", (image,), (mask,)) for index in range(count)])
        loader = DataLoader(
            _Probed(Samples(source, pairs)), BATCH, sampler=[(0, index % count) for index in range(4000)], num_workers=1
        )
        return max(float(batch.max()) for batch in loader)


class _Probed(Dataset[float]):
    """Each item is the private memory of the process that made it, in megabytes."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __getitem__(self, key: Any) -> float:
        self.samples[key]
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def main() -> None:
    """Prints the table."""
    root, turns = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    torch.set_num_threads(1)
    pairs = CamVid(root).pairs("train")
    make: dict[str, Callable[[], Loader]] = {
        "albumentations, Normalize in the worker": lambda: peer_loader(WithAlbumentations(pairs)),
        "torchvision v2": lambda: peer_loader(WithTorchvision(pairs)),
        "litseg": lambda: litseg_loader(root, "none"),
        "litseg, data.cache=disk": lambda: litseg_loader(root, "disk"),
        "litseg, data.cache=ram": lambda: litseg_loader(root, "ram"),
    }
    speeds: dict[str, list[float]] = {name: [] for name in make}
    for _ in range(turns):
        for name, build in make.items():  # anew, so that no other loader's processes are about
            speeds[name].append(images_per_second(build()))
    first, second = (statistics.median(speeds[name]) for name in list(speeds)[:2])
    print("| loader | images/s, median (min to max) | to albumentations | to torchvision |\n|---|---|---|---|")
    for name, values in speeds.items():
        median = statistics.median(values)
        spread = f"{median:.0f} ({min(values):.0f} to {max(values):.0f})"
        print(f"| {name} | {spread} | {median / first:.2f} | {median / second:.2f} |")
    small, large = memory_of_a_worker(100), memory_of_a_worker(100_000)
    print(f"\nMemory of a loader process: {small:.0f} MB with 100 samples, {large:.0f} MB with 100 000")
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
