import json
import subprocess
import sys
from pathlib import Path

import torch

from litseg.data.sets.shapes import Shapes
from tests.training.uneven_evaluation import evaluate

ROOT = Path(__file__).parents[2]


def test_confusion_matrices_of_5_and_7_samples_are_equal_on_one_and_on_two_processes(tmp_path: Path) -> None:
    """Lightning's own sampler would pad: some sample would count twice."""
    output = tmp_path / "two.json"
    command = [sys.executable, "-m", "tests.training.uneven_evaluation", "2", str(output)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=200)
    two = json.loads(output.read_text())
    for samples in (5, 7):
        one = torch.tensor(evaluate(samples, devices=1))
        source = Shapes(size=64, train=2, val=2, test=samples)
        assert int(one.sum()) == sum(int((source.read_mask(pair) != 255).sum()) for pair in source.pairs("test"))
        assert torch.equal(one, torch.tensor(two[str(samples)]))
