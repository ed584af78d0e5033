"""smp networks by name and the wrapper that gives them raw images of any size."""

from litseg.models.encoder_weights import encoder_normalisation
from litseg.models.segmentation_model import SegmentationModel
from litseg.models.smp_networks import create_network

__all__ = ["SegmentationModel", "create_network", "encoder_normalisation"]
