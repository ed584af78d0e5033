"""A run's `checkpoints`: which file is the last, which the best, and which may go.

`step-<n>.ckpt` holds all that a training needs to go on after optimizer step n, `best-<n>.ckpt` the weights that
validation liked best so far; `last.ckpt` and `best.ckpt` are links to the newest of each.
"""

import json
from pathlib import Path

from litseg.training.checkpoint_files import remove_checkpoint, sidecar, verify


def step_path(folder: Path, kind: str, step: int) -> Path:
    """The file of an optimizer step; `kind` is step or best."""
    return folder / f"{kind}-{step:08d}.ckpt"


def newest_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """The `step-*.ckpt` with the highest step that verifies, and what is wrong with those above it."""
    skipped = list[str]()
    for path in sorted(folder.glob("step-*.ckpt"), reverse=True):
        problem = verify(path)
        if problem is None:
            return path, skipped
        skipped.append(f"{path.name}: {problem}")
    return None, skipped


def point(link: Path, target: Path) -> None:
    """Makes `link` a symbolic link to its neighbour `target`, in one step."""
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.name)
    temporary.replace(link)


def prune(folder: Path, keep: int, best_step: int | None) -> None:
    """Removes all but the newest `keep` steps, the best, and the best of when each of those steps was saved.

    Those last matter on a resume: a training that goes on from an older step must find what was best then.
    """
    steps = sorted(folder.glob("step-*.ckpt"))
    for path in steps[:-keep]:
        remove_checkpoint(path)
    needed = {best_step, *(_best_step(path) for path in steps[-keep:])}
    for path in folder.glob("best-*.ckpt"):
        if step_of(path) not in needed:
            remove_checkpoint(path)


def take_up(folder: Path, step: int, best_step: int | None, keep: int) -> None:
    """Makes the folder what it was at `step`, from which training goes on: what a killed process left goes."""
    for path in [*folder.glob(".*.tmp"), *folder.glob("step-*.ckpt")]:
        if path.suffix == ".tmp" or step_of(path) > step:
            remove_checkpoint(path) if path.suffix == ".ckpt" else path.unlink()
    if best_step is not None and step_path(folder, "best", best_step).exists():
        point(folder / "best.ckpt", step_path(folder, "best", best_step))
    prune(folder, keep, best_step)


def step_of(path: Path) -> int:
    """The optimizer step after which a checkpoint was written."""
    return int(path.stem.split("-")[1])


def _best_step(path: Path) -> int | None:
    try:
        step: int | None = json.loads(sidecar(path).read_text()).get("best_step")
    except (OSError, ValueError):
        return None
    return step
