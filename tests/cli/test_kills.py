"""The resume matrix with real SIGKILLs; run by make test-faults, its table by python -m tests.cli.kill_matrix."""

import re
import subprocess
import sys

import pytest

from litseg.cli.errors import CONF


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_killed_trainings_end_like_uninterrupted_ones() -> None:
    command = [sys.executable, "-m", "tests.cli.kill_matrix", "0"]
    done = subprocess.run(command, cwd=CONF.parent, capture_output=True, text=True, timeout=1700)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    kills, inside = re.findall(r"(\d+) kills, (\d+) of them inside", done.stdout)[0]
    assert int(kills) >= 20
    assert int(inside) >= 5
    assert done.stdout.count(" equal,") == 8
