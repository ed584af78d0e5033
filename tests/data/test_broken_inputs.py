"""Every broken input: exit code 2 and the message of docs/broken_inputs.md; training refuses it too, or goes on."""

import re
from functools import lru_cache
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from litseg.cli.data.verbs import compose_config
from litseg.cli.errors import UserError, user_mistakes
from litseg.cli.wiring.source import build_source
from litseg.data.datamodule import DataModule
from tests.data.broken_inputs import CASES, TABLE, Case, outcome, row, words_of


@pytest.mark.parametrize("name", CASES)
def test_it_gets_the_message_of_the_table(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    code, problem, message = outcome(case, tmp_path)
    assert code == 2
    assert message
    assert _stable(row(name, case, problem, message)) in _stable(TABLE.read_text()).splitlines()
    if case.trains:
        _check_as_training_does(case, tmp_path)
    else:
        with pytest.raises(UserError), user_mistakes():
            _check_as_training_does(case, tmp_path)


def test_every_row_of_the_table_has_its_case() -> None:
    named = [line.split("|")[1].strip() for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    assert named[1:] == list(CASES)


def _stable(text: str) -> str:
    """Without the words of PIL and tifffile, which change from version to version."""
    return re.sub(r"(cannot read \S+): .*?; restore", r"\1: ...; restore", text)


def _check_as_training_does(case: Case, folder: Path) -> None:
    """What train.py does with the data before the first step."""
    cfg = _composed(tuple(words_of(case, Path("ROOT")))).copy()
    if not OmegaConf.is_missing(cfg.data, "root"):
        cfg.data.root = str(folder / "set")
    DataModule(build_source(cfg), [], batch_size=1).check()


@lru_cache
def _composed(words: tuple[str, ...]) -> DictConfig:
    return compose_config(words)
