"""litseg: a research template for semantic segmentation. Importing it imports no torch."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litseg.cli.load_run import LoadedRun, load_run

# albumentations 2.0.8 asks the network for its newest version while being imported; never wanted, and it waits offline
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"
__all__ = ["LoadedRun", "__version__", "load_run"]


def __getattr__(name: str) -> object:
    """`litseg.load_run`, imported when it is first asked for."""
    if name in ("LoadedRun", "load_run"):
        from litseg.cli import load_run

        return getattr(load_run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
