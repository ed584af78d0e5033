"""Predicts a TIFF in a process of its own and prints, in MB: the footprint after loading, its peak, and the size.

python -m tests.inference.predict_large IMAGE OUTPUT CLASSES [unet]
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from litseg.inference import TiffCanvas, TiffRegions, Windows, paint, predictor, sliding_blocks
from litseg.models import SegmentationModel, create_network
from tests.inference.networks import tiny_model


def memory(key: str) -> float:
    """VmRSS is the footprint now, VmHWM the largest so far."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key)]
    return int(line.split()[1]) / 1024


def main() -> None:
    image, output, classes, *more = sys.argv[1:]
    channels = int(classes)
    model = tiny_model(channels)
    if more:
        network = create_network("unet", "resnet18", None, in_channels=3, classes=channels)
        model = SegmentationModel(network, [127.0] * 3, [60.0] * 3).eval()
    predict = predictor(model, "multiclass")
    predict(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))  # what torch loads on first use belongs to the model
    loaded = memory("VmRSS")
    print(json.dumps({"loaded": loaded}), file=sys.stderr, flush=True)
    with TiffRegions(Path(image)) as tiff, TiffCanvas(Path(output), 1, tiff.size, np.uint8) as canvas:
        paint(sliding_blocks(predict, tiff.read, tiff.size, channels, Windows(512)), "multiclass", canvas)
        canvas.finish()
    print(json.dumps({"loaded": loaded, "peak": memory("VmHWM"), "size": tiff.size}))


if __name__ == "__main__":
    main()
