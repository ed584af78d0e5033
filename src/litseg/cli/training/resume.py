"""Which run a command continues, and whether its config is still that of the run."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from litseg.cli.errors import CONF, UserError
from litseg.cli.saved_config import read_config
from litseg.results import NOT_THE_EXPERIMENT, config_hash, is_held, read_status, unfinished_runs
from litseg.results.redaction import redact

HARMLESS = ("loader.workers", "loader.timeout", "logger", "pictures", "data.root", "data.cache",
            "trainer.enable_progress_bar", "trainer.log_every_n_steps")  # fmt: skip
"""Keys that change neither weights nor scores; what `data.root` holds is compared by its fingerprint."""

log = logging.getLogger(__name__)


class Resumed(NamedTuple):
    """A run to continue: its folder, the config to go on with, and what is new in it."""

    folder: Path
    config: DictConfig
    changes: dict[str, str]


def find_run(cfg: DictConfig, words: Sequence[str]) -> Resumed | None:
    """The run that `resume` names; None where a new one begins.

    `resume=<folder>` takes the folder's config, with the values among `words` put over it; with a group among them,
    such as experiment=..., the config they compose is compared with the folder's. `resume=last` and `resume=auto` take
    the newest unfinished run of the composed config; where there is none the first is an error and the second a new
    run. A job that SLURM has queued again goes on with what it began.

    Raises:
        UserError: there is no such run, it is at work or finished, or its config is another one.
    """
    if cfg.resume in (None, "last", "auto"):
        folder = _newest(cfg)
        return None if folder is None else Resumed(folder, cfg, {})
    folder = Path(cfg.resume).resolve()
    saved = _saved_config(folder, cfg.trust)
    if is_held(folder) and _is_first():
        raise UserError(f"resume: a process is at work in {folder}; end it first")
    if read_status(folder).get("state") == "finished":
        raise UserError(f"resume: {folder} is finished; its result is in result.json")
    config = cfg if _chooses_groups(words) else _with_values(saved, cfg, words)
    changes = differences(saved, config)
    refused = [key for key in changes if not is_below(key, (*HARMLESS, *cfg.resume_allow))]
    if refused:
        shown = "\n".join(f"  {key}: {changes[key]}" for key in refused)
        raise UserError(
            f"resume: expected the config of {folder}, got another one:\n{shown}\n"
            f"leave these out, or allow each: 'resume_allow=[{','.join(refused)}]'"
        )
    return Resumed(folder, config, changes)


def differences(before: DictConfig, after: DictConfig) -> dict[str, str]:
    """By key, `old -> new` where two configs differ in what makes the experiment."""
    return _changes(_experiment(before), _experiment(after))


def experiment_hash(cfg: DictConfig) -> str:
    """The same for every run of a config, wherever it lies."""
    return config_hash(_experiment(cfg))


_ABSENT = "(absent)"


def _newest(cfg: DictConfig) -> Path | None:
    # SLURM gives a job that it queues again the same id
    job = os.environ.get("SLURM_JOB_ID") if int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0 else None
    if cfg.resume is None and job is None:
        return None
    output = Path(cfg.output).resolve()
    runs = unfinished_runs(output, experiment_hash(cfg))
    if cfg.resume is None:
        runs = [run for run in runs if read_status(run).get("slurm_job_id") == job]
    if runs or cfg.resume != "last":
        return runs[0] if runs else None
    raise UserError(
        f"resume=last: no unfinished run of this config below {output}; give the folder of one (resume=...), or "
        "resume=auto to begin a new one where there is none"
    )


def _saved_config(folder: Path, trust: Sequence[str]) -> DictConfig:
    if not (folder / "config.yaml").is_file() or not read_status(folder):
        raise UserError(f"resume: expected a run folder, with config.yaml and status.json, got {folder}")
    try:
        return read_config(folder, trust)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error


def _with_values(saved: DictConfig, cfg: DictConfig, words: Sequence[str]) -> DictConfig:
    config = saved.copy()
    for word in words:
        key = word.split("=")[0].lstrip("+")
        if word.startswith("~"):
            raise UserError(f"resume: {word} takes a key away; the run goes on with the keys it has")
        OmegaConf.update(config, key, OmegaConf.select(cfg, key), force_add=True)
    return config


def _chooses_groups(words: Sequence[str]) -> bool:
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    return any(word.split("=")[0].split("@")[0].lstrip("+~") in groups for word in words)


def _is_first() -> bool:
    """Whether this process is rank 0: the others find the folder held by it."""
    return not any(int(os.environ.get(name) or 0) > 0 for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def is_below(key: str, allowed: Sequence[str]) -> bool:
    """Whether a key is one of these, or inside of one."""
    return any(key == each or key.startswith((f"{each}.", f"{each}[")) for each in allowed)


def _experiment(cfg: DictConfig) -> dict[str, Any]:
    copy = cfg.copy()
    copy.run_folder = copy.run_folder or "/the run"
    values = _moved(redacted(copy), copy.run_folder, "")
    return {key: value for key, value in values.items() if key not in NOT_THE_EXPERIMENT}


def redacted(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain values that may be written and sent."""
    shown: dict[str, Any] = redact(plain(cfg, resolve=True), plain(cfg, resolve=False))
    return shown


def plain(cfg: DictConfig, resolve: bool) -> dict[str, Any]:
    """The config as dictionaries and lists."""
    container: dict[str, Any] = OmegaConf.to_container(cfg, resolve=resolve)  # type: ignore[assignment]
    return container


def _moved(node: Any, before: str, after: str) -> Any:
    """A config whose paths in the folder `before` lie in `after`."""
    if isinstance(node, dict):
        return {key: _moved(value, before, after) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(value, before, after) for value in node]
    inside = isinstance(node, str) and (node == before or node.startswith(f"{before}/"))
    return after + node[len(before) :] if inside else node


def _changes(old: Any, new: Any, key: str = "") -> dict[str, str]:
    """Of nodes that differ, the innermost; in lists of as many items too, such as steps of an augmentation."""
    if old == new:
        return {}
    pairs = _pairs(old, new)
    if pairs is None:
        return {key: f"{old} -> {new}"}
    return {each: change for name, pair in pairs.items()
            for each, change in _changes(*pair, f"{key}.{name}" if key else str(name)).items()}  # fmt: skip


def _pairs(old: Any, new: Any) -> dict[Any, tuple[Any, Any]] | None:
    """What two nodes hold under the same name; None where that says less than the nodes."""
    before, after = ({} if node is _ABSENT else node for node in (old, new))
    if isinstance(before, dict) and isinstance(after, dict) and (before or after):
        return {name: (before.get(name, _ABSENT), after.get(name, _ABSENT)) for name in {**before, **after}}
    of_mappings = isinstance(old, list) and isinstance(new, list) and all(isinstance(each, dict) for each in old + new)
    return dict(enumerate(zip(old, new, strict=True))) if of_mappings and len(old) == len(new) else None
