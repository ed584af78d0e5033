"""The words of a verb's command line: its own options, and values for the config of a run."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import UserError


def divide_words(verb: str, words: Sequence[str], own: Mapping[str, str | None]) -> tuple[dict[str, Any], list[str]]:
    """A verb's own options, and the other words.

    Args:
        verb: for messages.
        words: `key=value` each.
        own: the options and their defaults.

    Raises:
        UserError: a flag, or a word without `=`.
    """
    options, others = dict(own), []
    for word in words:
        key, equals, value = word.partition("=")
        if word.startswith("-") or not equals:
            raise UserError(f"litseg {verb}: expected key=value words, got {word!r}; see litseg {verb} --help")
        if key in own:
            options[key] = value
        else:
            others.append(word)
    return options, others


def refuse_others(verb: str, words: Sequence[str], known: Sequence[str]) -> None:
    """What a verb does not take, with the nearest that it does."""
    for word in words:
        key = word.partition("=")[0]
        close = get_close_matches(key, known, cutoff=0.5)
        hint = f"did you mean {close[0]}=?" if close else f"expected some of {', '.join(f'{name}=' for name in known)}"
        raise UserError(f"litseg {verb} takes no {key}=; {hint}")


def run_folder(verb: str, value: str | None) -> str:
    """The option `run`, which has no default."""
    if not value:
        raise UserError(f"litseg {verb}: expected run=<run folder>, such as run=outputs/unet_dice/20261121-...")
    return value


def chosen(verb: str, key: str, value: str | None, known: Sequence[str]) -> str:
    """One of a few values."""
    if value is None or value not in known:
        raise UserError(f"litseg {verb}: {key}: expected one of {', '.join(known)}, got {value or 'nothing'}")
    return value


def names(value: str | None) -> list[str]:
    """`[a,b]` or `a`: a list of names such as `trust` takes."""
    try:
        found = yaml.safe_load(value or "[]")
    except yaml.YAMLError as error:
        raise UserError(f"expected a list such as [a,b], got {value!r}") from error
    return [str(each) for each in (found if isinstance(found, list) else [found])]


def number(verb: str, key: str, value: str | None, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if value is None or not value.isdecimal() or int(value) < least:
        raise UserError(f"litseg {verb}: {key}: expected a whole number of at least {least}, got {value}")
    return int(value)


def sides(verb: str, size: str) -> tuple[int, int]:
    """`360,480`: height and width of images."""
    found = [side.strip() for side in size.strip("[]").split(",")]
    if len(found) != 2 or not all(side.isdecimal() and int(side) > 0 for side in found):
        raise UserError(f"litseg {verb}: size: expected height,width such as 360,480, got {size!r}")
    return int(found[0]), int(found[1])


def put_values(config: DictConfig, words: Sequence[str]) -> None:
    """Sets `key=value` in a config, in place; a key that it does not have is added by `+key=value`.

    Raises:
        UserError: a word that cannot be read, or a key that is not there.
    """
    try:
        for override in OverridesParser.create().parse_overrides(list(words)):
            key = override.key_or_group
            if not override.is_add() and OmegaConf.select(config, key, default=_ABSENT) is _ABSENT:
                parent = OmegaConf.select(config, key.rpartition(".")[0]) or config
                close = get_close_matches(key.rpartition(".")[2], list(map(str, parent)), n=3, cutoff=0.5)
                hint = f"did you mean {' or '.join(close)}? " if close else ""
                raise UserError(f"no key {key!r} in the run's config; {hint}A new key is added by +{key}=...")
            OmegaConf.update(config, key, override.value(), force_add=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"cannot read {' '.join(words)}: {str(error).splitlines()[0]}") from error


_ABSENT = object()
