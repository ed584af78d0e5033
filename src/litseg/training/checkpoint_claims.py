"""What a checkpoint file claims to hold, held against its size: a few hundred bytes can stand for terabytes."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def refuse_packed(path: Path) -> None:
    """Raise ValueError unless this is an archive as torch writes it, whose records are together no larger than it."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        claimed = sum(record.file_size for record in archive.infolist())
    if claimed > size:
        raise ValueError(f"its records claim {claimed} bytes, the file has {size}")


def refuse_inflated(value: Any, where: str = "checkpoint") -> None:
    """Raise ValueError on a tensor, at any depth, that is more than the bytes stored for it, or not in memory."""
    if isinstance(value, dict):
        for key, item in value.items():
            refuse_inflated(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            refuse_inflated(item, f"{where}[{index}]")
    elif isinstance(value, Tensor):
        if value.layout != torch.strided or value.device.type != "cpu":
            raise ValueError(f"{where}: expected a dense tensor with its values, got {value.layout} on {value.device}")
        claimed, stored = value.numel() * value.element_size(), value.untyped_storage().nbytes()
        if claimed > stored:
            raise ValueError(f"{where}: a tensor of shape {tuple(value.shape)} claims {claimed} bytes, has {stored}")
