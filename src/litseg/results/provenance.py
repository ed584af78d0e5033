"""Where a number comes from: commit, versions, machine."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "litseg", "torch", "torchvision", "lightning", "torchmetrics", "segmentation-models-pytorch", "timm",
    "albumentations", "opencv-python-headless", "numpy", "pillow", "hydra-core",
)  # fmt: skip


def code_state(repository: Path) -> dict[str, Any]:
    """The commit, and whether tracked files differ from it or new ones lie in src/ or conf/; None without git.

    Tables in results/ are no code: one that was kept a moment ago does not count.
    """
    commit = _git(repository, "rev-parse", "HEAD")
    changes = _git(repository, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    new = _git(repository, "ls-files", "--others", "--exclude-standard", "--", "src", "conf")
    return {"commit": commit, "dirty": None if changes is None else bool(changes or new)}


def versions() -> dict[str, str | None]:
    """The versions of Python and of the packages that a result may depend on."""
    return {"python": platform.python_version(), **{package: _version(package) for package in PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(repository: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(repository), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
