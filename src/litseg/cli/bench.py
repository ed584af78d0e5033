"""`litseg bench`: what a network costs, in every way to run it that this machine has, side by side."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from litseg.cli.data.facts import DataFacts
from litseg.cli.data.verbs import compose_config, console_width
from litseg.cli.errors import UserError, user_mistakes
from litseg.cli.load_run import load_run
from litseg.cli.logs import start_logging
from litseg.cli.wiring.model import build_model
from litseg.cli.words import chosen, divide_words, names, number, refuse_others, sides
from litseg.inference import export
from litseg.inference.timing import median_seconds, peak_memory
from litseg.models import SegmentationModel

HELP = """\
usage: litseg bench run=FOLDER|model=NAME [option=value ...]

  run=FOLDER             the network of a run, or
  model=unet model.encoder_name=resnet34 ...   one of conf/model, with random weights
  classes=19 channels=3  of a network without a run
  size=256,256           height and width of the images; several: size=256,256;512,512
  batch=1                images at once; several: batch=1,8
  ways=[eager,channels_last,bf16,compiled,onnxruntime]   which ways to run it; default: all that this machine has
  repeats=10             calls to take the median of, after two that do not count
  device=cpu             cpu or cuda; default: a GPU where there is one
  trust=[my_package]     what the run's config may name, see docs/security.md

Prints parameters, multiply-accumulates (MACs), and for each way the median latency, the throughput and the memory that
a call takes beyond the weights.
"""
WAYS = ("eager", "channels_last", "bf16", "compiled", "onnxruntime")
OWN = {"run": None, "classes": "19", "channels": "3", "size": "256,256", "batch": "1", "ways": None, "repeats": "10",
       "device": None, "trust": None}  # fmt: skip
Call = Callable[[], object]

log = logging.getLogger(__name__)


class Cost(NamedTuple):
    """Of one call: median seconds, and bytes beyond the weights (None where the machine does not tell)."""

    seconds: float
    memory: int | None


def run(words: Sequence[str]) -> int:
    """Runs `litseg bench <words>`.

    Returns:
        The exit code.

    Raises:
        UserError: expected, got, what to do.
    """
    if not words or any(word in ("-h", "--help") for word in words):
        print(HELP)
        return 0
    options, others = divide_words("bench", words, OWN)
    refuse_others("bench", [word for word in others if not word.lstrip("+").startswith("model")], [*OWN, "model"])
    sizes = [sides("bench", size) for size in str(options["size"]).split(";")]
    batches = [number("bench", "batch", batch) for batch in str(options["batch"]).split(",")]
    repeats = number("bench", "repeats", options["repeats"])
    ways = [chosen("bench", "ways", way, WAYS) for way in (names(options["ways"]) if options["ways"] else WAYS)]
    start_logging(None)
    with user_mistakes():
        model, facts, device = _model(options, others)
    _show_size(model, facts, sizes[0])
    table = Table(
        "size", "batch", "way", title=f"on {_name(device)}, {torch.get_num_threads()} threads", title_justify="left"
    )
    for column in ("ms a batch", "images/s", "MB", "speed-up"):
        table.add_column(column, justify="right")
    for size, batch in product(sizes, batches):
        images = _images(facts, batch, *size).to(device)
        first: float | None = None
        for way in ways:
            cost = _cost(way, model, images, repeats)
            first = first or (cost.seconds if isinstance(cost, Cost) else None)
            table.add_row(f"{size[0]} x {size[1]}", str(batch), way, *_cells(cost, batch, first))
    Console(width=console_width()).print(table)
    return 0


def _model(options: dict[str, Any], words: list[str]) -> tuple[SegmentationModel, DataFacts, torch.device]:
    if options["run"]:
        if words:
            raise UserError(f"litseg bench: expected run= or model=, got both: {' '.join(words)}")
        loaded = load_run(options["run"], device=options["device"], trust=names(options["trust"]))
        return loaded.model, loaded.facts, loaded.device
    if not any(word.startswith("model=") for word in words):
        raise UserError("litseg bench: expected run=<run folder> or model=<one of conf/model>")
    classes, channels = (number("bench", key, options[key]) for key in ("classes", "channels"))
    class_names, colours = tuple(str(index) for index in range(classes)), ((0, 0, 0),) * classes
    facts = DataFacts(
        "", "multiclass", class_names, colours, channels, "uint8", (127.5,) * channels, (64.0,) * channels, {}
    )
    device = torch.device(options["device"] or ("cuda" if torch.cuda.is_available() else "cpu"))
    model = build_model(compose_config(words).model, facts, weights_follow=True)
    return model.eval().requires_grad_(False).to(device), facts, device


def _show_size(model: SegmentationModel, facts: DataFacts, size: tuple[int, int]) -> None:
    """Parameters, and MACs of one image: half the floating-point operations of convolutions and matrix products."""
    device = next(model.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(_images(facts, 1, *size).to(device))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    macs = counter.get_total_flops() / 2
    print(f"{parameters / 1e6:.2f} million parameters; {macs / 1e9:.2f} billion MACs for {size[0]} x {size[1]} pixels")


def _cost(way: str, model: SegmentationModel, images: Tensor, repeats: int) -> Cost | str:
    """What a batch costs, or why it cannot be run that way."""
    device = images.device.type
    try:
        with torch.inference_mode(), _way(way, model, images) as call:
            if way == "compiled":
                call()  # what the compiler takes is not what the network takes
            memory = peak_memory(call, device)
            return Cost(median_seconds(call, repeats, device=device), memory)
    except ImportError as error:
        return f"needs {error.name}: pip install -e '.[export]'"
    except Exception as error:  # compilers and exporters raise anything; the other ways go on
        return (str(error).strip() or type(error).__name__).splitlines()[0][:60]


@contextmanager
def _way(way: str, model: SegmentationModel, images: Tensor) -> Iterator[Call]:
    if way == "channels_last":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        try:
            last = images.to(memory_format=torch.channels_last)
            yield lambda: model(last)
        finally:
            model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    elif way == "bf16":
        with torch.autocast(images.device.type, torch.bfloat16):
            yield lambda: model(images)
    elif way == "compiled":
        compiled = torch.compile(model)
        yield lambda: compiled(images)
        torch.compiler.reset()
    elif way == "onnxruntime":
        if images.device.type != "cpu":
            raise ValueError("measured on the CPU only")
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode(False):
            path = Path(folder) / "model.onnx"
            export.export_onnx(model, path, images.clone().repeat(2, 1, 1, 1)[:2], {})
            opened = export.open_onnx(path)
            yield lambda: opened(images)
    else:
        yield lambda: model(images)


def _images(facts: DataFacts, batch: int, height: int, width: int) -> Tensor:
    values = torch.randint(
        0, 256, (batch, facts.in_channels, height, width), generator=torch.Generator().manual_seed(0)
    )
    return values.to(getattr(torch, facts.pixels))


def _cells(cost: Cost | str, batch: int, first: float | None) -> list[str]:
    if isinstance(cost, str):
        return [escape(cost), "", "", ""]
    memory = "-" if cost.memory is None else f"{cost.memory / 1e6:.0f}"
    speed_up = f"{first / cost.seconds:.2f}" if first else "-"
    return [f"{1000 * cost.seconds:.1f}", f"{batch / cost.seconds:.1f}", memory, speed_up]


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
