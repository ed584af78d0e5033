"""Agreement beyond chance: Cohen's kappa and Matthews' correlation coefficient."""

from collections.abc import Sequence

import torch
from torch import Tensor


def agreement(confusion: Tensor, class_names: Sequence[str]) -> dict[str, Tensor]:
    """Cohen's kappa and the multiclass MCC of a confusion matrix, float64.

    With the shares t_c of the truth, p_c of the prediction and the share a of what is right, e = sum t_c p_c:

        kappa = (a - e) / (1 - e)                                            Cohen 1960
        mcc = (a - e) / sqrt((1 - sum t_c^2) (1 - sum p_c^2))                Gorodkin 2004

    Args:
        confusion: integer counts (C, C), rows the truth; or (C, 2, 2), one [absent, present] matrix a class.
        class_names: C names.

    Returns:
        `kappa`, `mcc`; of (C, 2, 2) their means over classes, and `kappa/<class>`, `mcc/<class>`. NaN where the
        denominator is 0: everything is one class.

    Example:
        >>> result = agreement(torch.tensor([[20, 5], [10, 15]]), ["no", "yes"])
        >>> print(f"{result['kappa']:.3f} {result['mcc']:.3f}")
        0.400 0.408
    """
    if confusion.ndim == 2:
        kappa, mcc = _kappa_and_mcc(confusion)
        return {"kappa": kappa, "mcc": mcc}
    each = [_kappa_and_mcc(matrix) for matrix in confusion.unbind()]
    result = {}
    for index, score in enumerate(("kappa", "mcc")):
        values = [pair[index] for pair in each]
        result[score] = torch.stack(values).nanmean()
        result |= {f"{score}/{name}": value for name, value in zip(class_names, values, strict=True)}
    return result


def _kappa_and_mcc(confusion: Tensor) -> tuple[Tensor, Tensor]:
    shares = confusion.double() / confusion.sum()
    truth, prediction = shares.sum(1), shares.sum(0)
    by_chance = (truth * prediction).sum()
    covariance = shares.diagonal().sum() - by_chance
    # sum t_c (1 - t_c) is 1 - sum t_c^2, but 0 where all is one class, without rounding
    spread = (_spread(truth) * _spread(prediction)).sqrt()
    return covariance / (1 - by_chance), covariance / spread


def _spread(shares: Tensor) -> Tensor:
    return (shares * (1 - shares)).sum()
