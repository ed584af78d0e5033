"""Checkpoints from a stranger: none runs code, fills the memory or ends in anything but one message."""

import contextlib
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from litseg.training.checkpoint_files import WholeFiles, load_checkpoint
from litseg.training.transfer import load_weights


class _Call:
    """Unpickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class _Storage:
    """Unpickles as a storage of so many float32 numbers, which the archive keeps under a name."""

    def __init__(self, numbers: int, name: str = "0") -> None:
        self.id = "storage", torch.FloatStorage, name, "cpu", numbers


class _Pickler(pickle._Pickler):  # the one in C cannot be told about storages this way
    def persistent_id(self, value: Any) -> Any:
        return value.id if isinstance(value, _Storage) else None


def _pickled(value: Any) -> bytes:
    _Pickler(stream := io.BytesIO(), 2).dump(value)
    return stream.getvalue()


def _tensor(numbers: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> _Call:
    return _Call(torch._utils._rebuild_tensor_v2, _Storage(numbers), 0, shape, stride, False, {})


def _archive(path: Path, value: Any, stored: bytes = b"", method: int = zipfile.ZIP_STORED) -> None:
    """A file as torch.save writes it, with whatever inside; bytes are a pickle."""
    pickled = value if isinstance(value, bytes) else _pickled(value)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in {
            "data.pkl": pickled, "byteorder": b"little", "version": b"3\n", "data/0": stored
        }.items():  # fmt: skip
            archive.writestr(f"archive/{name}", content)


def _overlapping(path: Path) -> None:
    """Records that lie on each other: each claims all bytes of the file."""
    _archive(path, {"state_dict": {}}, b"\0" * 10_000)
    with zipfile.ZipFile(path, "a") as archive:
        for index in range(50):
            twin = zipfile.ZipInfo(f"archive/data/{index + 1}")
            twin.header_offset = archive.getinfo("archive/data/0").header_offset
            twin.file_size = twin.compress_size = 10_000
            twin.CRC = archive.getinfo("archive/data/0").CRC
            archive.filelist.append(twin)
        archive._didModify = True  # type: ignore[attr-defined]


def _hyper_parameters(value: Any) -> dict[str, Any]:
    return {"state_dict": {}, "hyper_parameters": value}


NESTED = b"\x80\x02}(X\n\0\0\0state_dict}X\x01\0\0\0x" + b"]" * 5000 + b"a" * 4999 + b"u."
"""{"state_dict": {}, "x": [[[...]]]}, deeper than Python's own pickler writes."""
REFUSED: dict[str, Callable[[Path, Path], object]] = {
    "os.system": lambda path, mark: _archive(path, _hyper_parameters(_Call(os.system, f"touch {mark}"))),
    "os.mkdir": lambda path, mark: _archive(path, {"state_dict": {"w": _Call(os.mkdir, str(mark))}}),
    "eval": lambda path, mark: _archive(path, _hyper_parameters(_Call(eval, f"open({str(mark)!r}, 'w')"))),
    "getattr": lambda path, _: _archive(path, _hyper_parameters(_Call(getattr, "os", "system"))),
    "torch.load": lambda path, mark: _archive(path, _hyper_parameters(_Call(torch.load, str(mark)))),
    "torch.hub": lambda path, mark: _archive(path, _hyper_parameters(_Call(torch.hub.load, str(mark), "x"))),
    "a class": lambda path, _: _archive(path, _hyper_parameters(nn.Linear(1, 1))),
    "a path": lambda path, mark: _archive(path, _hyper_parameters(mark)),
    "os.system, no archive": lambda path, mark: path.write_bytes(pickle.dumps(_Call(os.system, f"touch {mark}"))),
    "an old file of torch": lambda path, _: torch.save({"state_dict": {}}, path, _use_new_zipfile_serialization=False),
    "a TorchScript": lambda path, _: torch.jit.save(torch.jit.trace(nn.ReLU(), torch.ones(1)), str(path)),  # type: ignore[no-untyped-call]
    "claims 4 TB": lambda path, _: _archive(path, {"state_dict": {"w": _tensor(10**12, (10**12,), (1,))}}, b"\0" * 4),
    "4 numbers as 4 TB": lambda path, _: _archive(
        path, {"state_dict": {"w": _tensor(4, (10**6, 10**6), (0, 0))}}, b"\0" * 16
    ),
    "4 numbers as 4 TB, optimizer": lambda path, _: _archive(
        path, {"state_dict": {}, "optimizer_states": [{"state": {0: _tensor(4, (10**6, 10**6), (0, 0))}}]}, b"\0" * 16
    ),
    "beyond its storage": lambda path, _: _archive(path, {"state_dict": {"w": _tensor(4, (99,), (1,))}}, b"\0" * 16),
    "200 MB in 200 kB": lambda path, _: _archive(
        path, {"state_dict": {"w": _tensor(5 * 10**7, (5 * 10**7,), (1,))}}, b"\0" * 2 * 10**8, zipfile.ZIP_DEFLATED
    ),
    "records on each other": lambda path, _: _overlapping(path),
    "a bytearray of 100 TB": lambda path, _: _archive(path, _hyper_parameters(_Call(bytearray, 10**14))),
    "no values": lambda path, _: torch.save({"state_dict": {"w": torch.empty(10**9, device="meta")}}, path),
    "sparse": lambda path, _: torch.save({"state_dict": {"w": torch.eye(3).to_sparse()}}, path),
    "lists in lists": lambda path, _: _archive(path, NESTED),
    "no state_dict": lambda path, _: torch.save({"epoch": 1}, path),
    "a list": lambda path, _: torch.save([1], path),
    "numbered weights": lambda path, _: torch.save({"state_dict": {1: torch.ones(1)}}, path),
    "empty": lambda path, _: path.touch(),
    "text": lambda path, _: path.write_text("<html>404</html>"),
    "an archive of another kind": lambda path, _: zipfile.ZipFile(path, "w").close(),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_checkpoint_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.ckpt", tmp_path / "marker"
    REFUSED[name](path, marker)
    for load in (load_checkpoint, WholeFiles().load_checkpoint):
        with pytest.raises(ValueError, match=r"evil\.ckpt: expected a checkpoint") as refused:
            load(path)
        assert "\n" not in str(refused.value)
        assert "weights_only=False" not in str(refused.value)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["os.mkdir", "os.system", "eval"])
def test_those_with_code_would_run_it(name: str, tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.ckpt", tmp_path / "marker"
    REFUSED[name](path, marker)
    with zipfile.ZipFile(path) as archive, contextlib.closing(io.BytesIO(archive.read("archive/data.pkl"))) as stream:
        made = pickle.Unpickler(stream).load()
    if hasattr(made.get("hyper_parameters"), "close"):
        made["hyper_parameters"].close()
    assert marker.exists()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/evil.ckpt", "https://evil.example/x.ckpt", "s3://evil/x.ckpt", "file:///etc/passwd"]
)
@pytest.mark.parametrize("kind", [str, Path])
def test_an_address_is_refused(address: str, kind: type) -> None:
    for load in (load_checkpoint, WholeFiles().load_checkpoint):
        with pytest.raises(ValueError, match="expected a file on this machine; fetch it yourself"):
            load(kind(address))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ckpt")
    (tmp_path / "device.ckpt").symlink_to("/dev/zero")
    for name in ("pipe.ckpt", "device.ckpt", "absent.ckpt", "."):
        with pytest.raises(FileNotFoundError):
            load_checkpoint(tmp_path / name)


@pytest.mark.parametrize("key", ["_instantiator", "_class_path", "_target_", "instantiator"])
def test_names_of_code_stay_names(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil_module.py").write_text(
        f"import os\nos.mkdir({str(tmp_path / 'marker')!r})\ndef make(*_, **__): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    parameters = {key: "evil_module.make", "path": "x"}
    torch.save({"state_dict": {}, "hyper_parameters": parameters}, tmp_path / "evil.ckpt")
    assert load_checkpoint(tmp_path / "evil.ckpt")["hyper_parameters"] == parameters
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "state",
    [{}, {"model.network.weight": torch.ones(3, 3)}, {"model.network.weight": 1}, {"model.network.weight": "x"},
     {"model.": torch.ones(1)}, {"network.weight": torch.ones(2, 2)}],
    ids=["nothing", "another shape", "a number", "a text", "no name", "another prefix"],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(state: dict[str, Any], tmp_path: Path) -> None:
    torch.save({"state_dict": state}, tmp_path / "evil.ckpt")
    model = nn.ModuleDict({"network": nn.Linear(2, 2)})
    with pytest.raises(ValueError, match=r"nothing in .* fits this network"):
        load_weights(model, tmp_path / "evil.ckpt")


def test_what_litseg_writes_is_read(tmp_path: Path) -> None:
    tied = torch.arange(6.0)
    state = {
        "a": tied,
        "b": tied,
        "half": tied[3:],
        "turned": tied.view(2, 3).T,
        "none": torch.empty(0),
        "one": torch.tensor(1),
    }
    WholeFiles().save_checkpoint(
        {"state_dict": state, "global_step": 1, "epoch": 0, "optimizer_states": [{"state": {0: {"exp_avg": tied}}}]},
        tmp_path / "step.ckpt",
    )
    found = load_checkpoint(tmp_path / "step.ckpt")
    assert all(torch.equal(found["state_dict"][name], value) for name, value in state.items())
