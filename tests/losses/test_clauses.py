"""clauses.yaml: which clause holds for which loss. Exceptions are tested too, so that none outlives its reason."""

from collections.abc import Callable
from importlib.resources import files

import pytest
import torch
import yaml
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing import assert_close

import litseg.losses
from litseg.labels import Task
from litseg.losses import CompoundLoss, DiceLoss, JaccardLoss, RegionLoss
from tests.losses.cases import MODES, PLAIN, make_labels, make_logits, make_void, soft_target, with_void

TABLE = yaml.safe_load((files(litseg.losses) / "clauses.yaml").read_text())
everywhere = pytest.mark.parametrize("mode", MODES)
Check = Callable[[str, Task], None]


def soft_targets(name: str, mode: Task) -> None:
    target = soft_target(mode)
    best = (target.log() if mode == "multiclass" else torch.logit(target)).requires_grad_()
    loss = PLAIN[name](mode)
    smallest = loss(best, target)
    for seed in range(20):
        noise = 10.0 ** -(seed % 4) * make_logits(mode, seed=seed, dtype=torch.float64)
        assert loss(best + noise, target) > smallest


def pixel_weights(name: str, mode: Task) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    weights = torch.randint(0, 3, (2, 5, 6), generator=torch.Generator().manual_seed(1))
    pixels, labels = logits.movedim(1, -1).flatten(0, 2), target
    labels = target.movedim(1, -1).flatten(0, 2) if mode == "multilabel" else target.flatten()
    repeats = weights.flatten()
    pixels, labels = pixels.repeat_interleave(repeats, 0), labels.repeat_interleave(repeats, 0)
    repeated = PLAIN[name](mode)(pixels.T[None], labels.T[None] if mode == "multilabel" else labels[None])
    assert_close(PLAIN[name](mode)(logits, target, weights), repeated)


def none(name: str, mode: Task) -> None:
    arguments = make_logits(mode), with_void(make_labels(mode), make_void()), torch.rand(2, 5, 6)
    each = PLAIN[name](mode, reduction="none")(*arguments)
    assert each.ndim > 0
    assert_close(each.sum(), PLAIN[name](mode, reduction="sum")(*arguments))


def class_permutation(name: str, mode: Task) -> None:
    logits, target, weights = make_logits(mode), make_labels(mode), torch.tensor([0.5, 1.0, 2.0, 3.0])
    order = torch.tensor([2, 0, 3, 1])
    if mode == "binary":  # renaming background and foreground
        if isinstance(PLAIN[name](mode), RegionLoss | CompoundLoss):
            return  # a region loss of binary mode is about the foreground alone
        renamed = PLAIN[name](mode, class_weights=[2.0, 0.5])(-logits, 1 - target)
        assert_close(renamed, PLAIN[name](mode, class_weights=[0.5, 2.0])(logits, target))
        return
    renamed_target = order.argsort()[target] if mode == "multiclass" else target[:, order]
    renamed = PLAIN[name](mode, class_weights=weights[order])(logits[:, order], renamed_target)
    assert_close(renamed, PLAIN[name](mode, class_weights=weights)(logits, target))


def pixel_permutation(name: str, mode: Task) -> None:
    logits, target = make_logits(mode), with_void(make_labels(mode), make_void())
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    moved = logits.flatten(2)[..., order], target.flatten(-2)[..., order]
    assert_close(PLAIN[name](mode)(*moved), PLAIN[name](mode)(logits, target))


def concatenation(name: str, mode: Task) -> None:
    check_concatenation(PLAIN[name](mode, reduction="sum"), mode)


def check_concatenation(loss: torch.nn.Module, mode: Task) -> None:
    logits, target = make_logits(mode, images=5), with_void(make_labels(mode, images=5), make_void(images=5))
    assert_close(loss(logits[:2], target[:2]) + loss(logits[2:], target[2:]), loss(logits, target))


def no_host_sync(name: str, mode: Task) -> None:
    """A fake tensor has no values: reading one on the host raises."""
    loss = PLAIN[name](mode)
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        logits = fake.from_tensor(make_logits(mode)).requires_grad_()
        loss(logits, fake.from_tensor(make_labels(mode)), fake.from_tensor(torch.ones(2, 5, 6))).backward()


CHECKS: dict[str, Check] = {
    "soft_targets": soft_targets,
    "pixel_weights": pixel_weights,
    "none": none,
    "class_permutation": class_permutation,
    "pixel_permutation": pixel_permutation,
    "concatenation": concatenation,
    "no_host_sync": no_host_sync,
}


def test_the_table_speaks_of_every_loss_and_every_check() -> None:
    assert set(TABLE["clauses"]) == set(CHECKS)
    assert set(TABLE["losses"]) == set(PLAIN)
    public = {name for name in litseg.losses.__all__ if name.endswith("Loss")}
    assert set(TABLE["losses"]) == public - {"Loss", "PixelLoss", "RegionLoss"}
    for name, exceptions in TABLE["exceptions"].items():
        assert name in PLAIN
        assert set(exceptions) <= set(CHECKS)
        assert all(exceptions.values()), "every exception says why"


EXCEPTIONS = [(name, clause) for name, clauses in TABLE["exceptions"].items() for clause in clauses]
HOLDS = [(name, clause) for name in TABLE["losses"] for clause in TABLE["clauses"] if (name, clause) not in EXCEPTIONS]


@everywhere
@pytest.mark.parametrize(("name", "clause"), HOLDS)
def test_clause(name: str, clause: str, mode: Task) -> None:
    CHECKS[clause](name, mode)


@pytest.mark.parametrize(("name", "clause"), EXCEPTIONS)
def test_an_exception_is_true_of_some_mode(name: str, clause: str) -> None:
    held = []
    for mode in MODES:
        try:
            CHECKS[clause](name, mode)
        except (AssertionError, ValueError, RuntimeError):  # the last: a fake tensor that is read on the host
            continue
        held.append(mode)
    assert len(held) < len(MODES), "the clause holds: the exception can go"


@everywhere
@pytest.mark.parametrize("kind", [DiceLoss, JaccardLoss])
def test_region_losses_of_images_add_up_as_their_exception_says(kind: type[DiceLoss], mode: Task) -> None:
    check_concatenation(kind(mode, over="image", reduction="sum"), mode)
