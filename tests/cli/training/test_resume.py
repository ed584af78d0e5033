"""Runs that are stopped, crashed or broken off, and continued by `resume=`."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from litseg.cli.training.resume import differences
from tests.cli.conftest import TINY, RunTrain, only_run
from tests.cli.fault import WORDS

SMALL = (
    "experiment=unet_ce", *TINY, *WORDS, "data.size=32", "data.train=8", "data.val=2", "data.test=2",
    "trainer.max_epochs=2", "trainer.log_every_n_steps=1",
)  # fmt: skip
"""Two epochs of four steps."""
TRUST = "trust=[tests.cli.fault]"


def _weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)[
        "state_dict"
    ]
    return state


def _equal(first: Path, second: Path) -> bool:
    pairs = [(_weights(first, name), _weights(second, name)) for name in ("last", "best")]
    return all(torch.equal(one[key], two[key]) for one, two in pairs for key in one)


def _status(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "status.json").read_text())
    return found


@pytest.fixture
def broken(run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that SIGTERM has stopped in its fourth step."""
    monkeypatch.setenv("FAULT", "SIGTERM")
    with pytest.raises(SystemExit) as stop:
        run_train(*SMALL)
    monkeypatch.delenv("FAULT")
    assert stop.value.code == 143
    return only_run(tmp_path)


def test_differences_name_the_innermost_keys_in_lists_of_steps_too() -> None:
    flip, crop = {"_target_": "Flip", "p": 0.5}, {"_target_": "Crop", "height": 64}
    before = OmegaConf.create({"run_folder": None, "steps": [flip, crop], "size": [1, 2], "penalty": {}, "heads": None})
    after = before.copy()
    after.update({"steps": [flip, crop | {"height": 32}], "size": [1, 3], "penalty": {"l1": 1}, "heads": {"n": 2}})
    assert differences(before, after) == {
        "steps.1.height": "64 -> 32", "size": "[1, 2] -> [1, 3]", "penalty.l1": "(absent) -> 1",
        "heads": "None -> {'n': 2}",
    }  # fmt: skip
    after = before.copy()
    after.steps = [flip]
    assert list(differences(before, after)) == ["steps"]


@pytest.mark.parametrize(("name", "code", "state"), [
    ("SIGTERM", 143, "preempted"), ("SIGUSR1", 143, "preempted"), ("SIGINT", 130, "interrupted"),
    ("validation SIGTERM", 143, "preempted"), ("crash", 1, "failed"),
])  # fmt: skip
def test_what_breaks_off_is_resumed_to_the_same_end(
    run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int, state: str
) -> None:
    assert run_train(*SMALL, "name=whole") == 0
    (whole,) = tmp_path.glob("outputs/*/*-whole")
    monkeypatch.setenv("FAULT", name)
    if code == 1:
        assert run_train(*SMALL, "name=cut") == 1
    else:
        with pytest.raises(SystemExit) as stop:
            run_train(*SMALL, "name=cut")
        assert stop.value.code == code
    (cut,) = tmp_path.glob("outputs/*/*-cut")
    assert (_status(cut)["state"], _status(cut)["exit_code"]) == (state, code)
    assert not (cut / "result.json").exists()
    monkeypatch.delenv("FAULT")
    assert run_train(f"resume={cut}", TRUST) == 0
    assert _equal(whole, cut)
    first, second = (json.loads((folder / "result.json").read_text()) for folder in (whole, cut))
    assert first["metrics"] == second["metrics"]
    assert (first["resumes"], second["resumes"]) == (0, 1)
    assert _status(cut)["state"] == "finished"


def test_a_stopped_run_has_its_last_step_saved(broken: Path) -> None:
    """The signal comes before the fourth step, which is finished, and then the epoch with its validation."""
    assert torch.load(broken / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 4
    assert "SIGTERM" in (broken / "log.txt").read_text()


def test_another_config_is_refused_with_its_difference_and_allowed_key_by_key(
    broken: Path, run_train: RunTrain, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ("optimizer.lr=0.5", "trainer.max_epochs=3")
    assert run_train(f"resume={broken}", TRUST, *changes) == 2
    error = capsys.readouterr().err
    assert "optimizer.lr: 0.002 -> 0.5" in error
    assert "resume_allow=[optimizer.lr,trainer.max_epochs]" in error
    assert run_train(f"resume={broken}", TRUST, *changes, "resume_allow=[trainer.max_epochs]") == 2
    assert "optimizer.lr" in capsys.readouterr().err
    assert (
        run_train(f"resume={broken}", TRUST, *changes[1:], "resume_allow=[trainer]", "loader.workers=0", "pictures=0")
        == 0
    )
    result = json.loads((broken / "result.json").read_text())
    assert (result["epochs"], result["changes_on_resume"][0]["trainer.max_epochs"]) == (3, "2 -> 3")
    assert yaml.safe_load((broken / "config.yaml").read_text())["trainer"]["max_epochs"] == 3


def test_last_and_auto(broken: Path, run_train: RunTrain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_train(*SMALL, "resume=last", "seed=1") == 2
    assert "no unfinished run of this config" in capsys.readouterr().err
    assert run_train(*SMALL, "resume=last") == 0
    assert _status(broken)["resumes"] == 1
    assert run_train(*SMALL, "resume=last") == 2
    assert run_train(*SMALL, "resume=auto") == 0
    assert len(list(tmp_path.glob("outputs/*/*/result.json"))) == 2


@pytest.mark.parametrize(("restarts", "resumes"), [("1", 1), ("0", 0)])
def test_a_job_that_slurm_queues_again_goes_on_by_itself(
    run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: str, resumes: int
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("FAULT", "SIGUSR1")
    with pytest.raises(SystemExit):
        run_train(*SMALL)
    folder = only_run(tmp_path)
    monkeypatch.delenv("FAULT")
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    assert run_train(*SMALL) == 0
    assert _status(folder)["resumes"] == resumes


def test_what_is_not_to_be_resumed(
    broken: Path, run_train: RunTrain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for words, message in (
        ((f"resume={tmp_path / 'empty'}",), "expected a run folder"),
        ((f"resume={tmp_path / 'nowhere'}",), "expected a run folder"),
        ((f"resume={broken}", TRUST, "loss=dice"), "loss._target_"),
        ((f"resume={broken}", TRUST, "~pictures"), "takes a key away"),
    ):
        assert run_train(*words) == 2
        assert message in capsys.readouterr().err
    assert run_train(f"resume={broken}", TRUST) == 0
    assert run_train(f"resume={broken}", TRUST) == 2
    assert "is finished" in capsys.readouterr().err


def test_other_data_are_refused_and_other_threads_said(
    broken: Path, run_train: RunTrain, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _status(broken)
    status["conditions"] |= {"threads": 17}  # type: ignore[operator]
    (broken / "status.json").write_text(json.dumps(status))
    words = (f"resume={broken}", TRUST, "data.drawing_seed=5")
    assert run_train(*words, "resume_allow=[data]") == 2
    assert "the data are others" in capsys.readouterr().err
    assert run_train(*words[:2]) == 0
    assert "threads 17 -> 1" in (broken / "log.txt").read_text()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, None])
def test_a_damaged_checkpoint_is_passed_over(
    run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float | None
) -> None:
    """Cut off after a share of its bytes, or one byte flipped; in the folder's new place."""
    monkeypatch.setenv("FAULT", "crash")
    words = (*SMALL, "callbacks.fault.step=5", "callbacks.checkpoint.every_steps=1")
    assert run_train(*words) == 1
    folder = only_run(tmp_path).rename(tmp_path / "moved")
    newest = folder / "checkpoints" / "step-00000005.ckpt"
    content = bytearray(newest.read_bytes())
    if share is None:
        content[len(content) // 2] ^= 1
    newest.write_bytes(bytes(content) if share is None else bytes(content[: int(share * len(content))]))
    monkeypatch.delenv("FAULT")
    assert run_train(f"resume={folder}", TRUST) == 0
    log = (folder / "log.txt").read_text()
    assert "skipped checkpoint step-00000005.ckpt" in log
    assert "resumed from step-00000004.ckpt" in log
    assert not (tmp_path / "outputs" / "unet_ce").exists() or not list((tmp_path / "outputs" / "unet_ce").iterdir())


def test_rows_of_metrics_are_those_of_an_uninterrupted_run(
    run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*SMALL, "callbacks.fault.step=6", "callbacks.checkpoint.every_steps=3")
    assert run_train(*words, "name=whole") == 0
    monkeypatch.setenv("FAULT", "crash")
    assert run_train(*words, "name=cut") == 1
    monkeypatch.delenv("FAULT")
    (whole,), (cut,) = tmp_path.glob("outputs/*/*-whole"), tmp_path.glob("outputs/*/*-cut")
    assert run_train(f"resume={cut}", TRUST) == 0
    rows = []
    for folder in (whole, cut):
        with (folder / "metrics.csv").open() as file:
            rows.append(
                [{key: value for key, value in row.items() if "images_per" not in key} for row in csv.DictReader(file)]
            )
    assert rows[0] == rows[1]


def test_wandb_goes_on_with_its_run(run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT", "SIGTERM")
    with pytest.raises(SystemExit):
        run_train(*SMALL, "logger=default")
    monkeypatch.delenv("FAULT")
    folder = only_run(tmp_path)
    assert run_train(f"resume={folder}", TRUST) == 0
    # the files' names end in the id; those of two folders of one second need not
    runs = [path.stem for path in (folder / "wandb").glob("offline-run-*/*.wandb")]
    assert runs == [f"run-{json.loads((folder / 'result.json').read_text())['wandb_run_id']}"] * 2


def test_weights_of_another_run_begin_a_training(broken: Path, run_train: RunTrain, tmp_path: Path) -> None:
    words = (*SMALL, "trainer.max_steps=1", "optimizer.lr=0.0", "name=fine")
    assert run_train(*words, f"weights={broken}") == 0
    (fine,) = tmp_path.glob("outputs/*/*-fine")
    parameters = [key for key in _weights(fine) if key.endswith("weight")]
    assert all(torch.equal(_weights(fine)[key], _weights(broken, "best")[key]) for key in parameters)
    assert run_train(*words, "weights=nowhere") == 2
