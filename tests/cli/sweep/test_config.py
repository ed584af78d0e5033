"""What is refused before a trial is started."""

from pathlib import Path

import pytest

from litseg.cli.errors import CONF, UserError
from litseg.cli.main import main
from litseg.cli.sweep import run
from litseg.cli.sweep.config import compose_sweep, divide, read_sweep
from litseg.cli.sweep.trainings import checked
from litseg.sweeps.study import total
from tests.cli.sweep.conftest import RunSweep

SHIPPED = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml") if path.stem != "wandb")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_sweep_composes_with_each_of_its_values(name: str) -> None:
    cfg, found = compose_sweep([f"sweep={name}"])
    sweep, training = checked(read_sweep(cfg, found, []))
    assert training is not None
    assert total(sweep) >= 15
    assert f"# litseg sweep sweep={name}" in (CONF / "sweep" / f"{name}.yaml").read_text().splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trials=3"], "expected sweep=<one of conf/sweep>"),
        (["sweep=unet_learning_rat"], "did you mean unet_learning_rate"),
        (["sweep=wandb"], "wandb sweep --project"),
        (["sweep=losses_grid", "--plan"], "expected key=value words, got '--plan'"),
        (["sweep=losses_grid", "output=here"], "folder= says where"),
        (["sweep=losses_grid", "trails=3"], "did you mean trials="),
        (["sweep=losses_grid", "launcher=lokal"], "did you mean local"),
        (["sweep=losses_grid", "launcher.at_onse=3"], "cannot set launcher.at_onse: Could not override"),
        (["sweep=losses_grid", "experiment=unet_dise"], "did you mean unet_dice"),
        (["sweep=losses_grid", "optimizer.lrr=1"], "did you mean optimizer.lr"),
        (["sweep=losses_grid", "seed=4"], "seed varies in the sweep"),
        (["sweep=losses_grid", "sampler=tpee"], "sampler: expected one of tpe, random, grid, got tpee"),
        (["sweep=losses_grid", "pruner=best"], "pruner: expected one of none, median, hyperband"),
        (["sweep=losses_grid", "direction=up"], "direction: expected one of maximize, minimize"),
        (["sweep=losses_grid", "objective=test/miou"], "never selects anything"),
        (["sweep=losses_grid", "trials=0"], "trials: expected a whole number of at least 1, got 0"),
        (["sweep=losses_grid", "minutes=-1"], "minutes: expected a number above 0"),
        (["sweep=losses_grid", "sampler=random"], "trials: expected how many"),
        (["sweep=unet_learning_rate", "sampler=grid"], "a grid wants a list of values"),
        (
            ["sweep=unet_learning_rate", "+pruner_settings.n_startup_trial=1"],
            "pruner_settings of median: .*n_startup_trial",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_refused(words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        run(words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("{}", "space: expected a parameter"),
        ("{model.encoder_nam: [resnet18]}", "space: model.encoder_nam: .*did you mean model.encoder_name"),
        ("{loss: [ce, dise]}", "space: loss: no loss is named 'dise'; did you mean dice"),
    ],
)
def test_a_space_that_does_not_compose_is_refused(quick: RunSweep, space: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        quick("target=litseg.cli.train:main", yaml=f"space: {space}")


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("sqlite:////nowhere/at/all/study.db", "storage sqlite:////nowhere/at/all/study.db: cannot be opened"),
        ("not a url", "storage: cannot be opened"),
        ("oracle9://me:hush@host/db", r"storage oracle9://me:\*\*\*@host/db: cannot be opened"),
        ("postgresql://me:hush@host/db", r"storage postgresql://me:\*\*\*@host/db: its driver is not installed"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_refused_and_its_password_not_shown(
    quick: RunSweep, storage: str, said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        quick(f"storage='{storage}'")
    assert "hush" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(quick: RunSweep, tmp_path: Path) -> None:
    (tmp_path / "swept").mkdir()
    (tmp_path / "swept" / "study.db").write_text("these are no pages of a database\n" * 100)
    with pytest.raises(UserError, match=r"study.db: cannot be opened .*not a database"):
        quick()


def test_another_objective_also_chooses_the_checkpoint() -> None:
    own, others = divide(["sweep=losses_grid", "objective=val/loss", "direction=minimize", "data.size=32"])
    cfg, name = compose_sweep(own)
    sweep, training = checked(read_sweep(cfg, name, others))
    assert sweep.base[-3:] == ("data.size=32", "callbacks.checkpoint.monitor=val/loss", "callbacks.checkpoint.mode=min")
    assert training is not None
    assert training.callbacks.checkpoint.mode == "min"


def test_help_needs_no_optuna(capsys: pytest.CaptureFixture[str]) -> None:
    import subprocess
    import sys

    code = "import sys; from litseg.cli.main import main; main(['sweep', '--help']); sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True).returncode == 0
    assert main(["--help"]) == 0
    assert "litseg sweep" in capsys.readouterr().out
