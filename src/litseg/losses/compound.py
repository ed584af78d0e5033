"""A weighted sum of losses that share one activation of the logits."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from litseg.labels import Task
from litseg.losses.arguments import autocast_off
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Loss


class CompoundLoss(nn.Module):
    """sum_i weight_i term_i.

    A term is a loss of this package, or any module that maps (logits, target) to a scalar; such a module gets what the
    compound got, and `pixel_weights` as a keyword only where some were given. Terms of this package with the same mode
    and void label share one `LossInputs`, so the logits are activated once.

    Args:
        terms: name -> (weight, loss). Names become log keys; weights are >= 0.

    Attributes:
        weights: float buffer, in the order of `names`; a callback may change it in place to schedule the weights.

    Raises:
        ValueError: no terms, a name that is empty or holds a dot, a pair of another form, a negative weight, or a term
            of this package that does not reduce to a scalar.

    Example:
        >>> from litseg.losses import CrossEntropyLoss, DiceLoss
        >>> loss = CompoundLoss({"ce": (1.0, CrossEntropyLoss()), "dice": (0.5, DiceLoss())})
        >>> loss(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))  # log 2 + 0.5 * 0.5
        tensor(0.9431)
    """

    weights: Tensor

    def __init__(self, terms: Mapping[str, Sequence[float | nn.Module]]) -> None:
        super().__init__()
        if not terms:
            raise ValueError("terms: got none, expected a mapping of name -> (weight, loss)")
        pairs = {name: _pair(name, term) for name, term in terms.items()}
        self.losses = nn.ModuleDict({name: loss for name, (_, loss) in pairs.items()})
        self.register_buffer("weights", torch.tensor([weight for weight, _ in pairs.values()], dtype=torch.float32))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms, in order."""
        return tuple(self.losses)

    def forward(self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None = None) -> Tensor:
        """The weighted sum, a scalar."""
        return self.weighted_sum(self.terms(logits, target, pixel_weights))

    def terms(self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None = None) -> dict[str, Tensor]:
        """Every term as an unweighted scalar, for the log; `weighted_sum` makes the loss of them.

        Raises:
            ValueError: a term did not return a scalar.
        """
        shared = self._shared_inputs(logits, target, pixel_weights)
        values: dict[str, Tensor] = {}
        for name, loss in self.losses.items():
            if isinstance(loss, Loss):
                with autocast_off(logits.device):
                    values[name] = loss.compute(shared[loss.mode, loss.ignore_index])
            else:
                extra = {} if pixel_weights is None else {"pixel_weights": pixel_weights}
                values[name] = loss(logits, target, **extra)
            if values[name].ndim:
                shape = tuple(values[name].shape)
                raise ValueError(f"terms[{name!r}]: got a result of shape {shape}, expected a scalar")
        return values

    def weighted_sum(self, terms: Mapping[str, Tensor]) -> Tensor:
        """sum_i weight_i term_i of what `terms` returned."""
        values = torch.stack([terms[name] for name in self.names])
        return (self.weights.to(values.dtype) * values).sum()

    def _shared_inputs(
        self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None
    ) -> dict[tuple[Task, int], LossInputs]:
        ours = [loss for loss in self.losses.values() if isinstance(loss, Loss)]
        shared = {
            (mode, void): LossInputs(logits, target, pixel_weights, mode=mode, ignore_index=void)
            for mode, void in {(loss.mode, loss.ignore_index) for loss in ours}
        }
        for loss in ours:
            shared[loss.mode, loss.ignore_index].want(loss.needs)
        return shared


def _pair(name: str, term: Sequence[float | nn.Module]) -> tuple[float, nn.Module]:
    if not name or "." in name:
        raise ValueError(f"terms: got the name {name!r}, expected a name without a dot")
    if isinstance(term, str) or not isinstance(term, Sequence) or len(term) != 2:
        raise ValueError(f"terms[{name!r}]: got {term!r}, expected a pair (weight, loss)")
    weight, loss = term
    if not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0:
        raise ValueError(f"terms[{name!r}]: got the weight {weight!r}, expected a finite number >= 0")
    if not isinstance(loss, nn.Module):
        raise ValueError(f"terms[{name!r}]: got the loss {loss!r}, expected a torch.nn.Module")
    if isinstance(loss, Loss) and loss.reduction == "none":
        raise ValueError(f"terms[{name!r}]: got reduction='none', expected 'mean' or 'sum': a compound is a scalar")
    return float(weight), loss
