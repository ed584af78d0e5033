"""The metric of boundaries: Boundary IoU, boundary F1, Hausdorff 95 and average surface distance."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.metrics.boundary import Labels, boundary_counts
from litseg.metrics.inputs import check_settings
from litseg.metrics.per_image import PerImageMetric, mean_over_images, named
from litseg.metrics.surface_distance import average_symmetric_distance, hausdorff95, matches, surface_distances

Unit = Literal["diagonal", "pixels"]


class BoundaryMetrics(PerImageMetric):
    """Scores of boundaries, of the data set and of images; exact under any split into batches and ranks.

    Void belongs to no class: it is neither boundary nor prediction, and a class ends where it begins.

    Args:
        class_names: as in `SegmentationMetrics`.
        task: see `litseg.labels.Task`.
        width: of the boundary region of Boundary IoU; 0.02 of the diagonal is the authors'.
        tolerance: within which contours match in boundary F1; 0.0075 of the diagonal is the authors'.
        unit: of both: share of the image's diagonal, or pixels.
        ignore_index: the void label.
        **kwargs: settings of `torchmetrics.Metric`.

    Raises:
        ValueError: names or void label that do not fit, an unknown unit, a width or tolerance below 0.
    """

    regions: list[Tensor]
    contours: list[Tensor]
    distances: list[Tensor]

    def __init__(
        self,
        class_names: Sequence[str],
        task: Task,
        width: float = 0.02,
        tolerance: float = 0.0075,
        unit: Unit = "diagonal",
        ignore_index: int = IGNORE_INDEX,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.class_names, self.ignore_index = tuple(class_names), ignore_index
        check_settings(self.class_names, task, ignore_index)
        self.task: Task = task
        if unit not in ("diagonal", "pixels") or width < 0 or tolerance < 0:
            got = f"unit {unit!r}, width {width}, tolerance {tolerance}"
            raise ValueError(f"boundary: got {got}, expected diagonal or pixels, and 0 or more")
        self.width, self.tolerance, self.unit = width, tolerance, unit
        classes = len(self.class_names)
        self.add_rows("regions", (classes, 2), torch.int32)
        self.add_rows("contours", (classes, 4), torch.int32)
        self.add_rows("distances", (classes, 2), torch.float32)  # not 64, which not every device has

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Measure each image of a batch, on the CPU.

        Args:
            prediction: labels (N, H, W), see `predicted_labels`; multilabel (N, C, H, W).
            target: labels of the same shape.

        Raises:
            ValueError: images that are not two-dimensional.
        """
        if target.ndim != (4 if self.task == "multilabel" else 3):
            raise ValueError(f"target: got shape {tuple(target.shape)}, expected images of height and width")
        for truth, said in zip(*self._label_maps(prediction, target), strict=True):
            regions, contours, distances = self._image(truth, said)
            self.regions.append(torch.from_numpy(regions).int().to(self.device).unsqueeze(0))
            self.contours.append(torch.tensor(contours, dtype=torch.int32, device=self.device).unsqueeze(0))
            self.distances.append(torch.tensor(distances, dtype=torch.float32, device=self.device).unsqueeze(0))

    def _label_maps(self, prediction: Tensor, target: Tensor) -> tuple[Labels, Labels]:
        """Truth and prediction (N, maps, H, W), void under the number after the last class in both."""
        maps = [target, prediction] if self.task == "multilabel" else [target.unsqueeze(1), prediction.unsqueeze(1)]
        void = maps[0] == self.ignore_index
        kind = torch.uint8 if self._classes < 255 else torch.uint16  # what OpenCV filters
        truth, said = (each.masked_fill(void, self._classes).to(kind).cpu().numpy() for each in maps)
        return truth, said

    @property
    def _classes(self) -> int:
        return 2 if self.task == "multilabel" else len(self.class_names)

    def _image(self, truth: Labels, said: Labels) -> tuple[Any, Any, Any]:
        """Region counts (C, 2), contour counts (C, 4), distances (C, 2) of an image's maps."""
        scale = float(np.hypot(*truth.shape[1:])) if self.unit == "diagonal" else 1.0
        width = max(1, round(self.width * scale))
        regions, surfaces = [], []
        for each in zip(truth, said, strict=True):
            kept = slice(1, 2) if self.task == "multilabel" else slice(None)  # "absent" is no class there
            regions.append(boundary_counts(*each, self._classes, width)[kept])
            surfaces += surface_distances(*each, self._classes)[kept]
        contours = [matches(surface, self.tolerance * scale) for surface in surfaces]
        distances = [(hausdorff95(surface), average_symmetric_distance(surface)) for surface in surfaces]
        return np.concatenate(regions), contours, distances

    def compute(self) -> dict[str, Tensor]:
        """All scores of what was measured, see `boundary_scores`."""
        regions, contours, distances = (self.rows(name).cpu() for name in ("regions", "contours", "distances"))
        return boundary_scores(regions, contours, distances, self.class_names)


def boundary_f1(contours: Tensor) -> Tensor:
    """The BF score 2 P R / (P + R), float64; Csurka et al. 2013.

    P is the share of the prediction's contour that is within the tolerance of the truth's, R the other way round.

    Args:
        contours: counts (..., 4), see `matches`.

    Returns:
        (...): 0 where one side has no contour, NaN where neither has.
    """
    said_right, said, true_found, true = contours.double().unbind(-1)
    precision, recall = said_right / said.clamp(min=1), true_found / true.clamp(min=1)
    score = 2 * precision * recall / (precision + recall)
    return score.nan_to_num(0).where(said + true > 0, torch.nan)


def boundary_scores(
    regions: Tensor, contours: Tensor, distances: Tensor, class_names: Sequence[str]
) -> dict[str, Tensor]:
    """Scores from what was measured in each image.

    Args:
        regions: integers (N, C, 2): intersection and union of the boundary regions.
        contours: integers (N, C, 4), see `matches`.
        distances: float (N, C, 2): Hausdorff 95 and average symmetric surface distance in pixels, NaN where undefined.
        class_names: C names.

    Returns:
        Each as a mean over classes and `/<class>`: `boundary_iou` and `bf` of counts summed over the data set;
        `hausdorff95` and `asd`, means over those images where truth and prediction have the class. Where only one of
        them has it there is no distance: `surface_missing/<class>` says in how many images.
        `image_boundary_iou` and `image_bf` are means over images of the image's mean over its classes;
        `/<class>`, over those images that have the class.
    """
    names = tuple(class_names)
    result: dict[str, Tensor] = {}
    for score, counts, ratio in (("boundary_iou", regions, _ratio), ("bf", contours, boundary_f1)):
        of_images = ratio(counts)
        result |= named(score, ratio(counts.sum(0)), names)
        result |= named(f"image_{score}", mean_over_images(of_images), names)
        result[f"image_{score}"] = mean_over_images(of_images.nanmean(1))
    for index, score in enumerate(("hausdorff95", "asd")):
        result |= named(score, mean_over_images(distances[..., index]), names)
    one_side = ((contours[..., 1] > 0) != (contours[..., 3] > 0)).sum(0)
    return result | {f"surface_missing/{name}": count for name, count in zip(names, one_side.unbind(), strict=True)}


def _ratio(regions: Tensor) -> Tensor:
    return regions[..., 0].double() / regions[..., 1]
