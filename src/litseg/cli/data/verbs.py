"""`litseg data check | stats | show`: from the words of the command line to a data set and an exit code."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, UserError, explain_composition, user_mistakes
from litseg.cli.wiring.source import build_source
from litseg.data.source import SPLITS, Source

HELP = """\
usage: litseg data check|stats|show [option=value ...] [words of train.py ...]

  check   verifies every file of every split, in parallel; exit code 2 where there is an error
            strict=true     exit code 2 for warnings too
  stats   pixels and images of each class, class weights by every method, mean and std, sizes, co-occurrence;
          as a table, as JSON and as PNG
            output=FOLDER   where JSON and PNG go; default: the cache
  show    augmented samples, two draws of each, with their labels drawn over them, as PNG
            count=8         how many samples
            split=train     of which split (train, val or test; only train is augmented)
            output=FILE     where it goes; default: data_show.png

  litseg data check data=camvid data.root=data/camvid
  litseg data stats data=folder data.root=mine 'data.class_names=[background,vessel]' data.task=binary
  litseg data show experiment=camvid_unet_ce augmentation=standard count=4
"""


@dataclass(frozen=True)
class Options:
    """The verbs' own options, which are no config keys.

    Attributes:
        strict: check: warnings fail too.
        split: show: of which split.
        count: show: how many samples.
        output: stats: a folder; show: a file.
    """

    strict: bool = False
    split: str = "train"
    count: int = 8
    output: Path | None = None


VERBS = {"check": ("strict",), "stats": ("output",), "show": ("count", "split", "output")}


def run(words: Sequence[str]) -> int:
    """Runs `litseg data <words>`.

    Returns:
        The exit code.

    Raises:
        UserError: expected, got, what to do.
    """
    if not words or words[0] in ("-h", "--help") or "--help" in words or "-h" in words:
        print(HELP)
        return 0
    verb, rest = words[0], list(words[1:])
    if verb not in VERBS:
        close = get_close_matches(verb, list(VERBS), cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"expected one of: {', '.join(VERBS)}"
        raise UserError(f"litseg data has no verb {verb!r}; {hint}\n\n{HELP}")
    options, overrides = _options(verb, rest)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds odd in a file, the check says itself
    cfg = compose_config(overrides)
    with user_mistakes():
        if verb != "show":
            _without_mean(cfg)
        return _verb(verb)(build_source(cfg), cfg, options)


def compose_config(overrides: Sequence[str]) -> DictConfig:
    """The config that train.py would compose of these words.

    Raises:
        UserError: what is wrong with them, with the nearest names.
    """
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("train", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_composition(error, overrides)) from error


def _without_mean(cfg: DictConfig) -> None:
    """A set of other than three channels needs a mean and std to be built; `check` and `stats` do not."""
    channels = cfg.data.get("channels")
    if channels is not None and sum(channels) != 3 and cfg.data.get("mean") is None:
        for key, value in (("data.mean", 0.0), ("data.std", 1.0)):
            OmegaConf.update(cfg, key, [value] * sum(channels), force_add=True)


def _verb(name: str) -> Callable[[Source, DictConfig, Options], int]:
    """Each imports what it needs when it is called: `check` needs no plots, `stats` no augmentation."""
    if name == "check":
        from litseg.cli.data.check import check_data

        return check_data
    if name == "stats":
        from litseg.cli.data.stats import print_statistics

        return print_statistics
    from litseg.cli.data.show import show_samples

    return show_samples


def _options(verb: str, words: Sequence[str]) -> tuple[Options, list[str]]:
    """The verb's own options, and the words left for Hydra."""
    own: dict[str, str] = {}
    overrides = []
    for word in words:
        key, _, value = word.partition("=")
        if word.startswith("-"):
            raise UserError(f"litseg data {verb} takes no flag {word!r}; expected key=value words, see --help")
        if key in VERBS[verb]:
            own[key] = value
        else:
            overrides.append(word)
    if (strict := own.get("strict", "false").lower()) not in ("true", "false"):
        raise UserError(f"strict: expected true or false, got {own['strict']!r}")
    if (split := own.get("split", "train")) not in SPLITS:
        raise UserError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    count = own.get("count", "8")
    if not count.isdecimal() or not 1 <= int(count) <= 64:
        raise UserError(f"count: expected 1 to 64 samples, got {count!r}")
    output = Path(own["output"]) if own.get("output") else None
    return Options(strict == "true", split, int(count), output), overrides


def console_width() -> int | None:
    """Of tables: the terminal's, or wide enough for a log file."""
    return None if sys.stdout.isatty() else 160
