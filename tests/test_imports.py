"""The house's one-way arrows (CONTRIBUTING.md), read from the imports."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "litseg"
STANDARD = sys.stdlib_module_names

# room -> the rooms of litseg it may import; each may import itself and `labels`
ARROWS = {
    "labels": set(),
    "losses": set(),
    "metrics": set(),
    "data": set(),
    "models": set(),
    "training": {"losses", "metrics", "models"},
    "inference": {"models"},
    "results": set(),
    "jobs": set(),
    "sweeps": {"jobs", "results"},
    "cli": {"losses", "metrics", "data", "models", "training", "inference", "results", "jobs", "sweeps"},
}
MODELS_MAY_IMPORT = {"torch", "segmentation_models_pytorch", "timm", "huggingface_hub"}
GRAB_BAGS = {"utils", "util", "helpers", "common", "misc", "registry", "instantiator"}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else "litseg"


MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for name in _imports(path):
        package = name.split(".")[0]
        if package == "litseg" and room != "__init__":
            target = _room(name)
            assert target in ARROWS[room] | {room, "labels"}, f"{room} must not import {name}"
        if package in ("hydra", "omegaconf"):
            assert room == "cli", f"only cli knows Hydra, {path} imports {name}"
        if room == "models" and package not in STANDARD and package != "litseg":
            assert package in MODELS_MAY_IMPORT, f"models must not import {name}"


def test_every_room_has_its_arrows() -> None:
    rooms = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}
    assert rooms <= set(ARROWS)


def test_no_grab_bags() -> None:
    assert not [path for path in MODULES if GRAB_BAGS & {part.removesuffix(".py") for part in path.parts}]


def test_importing_litseg_imports_no_torch() -> None:
    code = "import sys, litseg; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_albumentations_is_the_mit_one_and_asks_no_network() -> None:
    from importlib.metadata import distributions

    names = {distribution.metadata["Name"].lower() for distribution in distributions()}
    assert "albumentationsx" not in names
    import os

    import litseg  # noqa: F401  # sets the variable

    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"
