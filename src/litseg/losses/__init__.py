"""Losses: one contract, one idea a file.

Every loss is called as `loss(logits, target, pixel_weights=None)`; `LossInputs` says what these are and `Loss` what the
common settings mean. The pure function behind a module stands in the module's file, for instance
`litseg.losses.dice.dice`. `clauses.yaml` says which clause of the contract does not hold for which loss, and why.
An own loss subclasses `Loss` and writes `compute`.
"""

from litseg.losses.boundary import BoundaryLoss
from litseg.losses.centerline_dice import CenterlineDiceLoss
from litseg.losses.compound import CompoundLoss
from litseg.losses.cross_entropy import CrossEntropyLoss
from litseg.losses.dice import DiceLoss
from litseg.losses.focal import FocalLoss
from litseg.losses.focal_tversky import FocalTverskyLoss
from litseg.losses.generalized_dice import GeneralizedDiceLoss
from litseg.losses.gradient import GradientLoss
from litseg.losses.hausdorff import HausdorffLoss
from litseg.losses.inputs import LossInputs
from litseg.losses.jaccard import JaccardLoss
from litseg.losses.loss import Loss
from litseg.losses.lovasz import LovaszLoss
from litseg.losses.mcc import MCCLoss
from litseg.losses.mse import MSELoss
from litseg.losses.ohem import OhemCrossEntropyLoss
from litseg.losses.pixelwise import PixelLoss
from litseg.losses.region import RegionLoss
from litseg.losses.tversky import TverskyLoss
from litseg.losses.unified_focal import UnifiedFocalLoss

__all__ = [
    "BoundaryLoss",
    "CenterlineDiceLoss",
    "CompoundLoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "GeneralizedDiceLoss",
    "GradientLoss",
    "HausdorffLoss",
    "JaccardLoss",
    "Loss",
    "LossInputs",
    "LovaszLoss",
    "MCCLoss",
    "MSELoss",
    "OhemCrossEntropyLoss",
    "PixelLoss",
    "RegionLoss",
    "TverskyLoss",
    "UnifiedFocalLoss",
]
