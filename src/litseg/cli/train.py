"""`python train.py experiment=unet_dice`: one run, or with -m several, one after the other."""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, explain_composition
from litseg.cli.training.run import Job, run_job
from litseg.results.redaction import redact_text, secret_values

GROUPS = {path.name for path in CONF.iterdir() if path.is_dir()}


def main() -> int:
    """Runs the command line.

    Returns:
        The exit code: 0, or of the jobs that failed the largest: 2 a user's mistake, 1 our own, 130 interrupted.
    """
    for word in sys.argv[1:]:
        if word.startswith("--") and word.partition("=")[0].lstrip("-") in GROUPS:
            print(f"error: a setting has no dashes: {word.lstrip('-')}", file=sys.stderr)
            return 2
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises to us instead of printing and leaving with 1
    jobs: list[Job] = []

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
    def app(cfg: DictConfig) -> float | None:
        _redact_sweep_record()
        jobs.append(run_job(cfg))
        return jobs[-1].value

    try:
        app()
    except (HydraException, OmegaConfBaseException) as error:
        if os.environ.get("LITSEG_DEBUG") == "1":
            raise
        overrides = [word for word in sys.argv[1:] if not word.startswith("-")]
        print(f"error: {explain_composition(error, overrides)}", file=sys.stderr)
        return 2
    if len(jobs) > 1:
        _show(jobs)
    return max((job.code for job in jobs), default=0)


def _redact_sweep_record() -> None:
    """Hydra writes a sweep's command line to multirun.yaml as it is, before its first job."""
    path = Path(HydraConfig.get().sweep.dir) / "multirun.yaml"
    if HydraConfig.get().mode == RunMode.MULTIRUN and path.is_file():
        path.write_text(redact_text(path.read_text(), secret_values(None)))


def _show(jobs: list[Job]) -> None:
    """A row for each run of a sweep: what differs, how it ended, where it lies."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # or callbacks=[default] would be taken for markup

    shared = set.intersection(*(set(job.overrides) for job in jobs))
    table = Table("run", "exit code", "monitored", "folder", title=f"{len(jobs)} runs", title_justify="left")
    for job in jobs:
        own = " ".join(word for word in job.overrides if word not in shared)
        value = "-" if job.value is None else f"{job.value:.4f}"
        table.add_row(Text(own), str(job.code), value, "-" if job.folder is None else os.path.relpath(job.folder))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


if __name__ == "__main__":  # as Lightning starts the processes of further devices where a job has begun the first
    sys.exit(main())
