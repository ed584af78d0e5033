import doctest

import pytest

from litseg.results import redaction
from litseg.results.redaction import is_secret, redact, redact_text, redact_words, secret_values

SECRET = "api_key apiKey API-KEY WANDB_API_KEY hf_token token client_secret AWS_SECRET_ACCESS_KEY password db_pwd pwd"
HARMLESS = "key monitor_key sort_key tokens num_tokens max_token_length encoder_name bypass passes keyboard secretary"


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(redaction).failed == 0


@pytest.mark.parametrize("name", SECRET.split())
def test_a_name_of_a_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", HARMLESS.split())
def test_a_harmless_name(name: str) -> None:
    assert not is_secret(name)


def test_a_config_is_redacted_by_name_by_value_and_in_urls_and_otherwise_kept() -> None:
    config = {
        "service": {"api_key": "sesame-1", "pin": {"password": 123456}, "credentials": ["me-too", {"x": "deep-down"}]},
        "note": "open sesame-1",
        "url": "https://user:pass@word@example.org/a@b",
        "class_token": True,
        "seed": 0,
        "missing": None,
        "list": [1, "two", 3.0],
    }  # fmt: skip
    kept = {key: config[key] for key in ("class_token", "seed", "missing", "list")}
    before = repr(config)
    assert redact(config) == kept | {
        "service": {"api_key": "***", "pin": {"password": "***"}, "credentials": ["***", {"x": "***"}]},
        "note": "open ***",
        "url": "https://***@example.org/a@b",
    }
    assert repr(config) == before


def test_what_came_from_the_environment_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNOCENT", "sesame-1")
    monkeypatch.setenv("DATA", "/data/camvid")
    raw = {
        "note": "it is ${oc.env:INNOCENT}",
        "copy": "${note}",
        "root": "${oc.env:DATA}",
        "u": "ftp://u:${oc.env:INNOCENT}@h",
    }
    config = {"note": "it is sesame-1", "copy": "it is sesame-1", "root": "/data/camvid", "u": "ftp://u:sesame-1@h"}
    redacted = redact(config, raw)
    assert redacted == {"note": raw["note"], "copy": "it is ***", "root": "/data/camvid", "u": raw["u"]}


def test_values_that_text_must_not_show() -> None:
    environment = {"HF_TOKEN": "hf-secret", "ASKED": "asked-for", "UNASKED": "unasked", "A_TOKEN": "1"}
    environment["PWD"] = "/here/it/is"
    raw = {"a": ["${oc.env:ASKED,default}"]}
    assert secret_values({"password": "sesame-1", "token": False}, raw, environment) == {
        "hf-secret",
        "asked-for",
        "sesame-1",
    }


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("+api_key=one,two", "+api_key=***"),
        ("++a.b.password=${oc.env:PASSWORD}", "++a.b.password=${oc.env:PASSWORD}"),
        ("auth={user: me, password: 'x y'}", "auth={user: me, password: ***}"),
        ("data.url=https://me:xy@example.org/x?access_token=abc&b=1", "data.url=https://***@example.org/x?access_token=***&b=1"),
        ("model.class_token=True", "model.class_token=True"),
        ("say=sesame-1!", "say=***!"),
        ("loss=ce", "loss=ce"),
    ],
)  # fmt: skip
def test_a_command_line(word: str, expected: str) -> None:
    assert redact_words(["train.py", word, "--token", "abc", "-m"], ["sesame-1"]) == [
        "train.py", expected, "--token", "***", "-m",
    ]  # fmt: skip


def test_a_value_that_holds_another_is_hidden_whole() -> None:
    assert redact_text("sesame-1-open", ["sesame-1", "sesame-1-open"]) == "***"
