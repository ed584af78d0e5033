"""Keeps secrets out of whatever a run writes or sends: by the names of keys, in URLs, and by their values."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HIDDEN = "***"
SHORTEST = 6
"""Characters of the shortest value that is looked for in text; a shorter one would blank out words that are none."""

_KINDS_OF_KEYS = "api|access|secret|private|auth|account|encryption|signing|wandb|hf|aws|openai|azure|ssh|license"
_NAME = (
    rf"(?:\w+[_.-])?(?:(?:{_KINDS_OF_KEYS})[_-]?keys?(?:[_-]id)?|token|secrets?|passw(?:or)?d|pwd|passphrase"
    r"|credentials?|authorization)"
)
_NO_VALUE = r"(?:\$\{|(?:true|false|null|none)\b)"  # a question to the environment, a switch such as class_token=true
_VALUE = rf"""("[^"]*"|'[^']*'|(?!{_NO_VALUE})[^\s,}}\]&"']+)"""
_SECRET_KEY = re.compile(_NAME, re.IGNORECASE)
_ASSIGNED = re.compile(rf"""(?<![\w$])({_NAME}["']?\s*[=:]\s*){_VALUE}""", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)(?![^\s/]*\$\{)[^\s/]+(?=@)")
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*['\"]?(\w+)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret(name: str) -> bool:
    """Whether a key or variable of this name holds a secret: api_key, HF_TOKEN, dbPassword; not monitor_key or tokens.

    Examples:
        >>> [is_secret(name) for name in ("api_key", "WANDB_API_KEY", "dbPassword", "monitor_key", "num_tokens")]
        [True, True, True, False, False]
    """
    return _SECRET_KEY.fullmatch(_CAMEL.sub("_", name)) is not None


def secret_values(config: Any, raw: Any = None, environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The values that no text may show.

    Args:
        config: the resolved config; what lies under secret names counts.
        raw: the same with its interpolations; what `${oc.env:NAME}` asks for counts too, but paths.
        environment: variables with secret names count in any case.
    """
    asked = {name for text in _texts(raw) for name in _ENVIRONMENT.findall(text)}
    named = {value for name, value in environment.items() if is_secret(name) and name != "PWD"}  # the working folder
    found = named | {environment[name] for name in asked & environment.keys() if not _is_path(environment[name])}
    return frozenset(value for value in found | set(_secrets(config)) if len(value) >= SHORTEST)


def redact(config: Any, raw: Any = None, values: Iterable[str] = ()) -> Any:
    """A copy of the config with *** in the place of secrets.

    Args:
        config: resolved; mappings, lists, strings and numbers.
        raw: the same with its interpolations: a secret that came from the environment is written as `${oc.env:NAME}`,
            so that who resumes or evaluates asks for it again.
        values: more secrets, see `secret_values`; those of `config` and `raw` count anyway.
    """
    return _redacted(config, raw, frozenset(values) | secret_values(config, raw), False)


def redact_text(text: str, values: Iterable[str] = ()) -> str:
    """Text without `values`, what is assigned to secret names (`token=...`), and users and passwords in URLs."""
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return _USER_INFO.sub(HIDDEN, _ASSIGNED.sub(rf"\1{HIDDEN}", text))


def redact_words(words: Sequence[str], values: Iterable[str] = ()) -> list[str]:
    """A command line without secrets, see `redact_text`; also the word after `--password`."""
    values = frozenset(values) | secret_values(None)
    return [_word(before, word, values) for before, word in zip(["", *words], words, strict=False)]


def _word(before: str, word: str, values: frozenset[str]) -> str:
    key, equals, value = word.partition("=")
    if before.startswith("--") and is_secret(before[2:]):
        return HIDDEN
    if equals and is_secret(key.rpartition(".")[2].lstrip("+-")) and not re.match(_NO_VALUE, value, re.IGNORECASE):
        return f"{key}={HIDDEN}"
    return redact_text(word, values)


def _redacted(node: Any, raw: Any, values: frozenset[str], hidden: bool) -> Any:
    if isinstance(node, Mapping):
        return {
            key: _redacted(item, _item(raw, key), values, hidden or is_secret(str(key))) for key, item in node.items()
        }
    if isinstance(node, list | tuple):
        return [_redacted(item, _item(raw, index), values, hidden) for index, item in enumerate(node)]
    if node is None or isinstance(node, bool) or node == "":
        return node  # a switch such as class_token: true, or nothing
    text = HIDDEN if hidden else redact_text(node, values) if isinstance(node, str) else node
    if text != node and isinstance(raw, str) and _ENVIRONMENT.search(raw):
        return redact_text(raw, values)
    return text


def _item(raw: Any, key: Any) -> Any:
    try:
        return raw[key]
    except (TypeError, KeyError, IndexError):
        return None


def _secrets(node: Any, hidden: bool = False) -> Iterable[str]:
    """Strings and numbers under secret names."""
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from _secrets(item, hidden or is_secret(str(key)))
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _secrets(item, hidden)
    elif hidden and node is not None and not isinstance(node, bool):
        yield str(node)


def _texts(node: Any) -> Iterable[str]:
    if isinstance(node, str):
        yield node
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ():
        yield from _texts(item)


def _is_path(value: str) -> bool:
    """Folders may come from the environment, and messages must name them; so may a user's name, part of most paths."""
    named = value.startswith(("/", "~", "./", "../")) or value in Path.home().parts
    return named or os.path.exists(value)  # noqa: PTH110  # Path.exists raises where a value is too long for a name
