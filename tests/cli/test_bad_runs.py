"""Each bad folder, data and place for each verb: one message, exit code 2, nothing run and nothing changed."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from litseg.cli.main import main
from tests.cli.bad_runs import CASES, DOCUMENT, contents, prepared
from tests.training.test_hostile_checkpoints import REFUSED as HOSTILE

TRAIN = Path(__file__).parents[2] / "train.py"


@pytest.mark.parametrize("name", CASES)
def test_is_refused_and_nothing_is_changed(tiny_run: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    case = CASES[name]
    words = prepared(case, tiny_run)
    before = contents(tiny_run.parent)
    assert main(words) == case.code
    printed = capsys.readouterr()
    said = [line for line in printed.err.splitlines() if line.startswith(("error: ", "refused: "))]
    assert len(said) == (case.code == 2)
    assert case.message in (said[0] if said else printed.out)
    assert "Traceback" not in printed.err
    after = contents(tiny_run.parent)
    assert {path: after.get(path) for path in before if path.name != "report.html"} == {
        path: content for path, content in before.items() if path.name != "report.html"
    }
    if case.code:
        assert {path.name for path in after.keys() - before.keys()} <= {"predictions.json"}
    assert not (tiny_run.parent / "marker").exists()


def test_the_page_has_a_row_for_each() -> None:
    text = DOCUMENT.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`litseg" in line]
    assert len(rows) == len(CASES)
    for row, (name, case) in zip(rows, CASES.items(), strict=True):
        assert row.startswith(f"| {name.partition(': ')[0]} | ")
        assert f" | {case.code} | " in row
        assert case.message in row


def _resume(run: Path) -> subprocess.CompletedProcess[str]:
    """The whole command, as a user types it."""
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    environment = {**os.environ, "LITSEG_RUN_FOLDER": "", "LITSEG_CHECKPOINT": ""}
    words = [sys.executable, str(TRAIN), f"resume={run}"]
    return subprocess.run(words, capture_output=True, text=True, cwd=run.parent, env=environment, timeout=500)


@pytest.mark.faults
def test_a_resume_of_a_hostile_config_runs_nothing(tiny_run: Path) -> None:
    config, marker = OmegaConf.load(tiny_run / "config.yaml"), tiny_run.parent / "marker"
    config.loss = {"_target_": "os.system", "command": f"touch {marker}"}
    OmegaConf.save(config, tiny_run / "config.yaml")
    before = contents(tiny_run)
    done = _resume(tiny_run)
    assert done.returncode == 2
    assert "config.yaml: loss._target_: 'os.system' is not among" in done.stderr
    assert "Traceback" not in done.stderr
    before.pop(tiny_run / "status.json")
    assert {path: content for path, content in contents(tiny_run).items() if path.name != "status.json"} == before
    assert not marker.exists()


@pytest.mark.faults
def test_a_resume_from_a_hostile_checkpoint_runs_nothing(tiny_run: Path) -> None:
    """Its sidecar says what the stranger wants it to say."""
    (path,), marker = (tiny_run / "checkpoints").glob("step-*.ckpt"), tiny_run.parent / "marker"
    HOSTILE["os.system"](path, marker)
    facts = json.loads(path.with_suffix(".json").read_text())
    facts |= {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(facts))
    done = _resume(tiny_run)
    assert done.returncode == 2
    assert f"{path.name}: expected a checkpoint" in done.stderr
    assert "Traceback" not in done.stderr
    assert not marker.exists()
