"""What a run must know of its data where the data are not: names, colours, channels; `data.json` in the run folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, get_args

from litseg.data import DataModule, Source
from litseg.labels import Task
from litseg.results import write_json

PIXELS = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class DataFacts:
    """Of a data set, what network and pictures depend on.

    Attributes:
        name: of the set's class, such as CamVid.
        task: see `litseg.labels.Task`.
        class_names: by label; in binary background, foreground.
        palette: an RGB colour per class.
        in_channels: of the images.
        pixels: dtype of the images: uint8, uint16 or float32.
        mean: per channel, in the images' raw range; where an encoder brought its own, the checkpoint holds that.
        std: per channel.
        fingerprints: by split, sha256 over the contents of its files.
    """

    name: str
    task: Task
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]
    in_channels: int
    pixels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprints: dict[str, str]

    @property
    def output_channels(self) -> int:
        """Channels of the network's logits: C, or 1 in binary."""
        return 1 if self.task == "binary" else len(self.class_names)


def facts_of(source: Source, pixels: str = "uint8", fingerprints: dict[str, str] | None = None) -> DataFacts:
    """The facts of a data set."""
    return DataFacts(
        type(source).__name__, source.task, source.class_names, tuple(map(tuple, source.palette.tolist())),
        source.in_channels, pixels, tuple(source.mean), tuple(source.std), fingerprints or {},
    )  # fmt: skip


def write_facts(folder: Path, data: DataModule) -> None:
    """Writes `data.json` of checked data."""
    pixels = str(data.sample_image().dtype).removeprefix("torch.")
    fingerprints = {split: found.fingerprint for split, found in data.scans.items()}
    write_json(folder / "data.json", asdict(facts_of(data.source, pixels, fingerprints)))


def read_facts(folder: Path) -> DataFacts | None:
    """What `data.json` says; None where there is none, as in a run of an older litseg.

    Raises:
        ValueError: it is not as `write_facts` writes it.
    """
    path = folder / "data.json"
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > 2**20:
            raise ValueError("more than 1 MiB")
        return _parsed(json.loads(path.read_text()))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: expected the facts of a data set as train.py writes them: {error}") from error


def _parsed(content: dict[str, Any]) -> DataFacts:
    names = tuple(map(str, content["class_names"]))
    palette = tuple(tuple(map(int, colour)) for colour in content["palette"])
    facts = DataFacts(
        str(content["name"]), cast(Task, content["task"]), names, palette, int(content["in_channels"]),
        str(content["pixels"]), tuple(map(float, content["mean"])), tuple(map(float, content["std"])),
        {str(split): str(value) for split, value in content["fingerprints"].items()},
    )  # fmt: skip
    if facts.task not in get_args(Task) or facts.pixels not in PIXELS:
        raise ValueError(f"task {facts.task!r}, pixels {facts.pixels!r}")
    if not names or len(set(names)) != len(names) or (facts.task == "binary" and len(names) != 2):
        raise ValueError(f"class names {names[:8]} of the task {facts.task}")
    if len(palette) != len(names) or any(len(rgb) != 3 or min(rgb) < 0 or max(rgb) > 255 for rgb in palette):
        raise ValueError("expected an RGB colour per class")
    if not 1 <= facts.in_channels <= 4096 or not len(facts.mean) == len(facts.std) == facts.in_channels:
        raise ValueError(f"mean and std of {facts.in_channels} channels")
    return facts
