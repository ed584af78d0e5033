import hashlib
import json
import subprocess
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from litseg.training import NonFiniteError, WholeFiles, load_checkpoint, newest_checkpoint
from litseg.training.checkpoint_files import save_checkpoint, sidecar, verify
from litseg.training.checkpoint_folder import prune, step_path, take_up


def _checkpoint(step: int = 3, size: int = 1000, **more: Any) -> dict[str, Any]:
    state = OrderedDict(weight=torch.full((size,), float(step)), count=torch.tensor(2))
    return {"state_dict": state, "global_step": step, "epoch": 1, "shape": torch.Size([2]), **more}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("a tmpfs cannot be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_checkpoint_and_its_sidecar(tmp_path: Path) -> None:
    path = tmp_path / "step-00000003.ckpt"
    save_checkpoint(_checkpoint(), path, config_hash="abc")
    about = json.loads(sidecar(path).read_text())
    assert about == {
        "step": 3, "epoch": 1, "finite": True, "config_hash": "abc", "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }  # fmt: skip
    assert verify(path) is None
    assert torch.equal(load_checkpoint(path)["state_dict"]["weight"], torch.full((1000,), 3.0))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["step-00000003.ckpt", "step-00000003.json"]


def test_a_full_disk_keeps_the_old_checkpoint(small_disk: Path) -> None:
    path = small_disk / "last.ckpt"
    save_checkpoint(_checkpoint(1, 100_000), path)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(_checkpoint(2, 200_000), path)
    assert verify(path) is None
    assert load_checkpoint(path)["global_step"] == 1
    assert sorted(each.name for each in small_disk.iterdir()) == ["last.ckpt", "last.json"]


def test_a_folder_on_another_file_system_than_tmpdir_is_written_in_place(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """TMPDIR that cannot be written does not matter."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    save_checkpoint(_checkpoint(), small_disk / "last.ckpt")
    assert verify(small_disk / "last.ckpt") is None


@pytest.mark.parametrize("value", [partial(print), Path("x"), {"deep": [object()]}, print])
def test_only_plain_types_are_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match=r"checkpoint\['hyper_parameters'\].*expected plain types and tensors"):
        save_checkpoint(_checkpoint(hyper_parameters=value), tmp_path / "x.ckpt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_written(tmp_path: Path, value: float) -> None:
    checkpoint = _checkpoint()
    checkpoint["state_dict"]["weight"][7] = value
    with pytest.raises(NonFiniteError, match="weight"):
        save_checkpoint(checkpoint, tmp_path / "x.ckpt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["empty", "half", "a byte", "no sidecar", "another sidecar"])
def test_the_newest_that_verifies(tmp_path: Path, damage: str) -> None:
    for step in (1, 2):
        save_checkpoint(_checkpoint(step), step_path(tmp_path, "step", step))
    newest = step_path(tmp_path, "step", 2)
    content = newest.read_bytes()
    if damage == "empty":
        newest.write_bytes(b"")
    elif damage == "half":
        newest.write_bytes(content[: len(content) // 2])
    elif damage == "a byte":
        newest.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    elif damage == "no sidecar":
        sidecar(newest).unlink()
    else:
        sidecar(newest).write_text("[1, 2")
    path, skipped = newest_checkpoint(tmp_path)
    assert path == step_path(tmp_path, "step", 1)
    assert [each.split(":")[0] for each in skipped] == ["step-00000002.ckpt"]


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "nowhere") == (None, [])


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04K\x01."])
def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.ckpt: expected a checkpoint"):
        load_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "y.ckpt")
    torch.save({"weights": 1}, tmp_path / "z.ckpt")
    with pytest.raises(ValueError, match="no state_dict"):
        load_checkpoint(tmp_path / "z.ckpt")


def test_lightning_may_be_told_of_errors_by_a_list(tmp_path: Path) -> None:
    errors: list[Exception] = []
    options = {"errors": errors, "without": ("optimizer_states",), "facts": {"best_step": 3}}
    files = WholeFiles(config_hash="abc")
    files.save_checkpoint(_checkpoint(optimizer_states=[1]), tmp_path / "new" / "x.ckpt", options)
    assert "optimizer_states" not in load_checkpoint(tmp_path / "new" / "x.ckpt")
    assert json.loads(sidecar(tmp_path / "new" / "x.ckpt").read_text())["best_step"] == 3
    (tmp_path / "file").write_text("")
    files.save_checkpoint(_checkpoint(), tmp_path / "file" / "x.ckpt", options)
    assert [type(error) for error in errors] == [FileExistsError]
    with pytest.raises(FileExistsError):
        files.save_checkpoint(_checkpoint(), tmp_path / "file" / "x.ckpt")
    files.remove_checkpoint(tmp_path / "new" / "x.ckpt")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_folder_keeps_what_a_resume_may_need(tmp_path: Path) -> None:
    """Steps 2 and 4 stay; best of step 1, which was best at step 2, and best of step 3, which is the best now."""
    for step, best in ((1, 1), (2, 1), (4, 3)):
        save_checkpoint(_checkpoint(step), step_path(tmp_path, "step", step), best_step=best)
    for step in (0, 1, 3):
        save_checkpoint(_checkpoint(step), step_path(tmp_path, "best", step))
    prune(tmp_path, 2, 3)
    assert sorted(path.stem for path in tmp_path.glob("*.ckpt")) == [
        "best-00000001", "best-00000003", "step-00000002", "step-00000004",
    ]  # fmt: skip
    (tmp_path / ".step-00000005.ckpt.17.tmp").write_text("half")
    take_up(tmp_path, 2, 1, 2)
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == [
        "best-00000001.ckpt",
        "best.ckpt",
        "step-00000002.ckpt",
    ]
    assert (tmp_path / "best.ckpt").resolve().name == "best-00000001.ckpt"
    assert not list(tmp_path.glob(".*"))
