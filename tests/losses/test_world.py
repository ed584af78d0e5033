"""over="world": two ranks give the gradient of one process on the joined batch."""

import pytest
import torch

from litseg.losses import CrossEntropyLoss, DiceLoss
from litseg.losses.world import world_sum
from tests.losses.cases import make_labels, make_logits
from tests.losses.two_ranks import measure


def test_two_ranks_give_the_gradient_of_the_joined_batch() -> None:
    rows = measure()
    assert len(rows) == 36
    for row in rows:
        assert float(row["world"]) < {"float64": 1e-10, "float32": 1e-5}[str(row["dtype"])], row
    # over="batch" does not, or the test would show nothing
    assert all(float(row["batch"]) > 1e-2 for row in rows)


def test_one_process_is_its_own_world() -> None:
    values = torch.rand(3)
    assert world_sum(values) is values
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    for kind in (DiceLoss, CrossEntropyLoss):
        torch.testing.assert_close(kind(over="world")(logits, target), kind()(logits, target))


@pytest.mark.parametrize("kind", [DiceLoss, CrossEntropyLoss])
def test_the_world_ends_with_training(
    kind: type[DiceLoss] | type[CrossEntropyLoss], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    with pytest.raises((RuntimeError, ValueError), match="process group"):  # it asks the other ranks
        kind(over="world")(logits, target)
    assert kind(over="world").eval()(logits, target).isfinite()
