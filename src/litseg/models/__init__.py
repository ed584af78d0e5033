"""smp networks by name, a few that smp lacks, and the wrapper that gives them raw images of any size."""

from litseg.models.encoder_weights import encoder_normalisation
from litseg.models.fcn8s import FCN8s
from litseg.models.nested_unet import NestedUNet
from litseg.models.segmentation_model import SegmentationModel
from litseg.models.segnet_basic import SegNetBasic
from litseg.models.smp_networks import create_network
from litseg.models.unet_s5_d16 import UNetS5D16

__all__ = [
    "FCN8s",
    "NestedUNet",
    "SegNetBasic",
    "SegmentationModel",
    "UNetS5D16",
    "create_network",
    "encoder_normalisation",
]
