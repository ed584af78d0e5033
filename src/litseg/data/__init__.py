"""Data sets, their reading and checking, augmentation and loaders."""

from litseg.data.camvid import CamVid
from litseg.data.datamodule import DataModule
from litseg.data.folder import Folder
from litseg.data.shapes import Shapes
from litseg.data.source import Pair, Source

__all__ = ["CamVid", "DataModule", "Folder", "Pair", "Shapes", "Source"]
