"""What must stay as it is for a study to be continued, kept in the study; and which folder it belongs to."""

import json
import uuid
from typing import Any

from omegaconf import DictConfig, OmegaConf
from optuna import Study

from litseg.cli.errors import UserError
from litseg.cli.training.open_run import with_run_folder
from litseg.cli.training.resume import HARMLESS, differences, redacted
from litseg.results import write_text
from litseg.results.redaction import redact_words
from litseg.sweeps.sweep import Sweep


def check_definition(sweep: Sweep, study: Study, cfg: DictConfig | None) -> None:
    """Of a new study writes down what it is; of one that is there compares it.

    Args:
        sweep: this command's.
        study: the study of that name in the storage.
        cfg: the training config that its trials share.

    Raises:
        UserError: it is another sweep now, with the difference; or it belongs to another folder.
    """
    here = _take_folder(sweep, study)
    if here != study.user_attrs["folder_id"]:
        raise UserError(
            f"the storage has a study {sweep.name!r} whose trials lie in another folder than {sweep.folder}; runners "
            "of one sweep share its folder: give that, or begin another study with another storage="
        )
    now, then = _definition(sweep, cfg), study.user_attrs.get("definition")
    if then is None:
        study.set_user_attr("definition", now)
    elif changed := _differences(then, now):
        raise UserError(
            f"{sweep.folder} holds another sweep of this name; expected the same, got\n"
            + "\n".join(f"  {line}" for line in changed)
            + "\ntake the change back, or give this sweep a folder of its own: folder=..."
        )


def _take_folder(sweep: Sweep, study: Study) -> str | None:
    """The folder's id; a new study takes a folder that has no trials yet."""
    marker = sweep.folder / "study.id"
    here = marker.read_text().strip() if marker.is_file() else None
    if "folder_id" in study.user_attrs:
        return here
    if (sweep.folder / "trials").exists():
        raise UserError(
            f"{sweep.folder} has trials of a study that the storage does not know; give the storage that they were "
            "recorded in, or another folder="
        )
    write_text(marker, f"{(here := uuid.uuid4().hex)}\n")
    study.set_user_attr("folder_id", here)
    return here


def _definition(sweep: Sweep, cfg: DictConfig | None) -> dict[str, Any]:
    return {
        "base": redact_words(list(sweep.base)),
        "objective": sweep.objective,
        "direction": sweep.direction,
        "sampler": sweep.sampler,
        "sampler_seed": sweep.sampler_seed,
        "target": sweep.target,
        "space": {each.key: _described(each) for each in sweep.space},
        "config": None if cfg is None else redacted(with_run_folder(cfg, "/the run")),
    }


def _described(parameter: Any) -> str:
    when = (
        f" when {json.dumps({key: list(values) for key, values in parameter.when.items()})}" if parameter.when else ""
    )
    return f"{parameter.distribution}{when}"


def _differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    lines = []
    for key in ("objective", "direction", "sampler", "sampler_seed", "target"):
        if then[key] != now[key]:
            lines.append(f"{key}: {then[key]} -> {now[key]}")
    for key in {**then["space"], **now["space"]}:
        before, after = (each["space"].get(key, "(absent)") for each in (then, now))
        if before != after:
            lines.append(f"space: {key}: {before} -> {after}")
    if list(then["space"]) != list(now["space"]) and not lines:
        lines.append(f"space: the order {', '.join(then['space'])} -> {', '.join(now['space'])}")
    if then["config"] is None or now["config"] is None:
        return lines + ([f"base: {then['base']} -> {now['base']}"] if then["base"] != now["base"] else [])
    changed = differences(OmegaConf.create(then["config"]), OmegaConf.create(now["config"]))
    return lines + [f"{key}: {change}" for key, change in changed.items() if not key.startswith(HARMLESS)]
