"""From the words of `litseg table` to its composed config."""

from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, UserError, explain_composition

OWN = (
    "check", "checkpoints", "column", "columns", "convention", "directions", "evaluate", "keep", "launcher", "minutes",
    "only", "output", "plan", "reference", "roots", "rows", "scale", "scales", "seeds", "shared", "source", "split",
    "table", "title",
)  # fmt: skip
"""Keys of conf/table.yaml; other words are train.py's."""
OF_THE_RUNNER = ("seed", "resume", "resume_allow", "run_folder", "words")


def compose_table(words: Sequence[str]) -> tuple[DictConfig, str]:
    """The config of the words, and the table's name.

    Raises:
        UserError: what is wrong with them.
    """
    own, others = _divide(words)
    names = [word.partition("=")[2] for word in own if word.startswith("table=")]
    if not names:
        known = ", ".join(sorted(path.stem for path in (CONF / "table").glob("*.yaml")))
        raise UserError(f"litseg table: expected table=, one of {known}")
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("table", overrides=own)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_composition(error, own)) from error
    cfg.words = others
    if not any(word.startswith("seeds=") for word in own):  # the command line's, else the scale's, else the table's
        cfg.seeds = (cfg.scales.get(cfg.scale) or {}).get("seeds", cfg.seeds)
    return cfg, names[-1]


def _divide(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The table's own words, and those of train.py."""
    own: list[str] = []
    others: list[str] = []
    for word in words:
        key, equals, _ = word.partition("=")
        if word.startswith("-") or (not equals and not word.startswith("~")):
            raise UserError(f"litseg table: expected key=value words, got {word!r}; see litseg table --help")
        name = key.lstrip("+~").partition(".")[0]
        if name in OF_THE_RUNNER:
            raise UserError(f"litseg table gives each cell its own {name}=; leave it out")
        (own if name in OWN else others).append(word)
    return own, others
