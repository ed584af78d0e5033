"""CompoundLoss: sums, shared activations, foreign terms."""

import math
from collections import Counter, UserList
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from litseg.labels import Task
from litseg.losses import CompoundLoss, CrossEntropyLoss, DiceLoss, FocalLoss, JaccardLoss
from litseg.losses.weight_schedule import Cosine, Linear, WeightSchedule
from tests.losses.cases import MODES, make_labels, make_logits, make_void, value_and_gradient, with_void

ACTIVATIONS = {
    "multiclass": {"exp2_": 1},  # of the one chunk that so few pixels are
    "binary": {"log_sigmoid_forward": 2},  # log p and log(1 - p)
    "multilabel": {"log_sigmoid_forward": 2},
}


class CountActivations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in {"softmax", "_softmax", "_log_softmax", "sigmoid", "log_sigmoid_forward", "exp2_"}:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def four_terms(mode: Task) -> dict[str, tuple[float, nn.Module]]:
    return {
        "dice": (1.0, DiceLoss(mode)),
        "iou": (0.5, JaccardLoss(mode)),
        "ce": (2.0, CrossEntropyLoss(mode)),
        "focal": (0.25, FocalLoss(mode)),
    }


@pytest.mark.parametrize("mode", MODES)
def test_is_the_weighted_sum_of_its_terms(mode: Task) -> None:
    terms = four_terms(mode)
    compound = CompoundLoss(terms)
    logits, target, weights = make_logits(mode), with_void(make_labels(mode), make_void()), torch.rand(2, 5, 6)
    separate = {name: value_and_gradient(loss, logits, target, weights) for name, (_, loss) in terms.items()}
    value, gradient = value_and_gradient(compound, logits, target, weights)
    assert_close(value, torch.stack([terms[name][0] * v for name, (v, _) in separate.items()]).sum())
    assert_close(gradient, torch.stack([terms[name][0] * g for name, (_, g) in separate.items()]).sum(0))
    for name, term in compound.terms(logits, target, weights).items():
        assert_close(term, separate[name][0])


@pytest.mark.parametrize("mode", MODES)
def test_the_logits_are_activated_once(mode: Task) -> None:
    with CountActivations() as seen:
        CompoundLoss(four_terms(mode))(make_logits(mode), make_labels(mode))
    assert dict(seen.counts) == ACTIVATIONS[mode]
    regions = {name: term for name, term in four_terms(mode).items() if name in {"dice", "iou"}}
    with CountActivations() as seen:
        CompoundLoss(regions)(make_logits(mode), make_labels(mode))
    assert seen.counts.total() == 1


def test_terms_with_another_void_label_do_not_share() -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    target[0, 0] = 255
    target[0, 1] = 77
    safe = target.masked_fill(target == 77, 255)
    compound = CompoundLoss({"a": (1.0, DiceLoss(ignore_index=255)), "b": (1.0, JaccardLoss(ignore_index=255))})
    both = compound(logits, safe)
    mixed = CompoundLoss({"a": (1.0, DiceLoss(ignore_index=-1)), "b": (1.0, JaccardLoss(ignore_index=255))})
    with pytest.raises((RuntimeError, IndexError)):
        mixed(logits, safe)  # 255 is no void label of the first term
    assert_close(both, DiceLoss()(logits, safe) + JaccardLoss()(logits, safe))


class Smoothness(nn.Module):
    """A user's own term, with pixel weights as a keyword."""

    def forward(self, logits: Tensor, _: Tensor, pixel_weights: Tensor | None = None) -> Tensor:
        difference = logits.diff(dim=-1).abs()
        return difference.mean() if pixel_weights is None else (difference * pixel_weights[:, None, :, 1:]).mean()


def test_foreign_terms_work() -> None:
    logits, target = make_logits("multiclass"), with_void(make_labels("multiclass"), make_void())
    torch_ce = nn.CrossEntropyLoss(ignore_index=255)
    compound = CompoundLoss({"torch": (1.0, torch_ce), "own": (0.1, Smoothness()), "dice": (1.0, DiceLoss())})
    expected = torch_ce(logits, target) + 0.1 * Smoothness()(logits, target) + DiceLoss()(logits, target)
    assert_close(compound(logits, target), expected)
    assert_close(compound.terms(logits, target)["torch"], CrossEntropyLoss()(logits, target))


def test_foreign_terms_get_pixel_weights_only_where_some_were_given() -> None:
    logits, target, weights = make_logits("multiclass"), make_labels("multiclass"), torch.rand(2, 5, 6)
    own = CompoundLoss({"own": (1.0, Smoothness())})
    assert_close(own(logits, target, weights), Smoothness()(logits, target, weights))
    with pytest.raises(TypeError, match="pixel_weights"):  # torch's loss cannot weigh pixels, and says so
        CompoundLoss({"torch": (1.0, nn.CrossEntropyLoss())})(logits, target, weights)


def test_compounds_nest() -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    inner = CompoundLoss({"ce": (2.0, CrossEntropyLoss())})
    outer = CompoundLoss({"inner": (0.5, inner), "dice": (1.0, DiceLoss())})
    assert_close(outer(logits, target), CrossEntropyLoss()(logits, target) + DiceLoss()(logits, target))


def test_weighted_sum_makes_the_loss_of_the_terms() -> None:
    compound = CompoundLoss({"a": (2.0, DiceLoss()), "b": (0.0, JaccardLoss())})
    assert compound.names == ("a", "b")
    assert compound.weights.tolist() == [2.0, 0.0]
    assert not compound.weights_change
    terms = {"b": torch.tensor(5.0), "a": torch.tensor(3.0)}
    assert compound.weighted_sum(terms).item() == 6.0


def test_scheduled_weights_follow_the_progress() -> None:
    compound = CompoundLoss({"a": (2.0, DiceLoss()), "b": (Linear(0.0, 3.0), JaccardLoss()),
                             "c": (Cosine(1.0, 0.5), CrossEntropyLoss())})  # fmt: skip
    assert compound.weights_change
    assert list(compound.parameters()) == []
    terms = {"a": torch.tensor(1.0), "b": torch.tensor(10.0), "c": torch.tensor(100.0)}
    for progress, weights in ((0.0, [2.0, 0.0, 1.0]), (0.5, [2.0, 1.5, 0.75]), (1.0, [2.0, 3.0, 0.5])):
        compound.set_progress(progress)
        assert compound.weights.tolist() == weights
        assert compound.weighted_sum(terms).item() == weights[0] + 10 * weights[1] + 100 * weights[2]
    state = compound.state_dict()
    assert list(state) == ["fixed_weights"]
    other = CompoundLoss({name: (Linear(0.0, 1.0), DiceLoss()) for name in "abc"})
    other.load_state_dict(state)
    assert other.weights.tolist() == [2.0, 3.0, 0.5]


def test_a_compound_among_the_terms_follows_too() -> None:
    inner = CompoundLoss({"dice": (Linear(0.0, 1.0), DiceLoss())})
    CompoundLoss({"inner": (1.0, inner)}).set_progress(0.25)
    assert inner.weights.tolist() == [0.25]


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan")])
def test_progress_is_a_share(progress: float) -> None:
    with pytest.raises(ValueError, match=r"progress: got .*, expected a share in \[0, 1\]"):
        CompoundLoss({"dice": (1.0, DiceLoss())}).set_progress(progress)


def test_an_own_schedule_must_give_a_weight() -> None:
    class Falling(WeightSchedule):
        def __call__(self, progress: float) -> float:
            return 0.5 - progress

    compound = CompoundLoss({"dice": (Falling(), DiceLoss())})
    compound.set_progress(0.5)
    with pytest.raises(ValueError, match=r"terms\['dice'\]: got the weight -0.5, expected a finite number >= 0"):
        compound.set_progress(1.0)


def test_learned_weights_by_hand() -> None:
    compound = CompoundLoss({"a": (2.0, DiceLoss()), "b": (1.0, JaccardLoss())}, learned=True)
    assert compound.weights_change
    assert list(compound.state_dict()) == ["log_variances"]
    assert_close(compound.weights, torch.tensor([2.0, 1.0]))
    terms = {"a": torch.tensor(3.0), "b": torch.tensor(5.0)}
    total = compound.weighted_sum(terms)
    assert_close(total, torch.tensor(2 * 3 + 5 - 0.5 * math.log(2.0)))
    total.backward()  # type: ignore[no-untyped-call]
    assert compound.log_variances is not None
    assert_close(compound.log_variances.grad, torch.tensor([0.5 - 2 * 3, 0.5 - 5]))


def test_learned_weights_converge_to_the_optimum() -> None:
    """Of constant terms l: s = log(2 l), so that the weight is 1 / (2 l)."""
    compound = CompoundLoss({"a": (1.0, DiceLoss()), "b": (1.0, JaccardLoss())}, learned=True)
    optimizer = torch.optim.SGD(compound.parameters(), lr=0.5)
    terms = {"a": torch.tensor(0.1), "b": torch.tensor(4.0)}
    for _ in range(100):
        optimizer.zero_grad()
        compound.weighted_sum(terms).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert compound.log_variances is not None
    assert_close(compound.log_variances.detach(), torch.tensor([0.2, 8.0]).log(), rtol=1e-4, atol=1e-4)
    assert_close(compound.weights.detach(), torch.tensor([5.0, 0.125]), rtol=1e-4, atol=1e-4)


def test_of_an_all_void_batch_only_the_log_variances_are_left() -> None:
    logits = make_logits("multiclass").requires_grad_()
    void = torch.full((2, 5, 6), 255)
    compound = CompoundLoss({"a": (2.0, DiceLoss()), "b": (1.0, JaccardLoss())}, learned=True)
    total = compound(logits, void)
    assert_close(total, torch.tensor(-0.5 * math.log(2.0)))
    total.backward()
    assert logits.grad is not None
    assert not logits.grad.any()
    assert compound.log_variances is not None
    assert_close(compound.log_variances.grad, torch.tensor([0.5, 0.5]))


def test_weights_are_saved_and_terms_are_registered() -> None:
    compound = CompoundLoss({"ce": (2.0, CrossEntropyLoss(class_weights=[1.0, 3.0])), "dice": (0.5, DiceLoss())})
    assert set(compound.state_dict()) == {"fixed_weights", "losses.ce.class_weights"}
    other = CompoundLoss({"ce": (1.0, CrossEntropyLoss(class_weights=[1.0, 1.0])), "dice": (1.0, DiceLoss())})
    other.load_state_dict(compound.state_dict())
    assert other.weights.tolist() == [2.0, 0.5]


def test_a_pair_may_be_any_sequence() -> None:
    pair: Any = UserList([1, DiceLoss()])  # what a config library makes of a YAML list
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    assert_close(CompoundLoss({"dice": pair})(logits, target), DiceLoss()(logits, target))


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, r"terms: got none, expected a mapping of name -> \(weight, loss\)"),
        ({"a.b": (1.0, DiceLoss())}, "terms: got the name 'a.b'"),
        ({"": (1.0, DiceLoss())}, "terms: got the name ''"),
        ({"a": DiceLoss()}, r"terms\['a'\]: got DiceLoss.*, expected a pair"),
        ({"a": (1.0, DiceLoss(), 3)}, r"terms\['a'\]: .* expected a pair"),
        ({"a": (-1.0, DiceLoss())}, r"terms\['a'\]: got the weight -1.0, expected a finite number >= 0"),
        ({"a": (float("nan"), DiceLoss())}, "got the weight nan"),
        ({"a": (DiceLoss(), 1.0)}, "got the weight DiceLoss"),
        ({"a": (1.0, "dice")}, "got the loss 'dice', expected a torch.nn.Module"),
        ({"a": (1.0, DiceLoss(reduction="none"))}, "got reduction='none', expected 'mean' or 'sum'"),
    ],
)
def test_a_wrong_term_is_named(terms: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CompoundLoss(terms)


@pytest.mark.parametrize("weight", [0.0, Linear(1.0, 0.0)])
def test_a_learned_weight_begins_at_a_number_above_0(weight: float | Linear) -> None:
    with pytest.raises(ValueError, match=r"terms\['a'\]: got the weight (0.0|Linear\(.*\)), expected a number > 0"):
        CompoundLoss({"a": (weight, DiceLoss())}, learned=True)


def test_a_foreign_term_must_be_a_scalar() -> None:
    compound = CompoundLoss({"a": (1.0, nn.CrossEntropyLoss(reduction="none"))})
    with pytest.raises(ValueError, match=r"terms\['a'\]: got a result of shape \(2, 5, 6\), expected a scalar"):
        compound(make_logits("multiclass"), make_labels("multiclass"))
