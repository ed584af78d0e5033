"""conf/sweep/wandb.yaml, as far as it goes without W&B's server: what its agent would run is run."""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from litseg.cli.data.verbs import compose_config
from litseg.cli.errors import CONF
from tests.cli.conftest import TINY_SHAPES, only_run

sweeps = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason="needs the extra 'wandb'")
SWEEP: dict[str, Any] = yaml.safe_load((CONF / "sweep" / "wandb.yaml").read_text())


def _command(values: dict[str, object]) -> list[str]:
    """As wandb's agent fills it in."""
    arguments = sweeps.create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    known = {"env": ["/usr/bin/env"], "interpreter": [sys.executable], "program": [SWEEP["program"]], **arguments}
    filled = [known.get(word[2:-1], [word]) if word.startswith("${") else [word] for word in SWEEP["command"]]
    return [word for words in filled for word in words]


def _values() -> list[dict[str, object]]:
    """Every choice and every end of a range."""
    ends = [each.get("values") or [each["min"], each["max"]] for each in SWEEP["parameters"].values()]
    return [dict(zip(SWEEP["parameters"], values, strict=True)) for values in product(*ends)]


def test_every_command_of_the_agent_composes() -> None:
    assert SWEEP["method"] in ("bayes", "random", "grid")
    assert SWEEP["metric"] == {"name": "val/miou", "goal": "maximize"}
    assert SWEEP["program"] == "train.py"
    assert len(_values()) == 6
    for values in _values():
        env, python, program, *words = _command(values)
        assert (env, python, program) == ("/usr/bin/env", sys.executable, "train.py")
        cfg = compose_config(words)
        assert cfg.optimizer.lr == values["optimizer.lr"]
        assert "wandb" in cfg.logger


@pytest.mark.faults
def test_the_agents_command_runs(tmp_path: Path) -> None:
    environment = os.environ | {"WANDB_MODE": "offline", "WANDB_SWEEP_ID": "sweep123", "WANDB_RUN_ID": "run12345"}
    tiny = [*TINY_SHAPES, "trainer=cpu", "trainer.max_epochs=1", "loader.batch_size=2", f"output={tmp_path}/outputs"]
    command = [*_command(_values()[0]), *tiny]
    done = subprocess.run(command, cwd=CONF.parent, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert (run / "result.json").is_file()
    assert list((run / "wandb").glob("offline-run-*run12345")), done.stdout
