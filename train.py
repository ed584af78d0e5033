"""Train a segmentation network: python train.py experiment=unet_dice; see --help."""

import sys

from litseg.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
