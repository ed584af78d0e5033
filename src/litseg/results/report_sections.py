"""What a report shows of a run: key figures, curves, tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from litseg.results.confusion_table import ConfusionTable, confusion_tables
from litseg.results.line_chart import Chart, Point, bar_chart, line_chart
from litseg.results.recorded_run import Evaluation, number
from litseg.results.report_pictures import Sample, samples

T = TypeVar("T")
UNIT = (0.0, 1.0)
BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, OSError)
"""What a file that is not as litseg writes it can raise here."""
NAMES = {
    "miou": "mIoU", "mdice": "mean Dice", "pixel_accuracy": "pixel accuracy", "fwiou": "frequency-weighted IoU",
    "image_miou": "mean of the images' mIoU", "image_mdice": "mean of the images' Dice", "ece": "calibration error",
    "iou": "IoU", "dice": "Dice", "boundary_iou": "boundary IoU", "bf": "boundary F1", "hausdorff95": "Hausdorff 95",
    "asd": "surface distance", "average_precision": "average precision", "auc": "AUC", "mcc": "MCC",
}  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """A class: its share 0 to 1 and its interval, None where there is none."""

    name: str
    colour: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class EvaluationSection:
    """What a report shows of an evaluation."""

    split: str
    evaluated: bool
    source: str
    legend: list[tuple[str, str]]
    bars: list[Bar]
    columns: list[str]
    classes: list[dict[str, str]]
    images: list[dict[str, str]]
    confusion: list[ConfusionTable] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    class_curves: list[Chart] = field(default_factory=list)
    curve_classes: list[str] = field(default_factory=list)
    reliability: list[Chart] = field(default_factory=list)
    ece: float | None = None


def tolerant(problems: list[str], what: str, make: Callable[[], list[T]]) -> list[T]:
    """What `make` makes; where a file is broken nothing, and a line in `problems`."""
    try:
        return make()
    except BROKEN as error:
        problems.append(f"{what} cannot be shown: {str(error)[:200]}")
        return []


def evaluation_section(evaluation: Evaluation, problems: list[str]) -> EvaluationSection:
    """Everything of an evaluation that can be shown."""
    palette = evaluation.result.get("palette")
    names = [
        str(name) for name in evaluation.result.get("class_names") or [row.get("class") for row in evaluation.classes]
    ]
    colours = tolerant(problems, "palette", lambda: _colours(palette or []))
    legend = list(zip(names, colours, strict=False))
    bars = [_bar(row, dict(legend)) for row in evaluation.classes]
    section = EvaluationSection(
        evaluation.split,
        evaluation.folder is not None,
        ", ".join(tolerant(problems, "result.json", lambda: _source(evaluation.result))),
        legend,
        bars,
        _columns(evaluation.classes),
        evaluation.classes,
        evaluation.images[:10],
        tolerant(problems, "confusion.json", lambda: _confusion(evaluation, names)),
        tolerant(problems, "samples", lambda: samples(evaluation)),
    )
    return next(iter(tolerant(problems, "curves.json", lambda: [_with_curves(section, evaluation)])), section)


def _source(result: dict[str, Any]) -> list[str]:
    """Of what data and checkpoint the numbers are."""
    data, checkpoint = result.get("data") or {}, result.get("checkpoint") or {}
    images = f"{data['samples']} images" if number(data.get("samples")) is not None else ""
    entries = (images, data.get("name"), checkpoint.get("file"), result.get("device"), result.get("precision"))
    return [str(entry) for entry in entries if entry]


def _confusion(evaluation: Evaluation, names: list[str]) -> list[ConfusionTable]:
    return confusion_tables(evaluation.matrix, names) if evaluation.matrix else []


def _colours(palette: Sequence[Sequence[Any]]) -> list[str]:
    return [f"rgb({int(red)} {int(green)} {int(blue)})" for red, green, blue in palette]


def _bar(row: dict[str, str], colours: dict[str, str]) -> Bar:
    name = row.get("class", "")
    value, low, high = (_share(row.get(key)) for key in ("iou", "iou_low", "iou_high"))
    return Bar(name, colours.get(name, ""), value, low, high)


def _share(value: Any) -> float | None:
    found = number(value)
    return None if found is None else min(1.0, max(0.0, found))


def _columns(rows: list[dict[str, str]]) -> list[str]:
    """Those with a number in some row; intervals are shown with their bars."""
    columns = [column for column in (rows[0] if rows else {}) if column not in ("class", "iou_low", "iou_high")]
    return [column for column in columns if any(number(row.get(column)) is not None for row in rows)]


def _with_curves(section: EvaluationSection, evaluation: Evaluation) -> EvaluationSection:
    curves = evaluation.curves
    recall, dice = curves.get("precision_recall") or {}, curves.get("threshold_dice") or {}
    best = {
        row.get("class", ""): found for row in evaluation.classes if (found := number(row.get("threshold"))) is not None
    }
    by_threshold = {
        kind: {name: _points(each, "thresholds", kind) for name, each in dice.items()} for kind in ("dice", "iou")
    }
    by_recall = {name: _points(each, "recall", "precision") for name, each in recall.items()}
    charts = [
        line_chart("Precision and recall", by_recall, "recall", UNIT, UNIT),
        line_chart("Dice by threshold", by_threshold["dice"], "threshold", UNIT, UNIT, best),
        line_chart("IoU by threshold", by_threshold["iou"], "threshold", UNIT, UNIT, best),
    ]
    reliability = curves.get("reliability") or {}
    return replace(
        section,
        class_curves=[chart for chart in charts if chart is not None],
        curve_classes=[str(name) for name in curves.get("classes") or list(dice or recall)],
        reliability=_reliability(reliability) if reliability else [],
        ece=number(reliability.get("ece")),
    )


def _points(columns: dict[str, list[Any]], across: str, up: str) -> list[Point]:
    """Ascending in x; a threshold fewer than precisions, as scikit-learn counts them, does no harm."""
    pairs = ((number(x), number(y)) for x, y in zip(columns[across], columns[up], strict=False))
    return sorted((x, y) for x, y in pairs if x is not None and y is not None)


def _reliability(found: dict[str, Any]) -> list[Chart]:
    counts = [int(count) for count in found["count"]]
    total = sum(counts) or 1
    accuracy = [_share(value) if count else None for value, count in zip(found["accuracy"], counts, strict=True)]
    texts = [
        f"{100 * (right or 0):.1f} % right where {100 * (number(sure) or 0):.1f} % sure: {count:,} pixels"
        for right, sure, count in zip(accuracy, found["confidence"], counts, strict=True)
    ]
    full = [text for text, count in zip(texts, counts, strict=True) if count]
    shares = [count / total for count in counts]
    return [
        bar_chart("Reliability", f"Share of right pixels by confidence: {'; '.join(full)}", accuracy, texts,
                  "confidence; dashed: as sure as right", True),
        bar_chart("How sure it is", "Share of pixels by confidence", shares, texts, "confidence", False),
    ]  # fmt: skip
