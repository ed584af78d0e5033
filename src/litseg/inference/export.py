"""Files of a network that run without litseg, and the proof that they compute the same.

All take raw images (N, C, H, W) in the pixels that training saw and give logits (N, channels, H, W): normalisation,
padding and cropping are inside. Shape letters: N images, C channels, H and W the sides.
"""

import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from litseg.models import SegmentationModel

FACTS = "litseg.json"
"""Name of the extra file with the facts in a torch.export archive."""
OPSET = 18
"""Of ONNX: what torch's exporter is written for, and every onnxruntime since 1.14 reads."""
DYNAMIC = torch.export.Dim.DYNAMIC
Run = Callable[[Tensor], Tensor]


class Agreement(NamedTuple):
    """How near an exported file comes to the network.

    largest: absolute difference between two logits. scale: the largest absolute logit of the network. labels: share of
    the pixels (multilabel: entries) with the same label. images: how many were compared.
    """

    largest: float
    scale: float
    labels: float
    images: int


def export_onnx(model: SegmentationModel, path: Path, example: Tensor, facts: Mapping[str, Any]) -> str:
    """Writes ONNX of any batch and image size where torch's exporter can, else of fewer.

    Args:
        model: in evaluation mode, on the CPU.
        path: the file.
        example: images (N, C, H, W), N at least 2, whose size is the file's where it must be fixed.
        facts: plain data for the file's metadata; a value that is no text is written as JSON.

    Returns:
        What may vary: "batch and size", "batch" or "nothing".

    Raises:
        ValueError: no way of exporting leads to a file that computes the same.
        ImportError: onnx and onnxscript are not installed.
    """
    import onnxscript  # noqa: F401  # torch asks for it late, in an error of many pages

    ways: dict[str, Any] = {
        "batch and size": {0: DYNAMIC, 2: DYNAMIC, 3: DYNAMIC},
        "batch": {0: DYNAMIC},
        "nothing": {},
    }
    if model.maximum_size is not None:
        ways.pop("batch and size")
    reason: object = "what comes out computes something else"
    for varies, dimensions in ways.items():
        try:
            program = _onnx_program(model, example if dimensions else example[:1], dimensions)
            program.model.metadata_props.update({name: _text(value) for name, value in facts.items()})
            program.save(path)
            if _takes(open_onnx(path), model, example, varies):
                return varies
        except Exception as error:  # exporters raise whatever the network makes them
            reason = _first_line(error)
    raise ValueError(f"torch.onnx cannot export this network: {reason}")


def _onnx_program(model: SegmentationModel, example: Tensor, dimensions: dict[int, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own parts, and of names of symbols that it changes
        return torch.onnx.export(
            model, (example,), dynamo=True, verbose=False, opset_version=OPSET,
            input_names=["images"], output_names=["logits"], dynamic_shapes=(dimensions,) if dimensions else None,
        )  # fmt: skip


def _takes(run: Run, model: SegmentationModel, example: Tensor, varies: str) -> bool:
    """Whether the file does what is said to vary; an exporter may have let a size of the example decide in silence."""
    images = [example[:1]] if varies == "nothing" else [example, example[:1]]
    if varies == "batch and size":
        side = max(model.stride, model.minimum_size)
        for height, width in ((2 * side, 3 * side), (2 * side + 3, 3 * side - 5), (side - 1, 2 * side)):
            images.append(torch.nn.functional.interpolate(example[:1].float(), (height, width)).to(example.dtype))
    found = compare(run, model, images)
    return found.largest <= 1e-2 * max(1.0, found.scale)


def export_torch(model: SegmentationModel, path: Path, example: Tensor, facts: Mapping[str, Any]) -> str:
    """Writes a `torch.export` archive of one image size; `torch.export.load(path).module()(images)` runs it.

    Args:
        model: as `export_onnx`.
        path: the file.
        example: images (N, C, H, W), N at least 2, of the file's size.
        facts: plain data, for the extra file `FACTS`.

    Returns:
        What may vary: "batch".

    Raises:
        ValueError: torch cannot export this network.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, (example,), dynamic_shapes=({0: DYNAMIC},), strict=False)
            torch.export.save(program, path, extra_files={FACTS: json.dumps(dict(facts))})
    except OSError:
        raise
    except Exception as error:  # as above
        raise ValueError(f"torch.export cannot export this network: {_first_line(error)}") from error
    return "batch"


def export_safetensors(model: SegmentationModel, path: Path, facts: Mapping[str, Any]) -> str:
    """Writes the tensors alone, with mean and std; whoever reads them needs the code of the network.

    Args:
        model: whose `state_dict` is written.
        path: the file.
        facts: plain data for the file's metadata; a value that is no text is written as JSON.

    Returns:
        What may vary: "batch and size".
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={name: _text(value) for name, value in facts.items()})
    return "batch and size"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def open_onnx(path: Path) -> Run:
    """Runs an ONNX file with onnxruntime on as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.contiguous().numpy()})[0])


def open_torch(path: Path) -> Run:
    """Runs a `torch.export` archive. Only of your own making: it is code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its buffers are not to be written to
        module = torch.export.load(path).module()

    def run(images: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = module(images)
            return logits

    return run


def open_safetensors(path: Path, fresh: SegmentationModel) -> Run:
    """Runs a network of the same kind with the tensors of the file.

    Args:
        path: the file.
        fresh: any weights.
    """
    from safetensors.torch import load_file

    fresh.load_state_dict(load_file(path))
    fresh.eval()

    def run(images: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = fresh(images)
            return logits

    return run


def compare(run: Run, model: Run, batches: Iterable[Tensor]) -> Agreement:
    """Compares what a file computes with the network.

    Args:
        run: the exported file.
        model: the network, in evaluation mode.
        batches: images (N, C, H, W) as training saw them.

    Raises:
        ValueError: the file gives another shape.
    """
    largest = scale = 0.0
    same = pixels = images = 0
    for batch in batches:
        with torch.no_grad():
            expected, found = model(batch).float(), run(batch).float()
        if found.shape != expected.shape:
            raise ValueError(f"expected logits {tuple(expected.shape)}, got {tuple(found.shape)}")
        largest, scale = max(largest, _largest(expected - found)), max(scale, _largest(expected))
        labels = [_labels(logits) for logits in (expected, found)]
        same, pixels = same + int((labels[0] == labels[1]).sum()), pixels + labels[0].numel()
        images += len(batch)
    return Agreement(largest, scale, same / max(1, pixels), images)


def _largest(values: Tensor) -> float:
    """NaN compares with nothing: it counts as infinite."""
    return float(values.abs().max().nan_to_num(nan=float("inf")))


def _labels(logits: Tensor) -> Tensor:
    """The largest channel, or of a single one whether it is above 0."""
    return logits.argmax(1) if logits.shape[1] > 1 else logits > 0
