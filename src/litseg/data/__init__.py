"""Data sets, their reading and checking, augmentation and loaders."""

from litseg.data.ade20k import ADE20K
from litseg.data.camvid import CamVid
from litseg.data.cityscapes import Cityscapes
from litseg.data.coco_stuff import CocoStuff
from litseg.data.csv_set import Csv
from litseg.data.datamodule import DataModule
from litseg.data.dsb2018 import DSB2018
from litseg.data.folder import Folder
from litseg.data.oxford_pet import OxfordPet
from litseg.data.pascal_voc import PascalVOC
from litseg.data.retinal_vessels import ChaseDB1, Drive
from litseg.data.shapes import Shapes
from litseg.data.source import Pair, Source

__all__ = [
    "ADE20K",
    "DSB2018",
    "CamVid",
    "ChaseDB1",
    "Cityscapes",
    "CocoStuff",
    "Csv",
    "DataModule",
    "Drive",
    "Folder",
    "OxfordPet",
    "Pair",
    "PascalVOC",
    "Shapes",
    "Source",
]
