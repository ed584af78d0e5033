"""A weighted sum of losses that share one activation of the logits."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from litseg.labels import Task
from litseg.losses.arguments import autocast_off
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Loss
from litseg.losses.weight_schedule import WeightSchedule, check_weight


class CompoundLoss(nn.Module):
    """sum_i weight_i term_i.

    A term is a loss of this package, or any module that maps (logits, target) to a scalar; such a module gets what the
    compound got, and `pixel_weights` as a keyword only where some were given. Terms of this package with the same mode
    and void label share one `LossInputs`, so the logits are activated once.

    A weight is a number; a schedule, which `set_progress` follows over training (`training` calls it before each step);
    or learned with the network (`learned=True`), where exp(-s) is the weight and s, a log variance, a parameter:

        sum_i exp(-s_i) term_i + s_i / 2

    That is Kendall et al., CVPR 2018, section 3.2, for likelihoods such as cross-entropy, s = log(sigma^2). For a
    constant term the best s is log(2 term), so that every weighted term comes to 1/2. The sum may be negative, and of
    an all-void batch sum_i s_i / 2 is left, which moves no logits. The s_i must not decay.

    Args:
        terms: name -> (weight, loss). Names become log keys; weights are numbers >= 0 or schedules.
        learned: learn the weights; they begin at the numbers given, which are then > 0.

    Raises:
        ValueError: no terms, a name that is empty or holds a dot, a pair of another form, a weight below 0, a learned
            one that is 0 or scheduled, or a term of this package that does not reduce to a scalar.

    Example:
        >>> from litseg.losses import CrossEntropyLoss, DiceLoss
        >>> loss = CompoundLoss({"ce": (1.0, CrossEntropyLoss()), "dice": (0.5, DiceLoss())})
        >>> loss(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))  # log 2 + 0.5 * 0.5
        tensor(0.9431)
    """

    fixed_weights: Tensor | None
    log_variances: nn.Parameter | None

    def __init__(
        self, terms: Mapping[str, Sequence[float | WeightSchedule | nn.Module]], learned: bool = False
    ) -> None:
        super().__init__()
        if not terms:
            raise ValueError("terms: got none, expected a mapping of name -> (weight, loss)")
        pairs = {name: _pair(name, term, learned) for name, term in terms.items()}
        self.losses = nn.ModuleDict({name: loss for name, (_, loss) in pairs.items()})
        self.schedules = {name: weight for name, (weight, _) in pairs.items() if isinstance(weight, WeightSchedule)}
        numbers = [0.0 if isinstance(weight, WeightSchedule) else weight for weight, _ in pairs.values()]
        weights = torch.tensor(numbers, dtype=torch.float32)
        self.register_parameter("log_variances", nn.Parameter(-weights.log()) if learned else None)
        self.register_buffer("fixed_weights", None if learned else weights)
        self.set_progress(0.0)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms, in order."""
        return tuple(self.losses)

    @property
    def weights(self) -> Tensor:
        """Current weights in the order of `names`, given, scheduled or learned; saved with the module's state."""
        if self.log_variances is not None:
            return torch.exp(-self.log_variances)
        assert self.fixed_weights is not None
        return self.fixed_weights

    @property
    def weights_change(self) -> bool:
        """Whether any weight is scheduled or learned."""
        return bool(self.schedules) or self.log_variances is not None

    def set_progress(self, progress: float) -> None:
        """Set the scheduled weights, those of compounds among the terms included.

        Args:
            progress: the share of training that is behind, in [0, 1].

        Raises:
            ValueError: `progress` outside [0, 1], or a schedule that gives no finite number >= 0.
        """
        if not 0 <= progress <= 1:
            raise ValueError(f"progress: got {progress!r}, expected a share in [0, 1]")
        for name, schedule in self.schedules.items():  # fill_ does not wait for the device, as a copy would
            self.weights[self.names.index(name)].fill_(check_weight(f"terms[{name!r}]", schedule(progress)))
        for loss in self.losses.values():
            if isinstance(loss, CompoundLoss):
                loss.set_progress(progress)

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
        """The loss of what `terms` returned: sum_i weight_i term_i, and sum_i s_i / 2 where the weights are learned."""
        values = torch.stack([terms[name] for name in self.names])
        total = (self.weights.to(values.dtype) * values).sum()
        return total if self.log_variances is None else total + self.log_variances.to(values.dtype).sum() / 2

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


def _pair(
    name: str, term: Sequence[float | WeightSchedule | nn.Module], learned: bool
) -> tuple[float | WeightSchedule, nn.Module]:
    if not name or "." in name:
        raise ValueError(f"terms: got the name {name!r}, expected a name without a dot")
    if isinstance(term, str) or not isinstance(term, Sequence) or len(term) != 2:
        raise ValueError(f"terms[{name!r}]: got {term!r}, expected a pair (weight, loss)")
    weight, loss = term
    if not isinstance(weight, WeightSchedule):
        weight = check_weight(f"terms[{name!r}]", weight)
    if learned and (isinstance(weight, WeightSchedule) or weight == 0):
        raise ValueError(f"terms[{name!r}]: got the weight {weight!r}, expected a number > 0 where weights are learned")
    if not isinstance(loss, nn.Module):
        raise ValueError(f"terms[{name!r}]: got the loss {loss!r}, expected a torch.nn.Module")
    if isinstance(loss, Loss) and loss.reduction == "none":
        raise ValueError(f"terms[{name!r}]: got reduction='none', expected 'mean' or 'sum': a compound is a scalar")
    return weight, loss
