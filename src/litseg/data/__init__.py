"""Data sets, their reading and checking, augmentation and loaders.

The names below are imported when they are first asked for: reading and checking data needs neither torch nor Lightning,
whose import takes ten seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from litseg.data.augmenting.batch_mixing import CutMix, MixUp, Mosaic
    from litseg.data.augmenting.copy_paste import CopyPaste
    from litseg.data.augmenting.crops import ClassCrop
    from litseg.data.augmenting.photometric_distortion import PhotometricDistortion
    from litseg.data.augmenting.rare_classes import RareClasses
    from litseg.data.augmenting.repeated import Repeated
    from litseg.data.datamodule import DataModule
    from litseg.data.sets.ade20k import ADE20K
    from litseg.data.sets.camvid import CamVid
    from litseg.data.sets.cityscapes import Cityscapes
    from litseg.data.sets.coco_stuff import CocoStuff
    from litseg.data.sets.csv_set import Csv
    from litseg.data.sets.dsb2018 import DSB2018
    from litseg.data.sets.folder import Folder
    from litseg.data.sets.oxford_pet import OxfordPet
    from litseg.data.sets.pascal_voc import PascalVOC
    from litseg.data.sets.retinal_vessels import ChaseDB1, Drive
    from litseg.data.sets.shapes import Shapes
    from litseg.data.source import Pair, Source

__all__ = [
    "ADE20K",
    "DSB2018",
    "CamVid",
    "ChaseDB1",
    "Cityscapes",
    "ClassCrop",
    "CocoStuff",
    "CopyPaste",
    "Csv",
    "CutMix",
    "DataModule",
    "Drive",
    "Folder",
    "MixUp",
    "Mosaic",
    "OxfordPet",
    "Pair",
    "PascalVOC",
    "PhotometricDistortion",
    "RareClasses",
    "Repeated",
    "Shapes",
    "Source",
]

_MODULES: Final = {
    "augmenting.batch_mixing": ("CutMix", "MixUp", "Mosaic"),
    "augmenting.copy_paste": ("CopyPaste",),
    "augmenting.crops": ("ClassCrop",),
    "augmenting.photometric_distortion": ("PhotometricDistortion",),
    "augmenting.rare_classes": ("RareClasses",),
    "augmenting.repeated": ("Repeated",),
    "datamodule": ("DataModule",),
    "sets.ade20k": ("ADE20K",),
    "sets.camvid": ("CamVid",),
    "sets.cityscapes": ("Cityscapes",),
    "sets.coco_stuff": ("CocoStuff",),
    "sets.csv_set": ("Csv",),
    "sets.dsb2018": ("DSB2018",),
    "sets.folder": ("Folder",),
    "sets.oxford_pet": ("OxfordPet",),
    "sets.pascal_voc": ("PascalVOC",),
    "sets.retinal_vessels": ("ChaseDB1", "Drive"),
    "sets.shapes": ("Shapes",),
    "source": ("Pair", "Source"),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
