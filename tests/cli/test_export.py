"""`litseg export` and `litseg bench` on a run folder."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from litseg.cli.main import main
from litseg.inference import export


@pytest.mark.parametrize(("kind", "name"), [("torch_export", "model.pt2"), ("safetensors", "model.safetensors")])
def test_a_file_is_written_compared_and_described(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    assert main(["export", f"run={tiny_run}", f"format={kind}"]) == 0
    printed = capsys.readouterr().out
    assert [path.name for path in (tiny_run / "export").iterdir()] == [name]
    assert "on 5 real images: logits differ by at most 0 " in printed
    assert "100.0000% of the labels" in printed
    assert " ms (torch " in printed


@pytest.mark.faults  # a minute of torch.onnx
def test_onnx_of_a_real_network(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And tolerance=0, which no other library's sums meet, keeps the file that was there."""
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra 'export'")
    output = tmp_path / "net.onnx"
    assert main(["export", f"run={tiny_run}", f"output={output}"]) == 0
    assert "any batch size, any image size" in capsys.readouterr().out
    metadata = runtime.InferenceSession(output, providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map
    assert "background" in metadata["class_names"]
    before = output.read_bytes()
    assert main(["export", f"run={tiny_run}", f"output={output}", "tolerance=0"]) == 2
    assert "the exported file computes something else" in capsys.readouterr().err
    assert output.read_bytes() == before


def test_a_file_that_computes_something_else_is_not_kept(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = export.export_safetensors

    def wrong(model: Any, path: Path, facts: Any) -> str:
        model.mean += 1
        varies = right(model, path, facts)
        model.mean -= 1
        return varies

    monkeypatch.setattr(export, "export_safetensors", wrong)
    output = tmp_path / "out" / "net.safetensors"
    output.parent.mkdir()
    output.write_text("mine")
    assert main(["export", f"run={tiny_run}", "format=safetensors", f"output={output}"]) == 2
    assert "computes something else" in capsys.readouterr().err
    assert [path.read_text() for path in output.parent.iterdir()] == ["mine"]


def test_random_images_where_the_data_are_gone(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = (tiny_run / "config.yaml").read_text()
    root = "  root: /nowhere/at/all\n"
    (tiny_run / "config.yaml").write_text(config.replace("  root: null\n", root).replace("Shapes", "CamVid"))
    assert main(["export", f"run={tiny_run}", "format=safetensors", "size=32,40"]) == 0
    printed = capsys.readouterr().out
    assert "random images, since the run's data are not to be had" in printed
    assert "one image of 32 x 40" in printed


REFUSED = {
    "no run": (("format=onnx",), "expected run=<run folder>"),
    "format": (("run=RUN", "format=tflite"), "format: expected one of onnx, torch_export, safetensors, got tflite"),
    "size": (("run=RUN", "size=32"), "size: expected height,width such as 360,480, got '32'"),
    "folder": (("run=RUN", "format=safetensors", "output=RUN"), "output: expected a file"),
    "unwritable": (("run=RUN", "format=safetensors", "output=/proc/x/y"), "/proc/x"),
    "option": (("run=RUN", "fromat=onnx"), "litseg export takes no fromat=; did you mean format=?"),
    "data": (("run=RUN", "data.drawing_seeed=1"), "no key 'data.drawing_seeed'"),
    "checkpoint": (("run=RUN", "checkpoint=last"), "no checkpoint at"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused(tiny_run: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    words, message = REFUSED[name]
    (tiny_run / "checkpoints" / "last.ckpt").unlink()
    before = sorted(tiny_run.rglob("*"))
    assert main(["export", *(word.replace("RUN", str(tiny_run)) for word in words)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted(tiny_run.rglob("*")) == before


def test_bench_of_a_run_and_of_a_network(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ways = "ways=[eager,channels_last,bf16]"
    assert main(["bench", f"run={tiny_run}", "size=32,32;64,32", "batch=1,2", "repeats=1", ways, "device=cpu"]) == 0
    printed = capsys.readouterr().out
    assert "14.33 million parameters" in printed
    assert [printed.count(each) for each in ("eager", "channels_last", "bf16", "64 x 32")] == [4, 4, 4, 6]
    words = ("model=fpn", "model.encoder_name=mobilenet_v2", "model.encoder_weights=null", "classes=2")
    assert main(["bench", *words, "size=32,32", "repeats=1", "ways=eager", "device=cpu"]) == 0
    assert "billion MACs for 32 x 32" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "message"), [
    (("size=32,32",), "expected run=<run folder> or model="),
    (("run=RUN", "model=fpn"), "expected run= or model=, got both"),
    (("model=fbn",), "did you mean fpn"),
    (("run=RUN", "ways=[onnx]"), "ways: expected one of eager"),
    (("run=RUN", "batch=0"), "batch: expected a whole number of at least 1"),
    (("run=RUN", "device=toaster"), "device: expected cpu, cuda or mps"),
])  # fmt: skip
def test_what_cannot_be_measured_is_refused(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert main(["bench", *(word.replace("RUN", str(tiny_run)) for word in words)]) == 2
    assert message in capsys.readouterr().err


def test_a_hostile_checkpoint_is_not_exported(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_run / "checkpoints" / "best.ckpt"
    path.unlink()
    torch.save({"state_dict": {}, "code": shutil.rmtree}, path)
    assert main(["export", f"run={tiny_run}", "format=safetensors"]) == 2
    assert "expected a checkpoint of plain types and tensors" in capsys.readouterr().err
    assert not (tiny_run / "export").exists()
