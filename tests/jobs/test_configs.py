"""conf/launcher: each key is an argument, explained, and the default is that of the class."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from litseg.cli.errors import CONF
from litseg.jobs.local import LocalLauncher

PATHS = sorted((CONF / "launcher").glob("*.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_argument_is_a_key_with_its_default(path: Path) -> None:
    config = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(config, dict)
    module, _, name = config.pop("_target_").rpartition(".")
    arguments = inspect.signature(getattr(import_module(module), name)).parameters
    assert list(config) == list(arguments)
    given = {"preload": ["litseg.cli.preload"], "folder": "outputs/.submitit"}
    defaults = {key: given.get(key, each.default) for key, each in arguments.items()}
    alike = {key: value for key, value in config.items() if value == defaults[key] or (not value and not defaults[key])}
    assert alike == config


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_key_is_explained(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert all(" # " in line for line in lines[2:])


def test_hydra_builds_the_local_one() -> None:
    config = OmegaConf.load(CONF / "launcher" / "local.yaml")
    config.preload, config.at_once, config.gpus = [], 3, [0, 1]
    with instantiate(config) as launcher:
        assert isinstance(launcher, LocalLauncher)
        assert launcher.at_once == 3


def test_an_option_that_slurm_does_not_know_is_refused(tmp_path: Path) -> None:
    from litseg.jobs.slurm import SubmititLauncher

    with pytest.raises(ValueError, match="launcher=submitit: AutoExecutor doesn't know"):
        SubmititLauncher(tmp_path, cluster="pbs")
