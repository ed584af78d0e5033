"""Two or more runs side by side: scores, what differs between their settings, curves, classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litseg.results.learning_curves import curve
from litseg.results.line_chart import Chart, line_chart
from litseg.results.recorded_run import Evaluation, RecordedRun, number
from litseg.results.report_sections import Bar
from litseg.results.run_folder import NOT_THE_EXPERIMENT

SMALLER_IS_BETTER = ("loss", "hausdorff95", "asd", "ece", "calibration_error")


@dataclass(frozen=True)
class Score:
    """A metric of several runs. `best`: whose value is; -1 where none is better than all others."""

    name: str
    values: list[float | None]
    intervals: list[tuple[float, float] | None]
    best: int


@dataclass(frozen=True)
class Comparison:
    """What a report shows of several runs.

    Attributes:
        names: of the runs, all different.
        split: of which the scores are; empty where the runs share none.
        warnings: why their numbers may not be comparable.
        scores: whole-set metrics.
        settings: key, and what each run says.
        charts: a line a run.
        classes: name, and a bar a run.
    """

    names: list[str]
    split: str
    warnings: list[str]
    scores: list[Score]
    settings: list[tuple[str, list[str]]]
    charts: list[Chart]
    classes: list[tuple[str, list[Bar]]]


def compare(runs: Sequence[RecordedRun]) -> Comparison:
    """The runs side by side, on the first split that all of them have, test before val."""
    names = _names(runs)
    shared = [each.split for each in runs[0].evaluations if all(_evaluation(run, each.split) for run in runs)]
    split = shared[0] if shared else ""
    found = [evaluation for run in runs if split and (evaluation := _evaluation(run, split))]
    charts = (
        line_chart(
            title, {name: curve(run, column) for name, run in zip(names, runs, strict=True)}, "epoch", whole=True
        )
        for title, column in (
            ("Validation mIoU", "val/miou"),
            ("Validation loss", "val/loss"),
            ("Training loss", "train/loss"),
        )
    )
    return Comparison(
        names,
        split,
        _warnings(runs),
        [score for name in scalar_names(found) if (score := _score(name, found))],
        _settings(runs),
        [chart for chart in charts if chart is not None],
        _classes(found),
    )


def scalar_names(evaluations: Sequence[Evaluation]) -> list[str]:
    """Of metrics of the whole set, in the order in which they were written."""
    names = [name for each in evaluations for name in each.metrics if "/" not in name]
    return list(dict.fromkeys(names))


def _evaluation(run: RecordedRun, split: str) -> Evaluation | None:
    return next((each for each in run.evaluations if each.split == split), None)


def _names(runs: Sequence[RecordedRun]) -> list[str]:
    """Folder names, numbered where two are the same."""
    names = [run.name for run in runs]
    return [f"{name} ({index + 1})" if names.count(name) > 1 else name for index, name in enumerate(names)]


def _score(name: str, evaluations: Sequence[Evaluation]) -> Score | None:
    values = [number(each.metrics.get(name)) for each in evaluations]
    known = [value for value in values if value is not None]
    if not known:
        return None
    top = min(known) if name.startswith(SMALLER_IS_BETTER) else max(known)
    best = values.index(top) if known.count(top) == 1 and len(known) > 1 else -1
    return Score(name, values, [each.interval(name) for each in evaluations], best)


def _settings(runs: Sequence[RecordedRun]) -> list[tuple[str, list[str]]]:
    """Keys in which the runs differ, but those that name a single run."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    own = [str(run.settings.get("run_folder") or run.folder) for run in runs]
    found = []
    for key in keys:
        shown = [_shown(run.settings, key).replace(folder, "") for run, folder in zip(runs, own, strict=True)]
        if key.split(".")[0] not in NOT_THE_EXPERIMENT and len(set(shown)) > 1:
            found.append((key, shown))
    return found


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return str(settings[key]) if key in settings else "not set"


def _warnings(runs: Sequence[RecordedRun]) -> list[str]:
    data = {str(found["fingerprint"]) for run in runs if (found := run.result.get("data") or {}).get("fingerprint")}
    commits = {str(run.result["commit"]) for run in runs if run.result.get("commit")}
    return [
        text
        for several, text in (
            (len(data) > 1, "The data have different fingerprints: the numbers are of different images or labels."),
            (len(commits) > 1, "The commits differ: see what changed in between."),
        )
        if several
    ]


def _classes(evaluations: Sequence[Evaluation]) -> list[tuple[str, list[Bar]]]:
    tables = [{row.get("class", ""): row for row in each.classes} for each in evaluations]
    names = dict.fromkeys(name for table in tables for name in table)
    kinds = ("iou", "iou_low", "iou_high")
    return [(name, [Bar(name, "", *(number(table.get(name, {}).get(kind)) for kind in kinds)) for table in tables])
            for name in names]  # fmt: skip
