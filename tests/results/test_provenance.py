import subprocess
from pathlib import Path

from litseg.results import code_state, versions


def _git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def test_the_commit_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    _git(tmp_path, "init")
    (tmp_path / "a.txt").write_text("one")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "one")
    clean = code_state(tmp_path)
    assert clean["dirty"] is False
    assert len(clean["commit"]) == 40
    (tmp_path / "notes.txt").write_text("not code")
    assert code_state(tmp_path)["dirty"] is False
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "new.yaml").write_text("a: 1")
    assert code_state(tmp_path)["dirty"] is True
    (tmp_path / "conf" / "new.yaml").unlink()
    (tmp_path / "a.txt").write_text("two")
    assert code_state(tmp_path) == {"commit": clean["commit"], "dirty": True}


def test_outside_a_checkout_nothing_is_claimed(tmp_path: Path) -> None:
    assert code_state(tmp_path) == {"commit": None, "dirty": None}


def test_versions_name_every_package() -> None:
    found = versions()
    assert found["albumentations"] == "2.0.8"
    assert all(found.values())


def test_a_table_that_was_kept_is_no_change_of_the_code(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "table.md").write_text("before")
    _git(tmp_path, "init")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "one")
    (tmp_path / "results" / "table.md").write_text("after")
    assert code_state(tmp_path)["dirty"] is False
