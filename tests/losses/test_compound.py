"""CompoundLoss: sums, shared activations, foreign terms."""

from collections import Counter, UserList
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from litseg.labels import Task
from litseg.losses import CompoundLoss, CrossEntropyLoss, DiceLoss, FocalLoss, JaccardLoss
from tests.losses.cases import MODES, make_labels, make_logits, make_void, value_and_gradient, with_void

ACTIVATIONS = {
    "multiclass": {"_softmax": 1},  # of the one chunk that so few pixels are
    "binary": {"log_sigmoid_forward": 2},  # log p and log(1 - p)
    "multilabel": {"log_sigmoid_forward": 2},
}


class CountActivations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in {"_softmax", "_log_softmax", "sigmoid", "log_sigmoid_forward"}:
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
    terms = {"b": torch.tensor(5.0), "a": torch.tensor(3.0)}
    assert compound.weighted_sum(terms).item() == 6.0
    compound.weights[1] = 1.0  # what a schedule does
    assert compound.weighted_sum(terms).item() == 11.0


def test_weights_are_saved_and_terms_are_registered() -> None:
    compound = CompoundLoss({"ce": (2.0, CrossEntropyLoss(class_weights=[1.0, 3.0])), "dice": (0.5, DiceLoss())})
    assert set(compound.state_dict()) == {"weights", "losses.ce.class_weights"}
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


def test_a_foreign_term_must_be_a_scalar() -> None:
    compound = CompoundLoss({"a": (1.0, nn.CrossEntropyLoss(reduction="none"))})
    with pytest.raises(ValueError, match=r"terms\['a'\]: got a result of shape \(2, 5, 6\), expected a scalar"):
        compound(make_logits("multiclass"), make_labels("multiclass"))
