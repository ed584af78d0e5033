"""litseg: a research template for semantic segmentation. Importing it imports no torch."""

import os

# albumentations 2.0.8 asks the network for its newest version while being imported; never wanted, and it waits offline
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"
