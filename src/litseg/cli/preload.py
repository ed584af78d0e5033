"""Imports what a training imports, for the process that jobs are forked from (conf/launcher/local.yaml)."""

from importlib import import_module

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import litseg.training
from litseg.cli.errors import CONF

MODULES = (
    *("albumentations.pytorch", "jinja2.ext", "matplotlib.backends.backend_agg", "rich.table"),
    *("litseg.cli.logs", "litseg.cli.train", "litseg.cli.training.conditions", "litseg.cli.training.record"),
    *("litseg.cli.wiring.build", "litseg.data.augmenting.photometric", "litseg.data.sets", "litseg.results.report"),
    "litseg.training.csv_logger",
)

for module in MODULES:
    import_module(module)
for name in litseg.training.__all__:  # imported when they are first asked for
    getattr(litseg.training, name)
with initialize_config_dir(str(CONF), version_base="1.3"):  # Hydra's parsers learn their grammars once, not in each job
    OmegaConf.resolve(compose("train", overrides=["run_folder=x"]))
