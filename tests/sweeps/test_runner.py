"""What becomes of a trial by how its jobs end; these are played, the study is real."""

from pathlib import Path

import pytest
from optuna.trial import FrozenTrial

from litseg.jobs import Job, Outcome
from litseg.results import write_json, write_status
from litseg.sweeps.runner import Runner
from litseg.sweeps.space import read_space
from litseg.sweeps.study import open_storage, open_study
from litseg.sweeps.sweep import Sweep

End = tuple[int, str, bool]
"""Exit code and reason of a job, and whether its training has finished before."""
FINISHED: End = (0, "", True)


class Played:
    """A launcher whose jobs end one after the other as they are told."""

    at_once = 1

    def __init__(self, *ends: End) -> None:
        self.ends, self.jobs = list(ends), list[Job]()

    def start(self, job: Job) -> None:
        self.jobs.append(job)

    def wait(self, seconds: float) -> list[Outcome]:
        code, reason, finished = self.ends.pop(0)
        if finished:
            run = self.jobs[-1].folder / "quick" / "20260101-1-x"
            run.mkdir(parents=True)
            write_json(run / "result.json", {"metrics": {"val": {"miou": 0.5}}})
            write_status(run, {"state": "finished"})
        return [Outcome(self.jobs[-1], code, 1.0, reason)]

    def stop(self, name: str) -> None:
        raise AssertionError(name)

    def close(self) -> None:
        assert not self.ends


def run_trial(folder: Path, *ends: End) -> FrozenTrial:
    """The only trial of a sweep, whose jobs end so."""
    sweep = Sweep(
        name="played", folder=folder, storage=f"sqlite:///{folder}/study.db", base=(), space=read_space({"x": [1, 2]}),
        objective="val/miou", direction="maximize", trials=1, minutes=5.0, sampler="random", sampler_seed=0,
        pruner="none", target="played:main",
    )  # fmt: skip
    found: list[FrozenTrial] = []
    with open_storage(sweep.storage) as storage:
        study = open_study(sweep, storage)
        Runner(sweep, study, storage, Played(*ends), found.append, lambda _: None).run()
    (trial,) = found
    return trial


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (143, ""), (143, "stopped by SIGTERM"), (143, "stopped"), (143, "CANCELLED: "), (75, "PREEMPTED: "),
    ],
)  # fmt: skip
def test_a_trial_that_somebody_else_has_stopped_goes_on(code: int, reason: str, tmp_path: Path) -> None:
    assert run_trial(tmp_path, (code, reason, False), FINISHED).value == 0.5


@pytest.mark.parametrize(("code", "reason"), [(143, "timed out after 5 minutes"), (139, "killed by SIGSEGV")])
def test_one_that_failed_or_took_too_long_does_not(code: int, reason: str, tmp_path: Path) -> None:
    trial = run_trial(tmp_path, (code, reason, False))
    assert (trial.state.name, trial.user_attrs["reason"]) == ("FAIL", reason)


def test_one_that_is_stopped_every_time_has_failed(tmp_path: Path) -> None:
    assert run_trial(tmp_path, *[(143, "stopped by SIGTERM", False)] * 3).user_attrs["exit_code"] == 143


@pytest.mark.parametrize(
    ("code", "reason"), [(139, "killed by SIGSEGV"), (143, "timed out after 5 minutes"), (75, "gone")]
)
def test_what_a_process_does_after_its_training_has_finished_does_not_matter(
    code: int, reason: str, tmp_path: Path
) -> None:
    trial = run_trial(tmp_path, (code, reason, True))
    assert (trial.value, trial.user_attrs["reason"], trial.user_attrs["exit_code"]) == (0.5, "", 0)
