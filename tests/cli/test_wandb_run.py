from pathlib import Path

import pytest

from litseg.cli.wandb_run import _has_key


@pytest.mark.parametrize(
    ("variable", "netrc", "expected"),
    [
        ("x", "", True),
        ("", "machine api.wandb.ai login user password secret\n", True),
        ("", "machine example.org login user password secret\n", False),
        ("", "not a netrc", False),
        ("", None, False),
    ],
)
def test_a_key_is_looked_for_in_the_environment_and_in_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, netrc: str | None, expected: bool
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    if netrc is not None:
        (tmp_path / ".netrc").write_text(netrc)
        (tmp_path / ".netrc").chmod(0o600)
    assert _has_key() is expected
