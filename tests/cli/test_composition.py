import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from litseg.cli.errors import CONF

ROOT = CONF.parent
OF_OTHER_VERBS = {"launcher", "sweep", "table"}
"""Groups that train.py does not compose."""
GROUPS = sorted(path for path in CONF.iterdir() if path.is_dir())
OPTIONS = [
    (group.name, str(path.relative_to(group).with_suffix(""))) for group in GROUPS for path in group.rglob("*.yaml")
]
OF_TRAIN = [(group, option) for group, option in OPTIONS if group not in OF_OTHER_VERBS]
REQUIRED = {("data", name): ["data.root=x", "data.class_names=[background,object]"] for name in ("csv", "folder")}


@pytest.mark.parametrize(("group", "option"), sorted(OF_TRAIN), ids=lambda value: value)
def test_every_yaml_composes_and_resolves(group: str, option: str) -> None:
    overrides = [f"{group}={option}", "run_folder=x", *REQUIRED.get((group, option), [])]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=overrides)
    OmegaConf.resolve(cfg)
    assert not OmegaConf.missing_keys(cfg)
    assert {group.name for group in GROUPS} - {"experiment"} - OF_OTHER_VERBS <= set(cfg)


@pytest.mark.parametrize(("group", "option"), sorted(OPTIONS), ids=lambda value: value)
def test_every_yaml_begins_with_what_it_is(group: str, option: str) -> None:
    lines = (CONF / group / f"{option}.yaml").read_text().splitlines()
    described = lines[1] if lines[0] == "# @package _global_" else lines[0]
    assert described.startswith("# ")
    if group == "experiment":
        assert lines[2].startswith(f"# python train.py experiment={option}")


def test_the_command_line_wins_over_the_experiment_and_the_experiment_over_the_defaults() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=["experiment=camvid_unet_ce", "loss=dice", "trainer.max_epochs=3", "seed=0"])
    assert cfg.loss._target_.endswith("DiceLoss")
    assert cfg.data._target_.endswith("CamVid")
    assert (cfg.trainer.max_epochs, cfg.seed) == (3, 0)


@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job"], ["experiment=unet_dise"]], ids=" ".join)
def test_help_config_and_mistakes_answer_without_importing_torch(words: list[str]) -> None:
    code = (
        "import sys; from litseg.cli.train import main\n"
        f"sys.argv = ['train.py', *{words!r}]\n"
        "try: sys.exit(main())\n"
        "finally: print('torch' in sys.modules, 'lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "False False"
    assert done.returncode == (2 if words[0].startswith("experiment") else 0)


def test_help_names_the_experiments(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "unet_dice" in done.stdout
    assert "camvid_unet_ce" in done.stdout
    assert not list(tmp_path.iterdir())
