"""A metric that keeps a row of numbers for each image."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class PerImageMetric(Metric):
    """Rows of numbers, one an image, joined over batches and ranks; ranks may have uneven shares, or none.

    A child names its rows with `add_rows`, appends to the list of that name in `update`, and reads with `rows`. After
    a reduction over ranks the images stand in the order of the ranks, in all rows alike.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._none: dict[str, Tensor] = {}

    def add_rows(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """Keep a number array of this shape for each image, in a list of batches under this name."""
        self.add_state(name, [], dist_reduce_fx="cat")
        self._none[name] = torch.empty(0, *shape, dtype=dtype)

    def rows(self, name: str) -> Tensor:
        """All that was appended, (N, *shape); N may be 0."""
        state: Tensor | list[Tensor] = getattr(self, name)
        return torch.cat([self._none[name].to(self.device), *(state if isinstance(state, list) else [state])])

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Join the rows of all ranks; one without images gives rows of the right shape, which torchmetrics' do not."""
        for name in self._none:
            setattr(self, name, [self.rows(name)])
        super().sync(*args, **kwargs)

    def set_dtype(self, dst_type: str | torch.dtype) -> "PerImageMetric":
        """Do nothing: torchmetrics would turn the counts into floats, which stop counting."""
        return self


def mean_over_images(values: Tensor) -> Tensor:
    """Mean over the first dimension without NaN, in float64; the same bits in any order of the images.

    Args:
        values: (N, *shape).

    Returns:
        (*shape); NaN where no image has a value.
    """
    return values.double().sort(dim=0).values.nanmean(dim=0)


def named(score: str, values: Tensor, class_names: tuple[str, ...]) -> dict[str, Tensor]:
    """`<score>`, the mean over the classes that have a value, then `<score>/<class>`; values (C,)."""
    per_class = {f"{score}/{name}": value for name, value in zip(class_names, values.unbind(), strict=True)}
    return {score: values.nanmean(), **per_class}
