from pathlib import Path

import pytest

from litseg.cli.errors import UserError
from litseg.cli.table.scores import refuse_misspelt_columns
from tests.cli.table.test_cells import wanted


@pytest.mark.parametrize("score", ["test/iou/dot", "test/bf", "val/loss", "val/loss/ce", "test/batch_iou/wire"])
def test_scores_that_cells_have(score: str, tmp_path: Path) -> None:
    refuse_misspelt_columns(wanted(tmp_path, [f"columns.miou.score={score}"])[0])


@pytest.mark.parametrize("score", ["train/miou", "val/bf", "val/batch_iou/wire"])
def test_scores_of_splits_that_nobody_evaluates(score: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no cell has the score '{score}'"):
        refuse_misspelt_columns(wanted(tmp_path, [f"columns.miou.score={score}"])[0])


@pytest.mark.parametrize(
    ("score", "near"), [("test/miuo", "test/miou"), ("test/iou/dott", "test/iou/dot"), ("miou", "test/miou")]
)
def test_one_that_none_has_is_refused_before_anything_is_trained(score: str, near: str, tmp_path: Path) -> None:
    spec, _ = wanted(tmp_path, [f"columns.miou.score={score}"])
    with pytest.raises(UserError, match=r"columns\.miou: no cell has the score") as caught:
        refuse_misspelt_columns(spec)
    assert near in str(caught.value)


def test_what_is_not_measured_is_not_there(tmp_path: Path) -> None:
    spec, _ = wanted(tmp_path, ["evaluate=['metrics=[]']"])
    with pytest.raises(UserError, match="test/bf"):
        refuse_misspelt_columns(spec)
