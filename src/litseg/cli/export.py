"""`litseg export run=<folder>`: the network as a file that others run, verified against the network."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from litseg.cli.errors import UserError, user_mistakes, writing
from litseg.cli.evaluation.data import config_with, evaluation_data
from litseg.cli.load_run import LoadedRun, load_named_run
from litseg.cli.logs import start_logging
from litseg.cli.wiring.model import build_model
from litseg.cli.words import chosen, divide_words, number, refuse_others, sides
from litseg.inference import export
from litseg.inference.timing import median_seconds

HELP = """\
usage: litseg export run=FOLDER format=onnx [option=value ...]

  run=FOLDER             a run folder
  format=onnx            onnx, torch_export or safetensors
  output=FILE            default: FOLDER/export/model.onnx (.pt2, .safetensors)
  checkpoint=best        best or last
  size=360,480           height and width of the images that it is traced and timed with; default: the data's.
                         A torch_export file takes this size only, an onnx file any where the exporter supports it
  samples=100            how many images of the run's data it is compared on (test, else val); random ones without them
  tolerance=1e-3         largest difference between two logits, as a share of the largest logit (at least of 1)
  data.root=...          where the run's data lie now
  trust=[my_package]     what the run's config may name, see docs/security.md

The file takes raw images (N, C, H, W) of the type that training saw and gives logits of their size: normalisation is
inside. Class names, colours and task are in its metadata. A file that computes something else is not kept.
Needs: pip install -e '.[export]'
"""
OWN = {"run": None, "format": "onnx", "output": None, "checkpoint": "best", "size": None, "samples": "100",
       "tolerance": "1e-3", "trust": None}  # fmt: skip
SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "safetensors": ".safetensors"}
VARIES = {
    "batch and size": "any batch size, any image size",
    "batch": "any batch size, images of {height} x {width} only",
    "nothing": "one image of {height} x {width} at a time",
}

log = logging.getLogger(__name__)


def run(words: Sequence[str]) -> int:
    """Runs `litseg export <words>`.

    Returns:
        The exit code.

    Raises:
        UserError: expected, got, what to do.
    """
    if not words or any(word in ("-h", "--help") for word in words):
        print(HELP)
        return 0
    options, others = divide_words("export", words, OWN)
    refuse_others("export", [word for word in others if not word.startswith("data.")], [*OWN, "data.root"])
    kind = chosen("export", "format", options["format"], tuple(SUFFIXES))
    start_logging(None)
    with user_mistakes():
        tolerance = float(options["tolerance"])
        loaded = load_named_run("export", options)
        images, are_real = _images(loaded, others, number("export", "samples", options["samples"]), options["size"])
        output = Path(options["output"] or loaded.folder / "export" / f"model{SUFFIXES[kind]}").expanduser()
        write_verified(loaded, kind, output, images, are_real, tolerance)
    return 0


def write_verified(
    loaded: LoadedRun, kind: str, output: Path, images: list[Tensor], are_real: bool, tolerance: float
) -> None:
    """Writes the file beside its place, compares it, and moves it there when it computes the same.

    Args:
        loaded: the run.
        kind: onnx, torch_export or safetensors.
        output: the file.
        images: (1, C, H, W) each; the first gives the size.
        are_real: whether they are of the run's data.
        tolerance: see `HELP`.

    Raises:
        ValueError: the network cannot be exported, or the file computes something else; nothing is left or changed.
        OSError: the file cannot be written.
    """
    if output.is_dir():
        raise ValueError(f"output: expected a file, such as {output}/model{SUFFIXES[kind]}, got a folder")
    temporary = output.with_name(f".{output.name}.{os.getpid()}{SUFFIXES[kind]}")
    with writing(output, "set output to a file that can be written"):
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()  # now: a place that cannot be written costs no work
    mode = temporary.stat().st_mode
    try:
        varies, opened = _write(loaded, kind, temporary, images[0].repeat(2, 1, 1, 1))
        agreement = export.compare(opened, loaded.model, _batches(images, varies))
        if agreement.largest > tolerance * max(1.0, agreement.scale):
            raise ValueError(
                f"the exported file computes something else: logits differ by up to {agreement.largest:.2g} (largest "
                f"logit {agreement.scale:.3g}), expected at most {tolerance:g} of it; no file is kept"
            )
        temporary.chmod(mode)  # safetensors writes files for the owner alone
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    _show(loaded, output, varies, agreement._replace(images=len(images)), are_real, images[0], opened)


def _write(loaded: LoadedRun, kind: str, path: Path, example: Tensor) -> tuple[str, export.Run]:
    try:
        if kind == "onnx":
            return export.export_onnx(loaded.model, path, example, _facts(loaded)), export.open_onnx(path)
        if kind == "torch_export":
            return export.export_torch(loaded.model, path, example, _facts(loaded)), export.open_torch(path)
        varies = export.export_safetensors(loaded.model, path, _facts(loaded))
        fresh = build_model(loaded.config.model, loaded.facts, getattr(torch, loaded.facts.pixels), weights_follow=True)
        return varies, export.open_safetensors(path, fresh)
    except ImportError as error:
        raise UserError(f"format={kind} needs {error.name}: pip install -e '.[export]'") from error


def _facts(loaded: LoadedRun) -> dict[str, Any]:
    """What the file says about itself."""
    facts = loaded.facts
    model = {key: value for key, value in loaded.config.model.items() if not str(key).startswith("_")}
    return {
        "class_names": list(facts.class_names),
        "palette": [list(colour) for colour in facts.palette],
        "task": facts.task,
        "input": f"raw images (N, {facts.in_channels}, H, W) {facts.pixels}",
        "output": f"logits (N, {facts.output_channels}, H, W)",
        "model": {
            key: value if isinstance(value, str | int | float | None) else str(value) for key, value in model.items()
        },
        "run": loaded.folder.name,
        "checkpoint": loaded.checkpoint.name,
    }


def _images(loaded: LoadedRun, words: list[str], count: int, size: str | None) -> tuple[list[Tensor], bool]:
    """The first images of test or val, or random ones where the data are not there; (1, C, H, W) each."""
    try:
        with user_mistakes():
            images, are_real = list(_real_images(loaded, words, count)), True
    except UserError as error:
        if words:
            raise
        log.warning("compared on random images, since the run's data are not to be had: %s", error)
        images, are_real = [_random_image(loaded, 256, 256, seed) for seed in range(min(count, 4))], False
    if size is not None:
        height, width = sides("export", size)
        resized = (torch.nn.functional.interpolate(image.float(), (height, width)) for image in images)
        images = [image.to(images[0].dtype) for image in resized]
    return images, are_real


def _real_images(loaded: LoadedRun, words: list[str], count: int) -> Iterator[Tensor]:
    split = "test" if "test" in (loaded.facts.fingerprints or ("test",)) else "val"
    data = evaluation_data(loaded, config_with(loaded, [*words, "loader.workers=0"]), split, words, "cpu")
    samples: Any = data.loader.dataset
    for index in range(min(count, len(samples))):
        yield samples[0, index]["image"][None].contiguous()


def _random_image(loaded: LoadedRun, height: int, width: int, seed: int) -> Tensor:
    side = loaded.model.maximum_size
    shape = (1, loaded.facts.in_channels, side or height, side or width)
    mean, std = (getattr(loaded.model, name).expand(1, loaded.facts.in_channels, 1, 1) for name in ("mean", "std"))
    values: Tensor = mean + std * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    dtype: torch.dtype = getattr(torch, loaded.facts.pixels)
    image: Tensor = values if dtype.is_floating_point else values.clamp(0, torch.iinfo(dtype).max).to(dtype)
    return image


def _batches(images: list[Tensor], varies: str) -> Iterator[Tensor]:
    """Each image alone, at the file's size where that is fixed; then three at once where that is possible."""
    height, width = images[0].shape[-2:]
    for image in images:
        fits = varies == "batch and size" or image.shape == images[0].shape
        yield image if fits else torch.nn.functional.interpolate(image.float(), (height, width)).to(image.dtype)
    if varies != "nothing":
        yield images[0].repeat(3, 1, 1, 1)


def _show(
    loaded: LoadedRun, output: Path, varies: str, agreement: export.Agreement, are_real: bool, example: Tensor,
    opened: export.Run,
) -> None:  # fmt: skip
    height, width = example.shape[-2:]
    which = "real" if are_real else "random"
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB): {VARIES[varies].format(height=height, width=width)}")
    print(
        f"against the network on {agreement.images} {which} images: logits differ by at most {agreement.largest:.2g} "
        f"(largest {agreement.scale:.3g}), {agreement.labels:.4%} of the labels are the same"
    )
    with torch.no_grad():
        times = [median_seconds(lambda call=call: call(example)) for call in (loaded.model, opened)]  # type: ignore[misc]
    print(
        f"one image of {height} x {width} on the CPU, {torch.get_num_threads()} threads: {1000 * times[1]:.0f} ms "
        f"(torch {1000 * times[0]:.0f} ms)"
    )
