"""Checkpoint files that are whole or absent, each beside a sidecar that says what it holds.

Lightning's own way is neither: it writes to the system's temporary folder and moves, which copies where that is another
file system, so that a kill or a full disk in between destroys the checkpoint it was to replace.
"""

import hashlib
import io
import json
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from litseg.training.checkpoint_claims import refuse_inflated, refuse_packed

PLAIN = (bool, int, float, str, bytes, type(None), torch.dtype, torch.Size)


class NonFiniteError(Exception):
    """The training has left the finite numbers."""


class CheckpointError(ValueError):
    """A file that is no checkpoint of ours: damaged, or a stranger's."""


class _Hashed(io.RawIOBase):
    """Passes bytes on to a file and into a hash. An error waits in `error`: torch's writer cannot take one."""

    def __init__(self, file: Any) -> None:
        self.file, self.digest = file, hashlib.sha256()
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.error is None:
            try:
                self.file.write(data)
                self.digest.update(data)
            except OSError as error:
                self.error = error
        return len(data)


def save_checkpoint(checkpoint: Mapping[str, Any], path: Path, **facts: Any) -> None:
    """Writes `path` and its sidecar; whatever happens meanwhile, what lay there before stays or the new one is whole.

    The sidecar, `<name>.json`, holds the file's sha256 and bytes, step and epoch, and `facts`. It is there before the
    checkpoint appears.

    Args:
        checkpoint: plain types and tensors, as Lightning makes it.
        path: in a folder that exists.
        **facts: more to put down, such as the config's hash.

    Raises:
        NonFiniteError: a weight is infinite or NaN; nothing is written.
        TypeError: it holds what `weights_only=True` would not load.
        OSError: the file cannot be written.
    """
    _refuse_code(checkpoint)
    if name := _first_non_finite(checkpoint["state_dict"]):
        raise NonFiniteError(f"{name} holds infinite or NaN values: no checkpoint is written")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            sink = _Hashed(file)
            torch.save(checkpoint, cast(IO[bytes], sink))
            if sink.error is not None:
                raise sink.error
            file.flush()
            os.fsync(file.fileno())
        about = {"step": checkpoint["global_step"], "epoch": checkpoint["epoch"], "finite": True, **facts}
        about |= {"bytes": temporary.stat().st_size, "sha256": sink.digest.hexdigest()}
        write_durably(sidecar(path), json.dumps(about, indent=2) + "\n")
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint to the CPU. No file can run code: only plain types and tensors are taken.

    Raises:
        CheckpointError: an address instead of a file, or a file that is damaged, or not of plain types.
        FileNotFoundError: there is none.
    """
    if ":/" in str(path):
        raise CheckpointError(
            f"{path}: expected a file on this machine; fetch it yourself if you trust where it comes from"
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        refuse_packed(Path(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
        refuse_inflated(found)
    except Exception as error:  # damaged files end in any of a dozen types
        # torch's advice to load it all the same, with weights_only=False, is left out
        reasons = (line for line in str(error).splitlines() if line.strip() and "weights_only" not in line)
        reason = next(reasons, type(error).__name__)
        raise CheckpointError(f"{path}: expected a checkpoint of plain types and tensors: {reason}") from error
    state = found.get("state_dict") if isinstance(found, dict) else None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise CheckpointError(f"{path}: expected a checkpoint of litseg, got no state_dict in it")
    checkpoint: dict[str, Any] = found
    return checkpoint


def verify(path: Path) -> str | None:
    """What is wrong with a checkpoint, by its sidecar; None where it is whole."""
    try:
        about = json.loads(sidecar(path).read_text())
        if (size := path.stat().st_size) != about["bytes"]:
            return f"{size} bytes of {about['bytes']}"
        with path.open("rb") as file:
            return None if hashlib.file_digest(file, "sha256").hexdigest() == about["sha256"] else "its sha256 differs"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"no sidecar can be read ({type(error).__name__})"


def sidecar(path: Path) -> Path:
    """Where a checkpoint's facts lie."""
    return path.with_suffix(".json")


def write_durably(path: Path, text: str) -> None:
    """A text file that is whole or absent, and on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class WholeFiles(CheckpointIO):
    """Lightning's way to checkpoint files through the functions above.

    Args:
        **facts: for every sidecar.
    """

    def __init__(self, **facts: Any) -> None:
        self.facts = facts

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """See `save_checkpoint`.

        Args:
            checkpoint: what to save.
            path: where; missing folders are made.
            storage_options: `without`: keys that are left out; `facts`: for the sidecar; `errors`: a list that takes
                what goes wrong, since an exception on one of several processes would leave the others waiting.
        """
        options = storage_options or {}
        kept = {key: value for key, value in checkpoint.items() if key not in options.get("without", ())}
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint(kept, Path(path), **self.facts, **options.get("facts", {}))
        except (OSError, NonFiniteError) as error:
            if "errors" not in options:
                raise
            options["errors"].append(error)

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """See `load_checkpoint`; always to the CPU, always plain types."""
        return load_checkpoint(path)

    def remove_checkpoint(self, path: Any) -> None:
        """See `remove_checkpoint`."""
        remove_checkpoint(Path(path))


def remove_checkpoint(path: Path) -> None:
    """The file first: a sidecar alone means nothing."""
    path.unlink(missing_ok=True)
    sidecar(path).unlink(missing_ok=True)


def _refuse_code(value: Any, where: str = "checkpoint") -> None:
    if type(value) in (dict, OrderedDict):
        for key, item in value.items():
            _refuse_code(key, where)
            _refuse_code(item, f"{where}[{key!r}]")
    elif type(value) in (list, tuple, set):
        for index, item in enumerate(value):
            _refuse_code(item, f"{where}[{index}]")
    elif not isinstance(value, Tensor) and type(value) not in PLAIN:
        raise TypeError(f"{where}: expected plain types and tensors, got {type(value).__name__}")


def _first_non_finite(state: Mapping[str, Any]) -> str | None:
    for name, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
            return name
    return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
