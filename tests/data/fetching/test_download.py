import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from litseg.data.fetching.archives import Archive
from litseg.data.fetching.download import download, fetch
from tests.data.fetching.server import Server, serve


def _packed(*names: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        for name in names:
            file.writestr(name, name)
    return memory.getvalue()


CONTENT = _packed("set/images/a.png", "set/masks/a.png")
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(CONTENT) as running:
        yield running


def _archive(server: Server, name: str = "set.zip", **known: Any) -> Archive:
    return Archive(f"{server.url}/{name}", **known)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("checksum", [MD5, SHA256, SHA256.upper().replace("SHA", "sha")])
def test_a_right_checksum_passes(server: Server, tmp_path: Path, checksum: str) -> None:
    path = fetch(_archive(server, checksum=checksum, size=len(CONTENT)), tmp_path / "new")
    assert path == tmp_path / "new" / "set.zip"
    assert path.read_bytes() == CONTENT
    assert _names(tmp_path / "new") == ["set.zip", "set.zip.lock"]


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_wrong_bytes_are_deleted(server: Server, tmp_path: Path, checksum: str) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(ValueError, match=rf"set\.zip\.part: expected {checksum} \(the owner\), got .*it was deleted"):
        fetch(_archive(server, checksum=checksum, source="the owner"), tmp_path)
    assert not {"set.zip", "set.zip.part"} & set(_names(tmp_path))
    server.content = CONTENT
    fetch(_archive(server, checksum=checksum), tmp_path)


def test_two_halves_of_different_files_do_not_pass(server: Server, tmp_path: Path) -> None:
    server.breaks, server.etag = [50], None
    with pytest.raises(ValueError, match="failed 1 times"):
        fetch(_archive(server, checksum=SHA256), tmp_path, retries=0)
    server.content = bytes(len(CONTENT))
    with pytest.raises(ValueError, match="it was deleted"):
        fetch(_archive(server, checksum=SHA256), tmp_path)
    assert server.asked[-1]["Range"] == "bytes=50-"
    assert "set.zip.part" not in _names(tmp_path)


def test_a_file_in_place_is_checked_and_not_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(CONTENT)
    fetch(_archive(server, checksum=SHA256), tmp_path)
    (tmp_path / "set.zip").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"set\.zip: expected sha256:.*delete it to fetch it again"):
        fetch(_archive(server, checksum=SHA256), tmp_path)
    with pytest.raises(ValueError, match=rf"set\.zip: expected {len(CONTENT)} bytes .*, got 4; delete it"):
        fetch(_archive(server, size=len(CONTENT)), tmp_path)
    assert (tmp_path / "set.zip").read_bytes() == b"mine"
    assert server.asked == []


def test_without_a_published_checksum_the_first_download_counts(server: Server, tmp_path: Path) -> None:
    path = fetch(_archive(server), tmp_path)
    record = json.loads((tmp_path / "set.zip.sha256.json").read_text())
    assert record == {"url": f"{server.url}/set.zip", "size": len(CONTENT), "checksum": SHA256}
    fetch(_archive(server), tmp_path)
    assert len(server.asked) == 1
    path.unlink()
    server.content = _packed("other")
    with pytest.raises(ValueError, match=rf"expected {SHA256} \(the first download; delete .*\.sha256\.json to trust"):
        fetch(_archive(server), tmp_path)
    assert not path.exists()


def test_other_addresses_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected an https address"):
        fetch(Archive("file:///etc/passwd"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_two_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    server.breaks = [50]
    archive = _archive(server, checksum=SHA256)
    with ThreadPoolExecutor(4) as pool:  # the lock holds between threads as between processes: each opens its own
        paths = [call.result() for call in [pool.submit(fetch, archive, tmp_path, pause=0.01) for _ in range(4)]]
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(server.asked) == 2  # the break and the rest


def test_a_set_is_fetched_and_unpacked(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = (
        _archive(server, "a.zip", folder="images", inside="set/images", checksum=MD5, size=len(CONTENT)),
        _archive(server, "b.zip", folder="deep/masks", inside="set/masks", terms="https://owner.example/terms"),
    )
    root = tmp_path / "data" / "pet"
    download(table, root)
    assert (root / "images" / "a.png").read_text() == "set/images/a.png"
    assert (root / "deep" / "masks" / "a.png").read_text() == "set/masks/a.png"
    told = capsys.readouterr().err
    for part in (
        f"fetching 2 archives to {root}.archives, unpacked to {root}",
        "a.zip (0.00 GB)",
        "b.zip (size unknown",
    ):
        assert part in told
    assert "terms of the owner: https://owner.example/terms" in told
    download(table, root)
    assert capsys.readouterr().err == ""
    assert len(server.asked) == 2


def test_only_what_is_missing_is_fetched_into_a_new_root(server: Server, tmp_path: Path) -> None:
    table = (_archive(server, "a.zip", folder="a"), _archive(server, "b.zip", folder="b"))
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "a" / "file").touch()
    download(table, tmp_path / "root")
    assert _names(tmp_path / "root" / "a") == ["file"]
    assert len(server.asked) == 1


def test_an_archive_may_be_the_root_itself(server: Server, tmp_path: Path) -> None:
    download((_archive(server, inside="set"),), str(tmp_path / "camvid"))
    assert _names(tmp_path / "camvid") == ["images", "masks"]


def test_leftovers_of_a_killed_process_are_cleared(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".root.unpacking-abc" / "content").mkdir(parents=True)
    download((_archive(server),), tmp_path / "root")
    assert _names(tmp_path) == ["root", "root.archives"]


def test_too_little_disk_is_said_before_the_first_byte(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected 2000000000\.0 GB of free disk, got .*; set data\.root"):
        download((_archive(server, size=10**18),), tmp_path / "root")
    assert server.asked == []


def test_an_archive_in_place_needs_no_disk_of_its_own(server: Server, tmp_path: Path) -> None:
    archive = _archive(server, size=int(0.7 * shutil.disk_usage(tmp_path).free))
    with pytest.raises(ValueError, match="of free disk"):
        download((archive,), tmp_path / "root")
    (tmp_path / "root.archives" / "set.zip").touch()
    with pytest.raises(ValueError, match="got 0; delete it to fetch it again"):  # past the disk, on to the file
        download((archive,), tmp_path / "root")


def test_a_hostile_archive_leaves_no_folder(server: Server, tmp_path: Path) -> None:
    server.content = _packed("good", "../bad")
    with pytest.raises(ValueError, match="leads out of its folder"):
        download((_archive(server),), tmp_path / "root")
    assert _names(tmp_path) == ["root.archives"]


def test_options_of_the_connection_reach_it(server: Server, tmp_path: Path) -> None:
    server.statuses = [503]
    with pytest.raises(ValueError, match="failed 1 times"):
        download((_archive(server),), tmp_path / "root", retries=0)
