"""A user's mistake ends in one short message and exit code 2; anything else is our bug and keeps its traceback."""

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from hydra.utils import get_object
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

CONF = Path(__file__).resolve().parents[3] / "conf"


class UserError(Exception):
    """Expected, got, what to do."""


@contextmanager
def user_mistakes() -> Iterator[None]:
    """Around building and checking: what the rooms and Lightning refuse there comes from the user's config or data.

    Raises:
        UserError: with the message of the first cause.
    """
    try:
        yield
    except InstantiationException as error:
        raise UserError(_instantiation(error)) from error
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, OmegaConfBaseException) as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's
            raise
        raise UserError(str(error)) from error
    except Exception as error:  # Lightning's own is a plain Exception; importing it here would load torch
        if type(error).__name__ != "MisconfigurationException":
            raise
        raise UserError(str(error)) from error


@contextmanager
def writing(place: Path, remedy: str) -> Iterator[None]:
    """Around the first writing to a place that the user has named.

    Raises:
        UserError: it cannot be written, and what to do.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {place} ({error.strerror or error}); {remedy}") from error


def _instantiation(error: InstantiationException) -> str:
    """Hydra wraps what a constructor raised; its own first line names the target, its last the config key."""
    cause: BaseException | None = error.__cause__
    key = re.search(r"full_key: (\S+)", str(error))
    shown = re.sub(r"(?<=[^\d.])(\d+)(?=\.|$)", r"[\1]", key.group(1)) if key else ""  # Hydra: augmentation.train0
    where = f" (config key {shown})" if key else ""
    if isinstance(cause, ValueError | OSError):
        return f"{cause}{where}"
    first = next(line for line in str(error).splitlines() if line)
    detail = f": {cause}" if cause is not None and str(cause) not in first else ""
    if fixed := re.search(r"got multiple values for (?:keyword )?argument '(\w+)'", f"{first} {cause}"):
        return f"{shown}.{fixed.group(1)}: {_target(first).rpartition('.')[2]} brings its own; leave the key out"
    hint = _nearest_argument(first, str(cause))
    return f"{first.split(', see chained')[0].split(', set env')[0].rstrip(':')}{detail}{where}{hint}"


def _target(first: str) -> str:
    """What could not be called, as Hydra's first line names it; empty where it does not."""
    found = re.search(r"target '([^']+)'", first)
    return found.group(1) if found else ""


def _nearest_argument(first: str, cause: str) -> str:
    """The arguments nearest to one that a constructor does not take; those of base classes where it passes on more."""
    target, wrong = _target(first), re.search(r"unexpected keyword argument '(\w+)'", cause)
    if not target or wrong is None:
        return ""
    found = get_object(target)
    makers = [vars(base).get("__init__") for base in found.__mro__] if isinstance(found, type) else [found]
    known: set[str] = set()
    for maker in filter(inspect.isfunction, makers):
        parameters = inspect.signature(maker).parameters.values()
        known |= {each.name for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
        if all(each.kind != each.VAR_KEYWORD for each in parameters):
            break
    return f"; {_nearest(wrong.group(1), sorted(known - {'self'}))}"


def explain_composition(
    error: HydraException | OmegaConfBaseException, overrides: Sequence[str], config: str = "train"
) -> str:
    """What is wrong with the command line or a config file, with the nearest names.

    Args:
        error: what Hydra raised while composing.
        overrides: the command line's `key=value` words.
        config: which file of conf/ was composed.
    """
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"no {group or 'config'} is named {name!r}; {_nearest(name, error.options or [])}"
    message = str(error)
    if unknown := re.search(r"Could not (?:override|append to config.*|delete from config\.) ?'([^']+)'", message):
        return _unknown_key(unknown.group(1), overrides, config)
    if isinstance(error, OverrideParseException):
        return f"cannot read the override {error.override!r}: {message.splitlines()[0]}"
    cause = f": {error.__cause__}" if error.__cause__ is not None else ""
    return f"{message}{cause}".strip()


def _unknown_key(key: str, overrides: Sequence[str], config: str) -> str:
    name = key.split("@")[0].lstrip("+~")
    known = sorted({path.name for path in CONF.iterdir() if path.is_dir()} | set(_config_keys(name, overrides, config)))
    return f"no config key or group is named {key!r}; {_nearest(name, known)}; a new key is added by +{name}=..."


def _config_keys(bad: str, overrides: Sequence[str], config: str) -> list[str]:
    """The keys of the config as it composes without the unknown one; none if it does not even then."""
    from hydra import compose, initialize_config_dir

    kept = [override for override in overrides if override.split("=")[0].lstrip("+~") != bad and "," not in override]
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return _flatten(OmegaConf.to_container(compose(config, overrides=kept), resolve=False))
    except (HydraException, OmegaConfBaseException):
        return []


def _flatten(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    names = [f"{prefix}{key}" for key in node]
    return names + [name for key, value in node.items() for name in _flatten(value, f"{prefix}{key}.")]


def _nearest(name: str, options: Sequence[str]) -> str:
    parent, _, word = name.rpartition(".")
    inside = [option for option in options if parent and option.rpartition(".")[0] == parent]
    if inside:  # by the last word alone: data.fold is nothing like data.root
        close = [f"{parent}.{each}" for each in get_close_matches(word, [each.rpartition(".")[2] for each in inside])]
    else:
        close = get_close_matches(name, options, n=3, cutoff=0.5)
    if not close:  # a right last word under a wrong path, such as model.encoder_weights given as encoder_weights
        close = [option for option in options if option.rpartition(".")[2] == name.rpartition(".")[2]][:3]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"expected one of: {', '.join((inside or list(options))[:40])}"
