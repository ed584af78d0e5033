import json
from pathlib import Path

import pytest

from litseg.results.comparison import compare
from litseg.results.recorded_run import read_run
from litseg.results.report import make_report
from tests.results.run_folders import evaluated, trained


def test_scores_settings_and_warnings(tmp_path: Path) -> None:
    one = evaluated(trained(tmp_path / "one", run_folder="outputs/one", where="outputs/one/checkpoints"))
    other = evaluated(
        trained(tmp_path / "other", seed=3, run_folder="outputs/other", where="outputs/other/checkpoints"), seed=3
    )
    path = other / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data": {"fingerprint": "0"}}))
    found = compare([read_run(one), read_run(other)])
    assert found.split == "test"
    assert found.settings == [("seed", ["0", "3"])]  # the folders' own names are no difference
    assert any("fingerprints" in warning for warning in found.warnings)
    (miou,) = [score for score in found.scores if score.name == "miou"]
    assert miou.values[miou.best] == max(value for value in miou.values if value is not None)
    (loss,) = [score for score in found.scores if score.name == "loss"]
    assert loss.best == -1  # they are the same
    assert found.classes[0][0] == "road"
    assert len(found.charts) == 3


def test_runs_are_compared_on_a_split_that_all_have(tmp_path: Path) -> None:
    one, other = trained(tmp_path / "a" / "run"), trained(tmp_path / "b" / "run")
    path = other / "result.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"metrics": {"val": content["metrics"]["val"] | {"loss": 0.1}}}))
    found = compare([read_run(one), read_run(other)])
    assert found.split == "val"
    assert found.names == ["run (1)", "run (2)"]
    (loss,) = [score for score in found.scores if score.name == "loss"]
    assert loss.best == 1  # the smaller


def test_a_run_that_has_just_begun_can_be_compared(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "config.yaml").write_text("seed: 9\n")
    path = make_report([begun, trained(tmp_path / "run")])
    assert path == begun / "comparison.html"
    assert "What differs" in path.read_text()


@pytest.mark.parametrize("content", ["[]", '{"metrics": 3}', "{"])
def test_broken_results_are_refused_or_left_out(tmp_path: Path, content: str) -> None:
    one, other = trained(tmp_path / "one"), trained(tmp_path / "other")
    (other / "result.json").write_text(content)
    assert "Learning curves" in make_report([one, other]).read_text()
