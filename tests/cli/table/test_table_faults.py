"""Real tables with real trainings, and what happens when jobs and runner are killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litseg.cli.errors import CONF
from litseg.cli.table.cells import CELL
from litseg.results import read_status

pytestmark = pytest.mark.faults
TINY = ("data.size=32", "data.train=8", "data.val=2", "data.test=4", "loader.batch_size=2", "trainer.max_epochs=2")
TABLE = ("table=losses_on_shapes", "only=[ce,dice,mse]", "seeds=[0,1]")


def command(output: Path, *words: str, last: tuple[str, ...] = TINY) -> list[str]:
    return [sys.executable, "-m", "litseg.cli.main", "table", *TABLE, f"output={output}", *words, *last]


def run(output: Path, *words: str, last: tuple[str, ...] = TINY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(output, *words, last=last), cwd=CONF.parent, capture_output=True, text=True, timeout=900
    )


def finished(output: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in output.glob(f"cells/*/{CELL}")}


Numbers = dict[tuple[str, int], dict[str, float]]


def numbers(output: Path) -> Numbers:
    found = json.loads((output / "losses_on_shapes" / "full-changed" / "cells.json").read_text())["cells"]
    return {(each["row"], each["seed"]): each["scores"] for each in found}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    done = run(output)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


@pytest.fixture(scope="module")
def expected(undisturbed: Path) -> Numbers:
    return numbers(undisturbed)


def test_a_table(undisturbed: Path, expected: Numbers) -> None:
    assert len(expected) == 6
    assert len(finished(undisturbed)) == 6
    folder = undisturbed / "losses_on_shapes" / "full-changed"
    assert {path.name for path in folder.iterdir()} == {
        "table.md", "table.tex", "table.csv", "table.html", "table.png", "cells.json"
    }  # fmt: skip
    assert "| cross-entropy" in (folder / "table.md").read_text()
    assert "±" in (folder / "table.md").read_text()
    assert not list(undisturbed.glob("cells/*/runs/*/*/checkpoints/*.ckpt"))  # checkpoints: none


def test_again_trains_nothing(undisturbed: Path) -> None:
    before = finished(undisturbed)
    began = time.monotonic()
    done = run(undisturbed)
    assert done.returncode == 0
    assert "6 cells, 6 there, 0 missing" in done.stdout
    assert finished(undisturbed) == before
    assert time.monotonic() - began < 60


def test_a_wider_table_takes_the_cells_that_are_there(undisturbed: Path) -> None:
    before = finished(undisturbed)
    done = run(undisturbed, "only=[ce,dice,mse,focal]", "seeds=[0]")
    assert done.returncode == 0, done.stdout
    assert "4 cells, 3 there, 1 missing" in done.stdout
    assert before.items() <= finished(undisturbed).items()


@pytest.mark.timeout(600)  # it waits for 150 s, and its fixture, counted too when it runs alone, trains six cells
def test_killed_ten_times_it_ends_with_the_same_numbers(expected: Numbers, tmp_path: Path) -> None:
    """The runner and its jobs, at random moments; no finished cell is trained again."""
    draw, kept = random.Random(0), dict[Path, float]()
    for _ in range(10):
        process = subprocess.Popen(
            command(tmp_path), cwd=CONF.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(draw.uniform(5, 25))
        victims = [process.pid] if draw.random() < 0.5 else jobs(tmp_path)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        if process.pid not in victims:
            time.sleep(draw.uniform(0, 3))
            process.kill()
        process.wait()
        now = finished(tmp_path)
        assert kept.items() <= now.items()
        kept = now
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert kept.items() <= finished(tmp_path).items()
    assert numbers(tmp_path) == expected


def jobs(output: Path) -> list[int]:
    """Process ids of the trainings that run, as their run folders say."""
    statuses = [read_status(path.parent) for path in output.glob("cells/*/runs/*/*/status.json")]
    pids = [status["pid"] for status in statuses if status.get("state") == "running"]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_cell_that_crashes_and_one_that_diverges_cost_no_other(tmp_path: Path) -> None:
    crash = "+rows.dice.words=['+callbacks.crash._target_=tests.cli.table.crash.Crash']"
    diverge = "+rows.mse.words=['optimizer.lr=inf','nonfinite_steps=0']"
    done = run(tmp_path, "seeds=[0]", "~rows.dice.words", crash, "~rows.mse.words", diverge)
    assert done.returncode == 1
    assert len(finished(tmp_path)) == 1
    text = (tmp_path / "losses_on_shapes" / "full-changed" / "table.md").read_text()
    assert "killed by SIGSEGV" in text
    assert "exit code 3" in text
    assert "Traceback" not in done.stderr


def test_two_runners_share_the_work(expected: Numbers, tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            command(tmp_path), cwd=CONF.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=900)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert numbers(tmp_path) == expected
    assert len(list(tmp_path.glob("cells/*/runs/*/*"))) == 6  # no cell was begun twice


def _has_begun(output: Path) -> bool:
    return any(path.read_text().count("\n") > 3 for path in output.glob("cells/*/runs/*/*/metrics.csv"))


@pytest.mark.parametrize("launcher", ["local", "ray"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_table_saves_and_goes_on(tmp_path: Path, launcher: str, number: signal.Signals) -> None:
    if launcher == "ray":
        pytest.importorskip("ray", reason="needs the extra ray")
    words = ("only=[ce]", "seeds=[0]", f"launcher={launcher}")
    with (tmp_path / "said").open("w") as said:
        last = (*TINY, "trainer.max_epochs=2000")
        process = subprocess.Popen(command(tmp_path, *words, last=last), cwd=CONF.parent, stdout=said, stderr=said)
        until = time.monotonic() + 300
        while not _has_begun(tmp_path) and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(number)
        code = process.wait(120)
    text = (tmp_path / "said").read_text()
    assert code == 128 + number, text
    assert "Traceback" not in text
    assert f"stopped by {number.name}: 1 cells, 0 there, 1 missing, 1 of them in part" in text
    (status,) = [read_status(path.parent) for path in tmp_path.glob("cells/*/runs/*/*/status.json")]
    assert status["state"] in ("preempted", "interrupted")
    assert list(tmp_path.glob("cells/*/runs/*/*/checkpoints/*.ckpt"))


def test_a_stopped_table_shows_what_is_there(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "only=[ce]"), cwd=CONF.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    until = time.monotonic() + 300
    while not finished(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 143, said
    assert "2 cells, 1 there, 1 missing" in said
    assert "1 of 2" in said
    assert "so far; no files are written of a table in part" in said
    assert not (tmp_path / "losses_on_shapes").exists()


def test_a_cell_may_train_in_two_processes(tmp_path: Path) -> None:
    words = ("only=[ce]", "seeds=[0]", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    done = run(tmp_path, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = tmp_path.glob("cells/*/runs/*/*/result.json")
    assert json.loads(result.read_text())["world_size"] == 2


def test_a_cell_that_went_on_where_its_data_lie_elsewhere_does_not_begin_anew(tmp_path: Path) -> None:
    words, last = ("only=[ce]", "seeds=[0]"), (*TINY, "trainer.max_epochs=60")
    process = subprocess.Popen(command(tmp_path, *words, last=last), cwd=CONF.parent, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while not _has_begun(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 143
    done = run(tmp_path, *words, last=(*last, f"data.root={tmp_path}", "loader.workers=1"))
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob("cells/*/cell.json")  # one run, and the same cell
    found = json.loads(path.read_text())
    assert found["resumes"] == 1
    assert "config changed on resume" not in found["marks"]
    assert len(list(tmp_path.glob("cells/*/runs/*/*"))) == 1


def test_jobs_of_a_cluster_that_outlive_their_runner_are_waited_for(expected: Numbers, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="needs the extra slurm")
    cluster = ("launcher=submitit", "launcher.cluster=local", f"launcher.folder={tmp_path}/submitit", "launcher.cpus=1")
    words = ("only=[ce,dice]", "seeds=[0]", *cluster, "launcher.gpus=0")
    process = subprocess.Popen(
        command(tmp_path, *words), cwd=CONF.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 300
    while len(jobs(tmp_path)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert len(jobs(tmp_path)) == 2  # they go on
    done = run(tmp_path, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(tmp_path).items() <= expected.items()
    runs = [read_status(path.parent) for path in tmp_path.glob("cells/*/runs/*/*/status.json")]
    assert [status["resumes"] for status in runs] == [0, 0]  # each was begun once, and not disturbed


def test_a_limited_run_is_marked(tmp_path: Path) -> None:
    done = run(tmp_path, "only=[ce]", "seeds=[0]", last=(*TINY, "+trainer.limit_train_batches=2"))
    assert done.returncode == 0, done.stdout
    assert "limited: limit_train_batches=2" in (tmp_path / "losses_on_shapes" / "full-changed" / "table.md").read_text()


def test_check_needs_a_committed_table_where_nothing_is_published(tmp_path: Path) -> None:
    done = run(tmp_path, "only=[ce]", "seeds=[0]", "check=true", "scale=tiny", "+scales.tiny={}")
    assert done.returncode == 2
    assert "nothing is published for these rows of table=losses_on_shapes" in done.stderr
    assert "keep=true" in done.stderr


def test_plan_forecasts(tmp_path: Path) -> None:
    done = run(tmp_path, "only=[ce]", "plan=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 cells are missing: about" in done.stdout
    assert "not measured" not in done.stdout
    assert not finished(tmp_path)
