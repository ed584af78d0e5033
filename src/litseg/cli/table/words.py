"""From the words of `litseg table` to its composed config."""

from collections.abc import Sequence
from difflib import get_close_matches

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
KEPT = ("check", "keep", "launcher", "minutes", "output", "plan", "roots", "scale", "table")
"""Own keys that say how and where a table is made, and not what it is."""
JUDGED = ("column", "columns", "directions", "evaluate", "rows", "scales", "shared", "source", "split")
"""Own keys that make other numbers of the same rows, or judge them by others than the table's file does."""
OF_THE_RUNNER = ("seed", "resume", "resume_allow", "run_folder", "words", "reworded")


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
        raise UserError(explain_composition(error, own, "table")) from error
    cfg.words = others
    cfg.reworded = {word.partition("=")[0].lstrip("+~"): word.partition("=")[2] for word in own if _key(word) in JUDGED}
    if not any(word.startswith("seeds=") for word in own):  # the command line's, else the scale's, else the table's
        cfg.seeds = (cfg.scales.get(cfg.scale) or {}).get("seeds", cfg.seeds)
    _check(cfg)
    return cfg, names[-1]


def other_than_configured(words: Sequence[str]) -> list[str]:
    """The own words with which a table is not the one of its file: other rows, seeds, columns."""
    return [word for word in _divide(words)[0] if _key(word) not in KEPT]


def hint_of_own(words: Sequence[str]) -> str:
    """A hint where a word for train.py may have been meant for the table."""
    for word in words:
        if close := get_close_matches(word.partition("=")[0].lstrip("+~"), OWN, n=1, cutoff=0.7):
            return f"; or, of the table, {close[0]}=?"
    return ""


def _check(cfg: DictConfig) -> None:
    """What of conf/table.yaml Hydra cannot check: unknown keys of the table's file, and types."""
    for key in cfg:
        if key not in (*OWN, "words", "reworded"):
            close = get_close_matches(str(key), OWN, n=1, cutoff=0.6)
            near = f"; did you mean {close[0]}?" if close else ""
            raise UserError(f"the table's file: no key {key!r}{near} conf/table.yaml explains them all")
    for key in ("check", "keep", "plan"):
        if not isinstance(cfg[key], bool):
            raise UserError(f"{key}: expected true or false, got {cfg[key]!r}")
    for key in ("only", "seeds"):
        cfg[key] = [cfg[key]] if isinstance(cfg[key], str | int | float) else cfg[key]
        if cfg[key] is not None and not cfg[key]:
            raise UserError(f"{key}: expected a list with something in it, got []; leave it out for the table's own")
    seeds = cfg.seeds or []
    if any(not isinstance(seed, int) or seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise UserError(f"seeds: expected different whole numbers from 0 on, such as [0,1,2], got {list(seeds)}")


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~").partition(".")[0]


def _divide(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The table's own words, and those of train.py."""
    own: list[str] = []
    others: list[str] = []
    for word in words:
        _, equals, _ = word.partition("=")
        if word.startswith("-") or (not equals and not word.startswith("~")):
            raise UserError(f"litseg table: expected key=value words, got {word!r}; see litseg table --help")
        name = _key(word)
        if name in OF_THE_RUNNER:
            raise UserError(f"litseg table gives each cell its own {name}=; leave it out")
        (own if name in OWN else others).append(word)
    return own, others
