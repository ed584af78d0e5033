"""`python train.py experiment=unet_dice`: one run, or with -m several, one after the other."""

import os
import sys

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, explain_composition
from litseg.cli.run import run_job


def main() -> int:
    """Runs the command line.

    Returns:
        The exit code: 0, or of the jobs that failed the largest: 2 a user's mistake, 1 our own, 130 interrupted.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises to us instead of printing and leaving with 1
    codes: list[int] = []

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
    def app(cfg: DictConfig) -> float | None:
        value, code = run_job(cfg)
        codes.append(code)
        return value

    try:
        app()
    except (HydraException, OmegaConfBaseException) as error:
        if os.environ.get("LITSEG_DEBUG") == "1":
            raise
        overrides = [word for word in sys.argv[1:] if not word.startswith("-")]
        print(f"error: {explain_composition(error, overrides)}", file=sys.stderr)
        return 2
    return max(codes, default=0)
