"""Two pictures of a sweep: its trials in their order, and how much each parameter matters."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from litseg.sweeps.sweep import Sweep

BLUE, ORANGE, RED = "#4477aa", "#ee7733", "#cc3311"  # told apart by colour-blind readers too
FEWEST = 4
"""Finished trials from which on a share of importance is more than noise of one of them."""


def plot_history(sweep: Sweep, trials: Sequence[FrozenTrial], path: Path) -> None:
    """Writes the objective of every trial, with the best so far; failed trials are marks at the lower edge."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    finished = _points(trials, TrialState.COMPLETE)
    axes.scatter(*zip(*finished, strict=True), color=BLUE, label="finished", zorder=3) if finished else None
    if pruned := _points(trials, TrialState.PRUNED):
        axes.scatter(*zip(*pruned, strict=True), color=ORANGE, marker="x", label="pruned, as it was then", zorder=3)
    _plot_best(axes, finished, max if sweep.direction == "maximize" else min, len(trials) - 1)
    if failed := [trial.number for trial in trials if trial.state == TrialState.FAIL]:
        axes.plot(failed, [0.02] * len(failed), "|", color=RED, markersize=12, label="failed",
                  transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xlim(-0.5, max(len(trials) - 0.5, 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel=sweep.objective, title=f"{sweep.name}: {len(finished)} finished trials")
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=4, frameon=False)
    figure.savefig(path, dpi=100)


def _points(trials: Sequence[FrozenTrial], state: TrialState) -> list[tuple[int, float]]:
    found = [(trial.number, trial.value) for trial in trials if trial.state == state]
    return [(number, value) for number, value in found if value is not None and math.isfinite(value)]


def _plot_best(
    axes: Axes, points: list[tuple[int, float]], better: Callable[[Iterable[float]], float], last: int
) -> None:
    if points:
        best = [better(value for _, value in points[: count + 1]) for count in range(len(points))]
        numbers = [number for number, _ in points]
        axes.step([*numbers, last], [*best, best[-1]], where="post", color=BLUE, alpha=0.6, label="best so far")


def plot_importance(sweep: Sweep, study: Study, path: Path) -> bool:
    """Writes the share of each parameter in the objective's variance near the good end, by PED-ANOVA.

    Returns:
        Whether there is a picture: it wants four finished trials that differ, and two parameters.
    """
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < FEWEST or len({trial.value for trial in finished}) < 2 or len(sweep.space) < 2:
        return False
    from optuna.importance import get_param_importances  # seconds: it imports scikit-learn where that is installed

    shares = get_param_importances(study)
    figure = Figure(figsize=(8, 1.6 + 0.4 * len(shares)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(list(shares), list(shares.values()), color=BLUE)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08)
    axes.set(xlabel=f"importance for {sweep.objective} (PED-ANOVA, sums to 1)")
    axes.set_title(f"{sweep.name}: {len(finished)} finished trials")
    figure.savefig(path, dpi=100)
    return True
