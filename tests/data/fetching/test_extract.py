import bz2
import io
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import litseg.data.fetching.extract as extract_module
from litseg.data.fetching.extract import extract

NOISE = np.random.default_rng(0).bytes(4000)
Member = tuple[str, bytes]


def _zip(path: Path, *members: Member | zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member in members:
            if isinstance(member, zipfile.ZipInfo):
                file.writestr(member, b"/etc/passwd")
            else:
                file.writestr(*member)
    return path


def _tar(path: Path, *members: Member | tarfile.TarInfo, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            file.addfile(info, io.BytesIO(member[1]))
    return path


def _special(kind: bytes, name: str = "set/link", target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _assert_refused(archive: Path, message: str, **limits: float) -> None:
    """Refused with this message, and nothing but the archive is there afterwards."""
    home = archive.parent
    (home / "out").mkdir(exist_ok=True)
    before = sorted(home.rglob("*"))
    with pytest.raises(ValueError, match=message) as caught:
        extract(archive, home / "out" / "set", **limits)  # type: ignore[arg-type]
    assert archive.name in str(caught.value)
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_unpacks(tmp_path: Path, mode: str) -> None:
    archive = _tar(tmp_path / "set.any", ("set/a.png", NOISE), ("set/b/c.txt", b"c"), mode=mode)
    extract(archive, tmp_path / "out" / "new")
    assert _files(tmp_path / "out") == {"new/set/a.png": NOISE, "new/set/b/c.txt": b"c"}


def test_a_zip_unpacks_in_part_and_keeps_empty_folders(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "set.zip", ("set/in/a.png", NOISE), ("set/in/empty/", b""), ("readme", b"x"))
    extract(archive, tmp_path / "new", inside="set/in")
    assert _files(tmp_path / "new") == {"a.png": NOISE}
    assert (tmp_path / "new" / "empty").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "set.zip"]


def test_a_tar_with_dots_and_modes_gives_plain_files(tmp_path: Path) -> None:
    loud = tarfile.TarInfo("./a")
    loud.mode = 0o6777
    archive = _tar(tmp_path / "set.tar", _special(tarfile.DIRTYPE, "."), loud)
    extract(archive, tmp_path / "new")
    assert (tmp_path / "new" / "a").stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR) == 0


def test_the_folder_opens_to_others_as_any_new_folder(tmp_path: Path) -> None:
    extract(_zip(tmp_path / "set.zip", ("a", b"a")), tmp_path / "new")
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_with_content_is_not_replaced(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "set.zip", ("a", b"a"))
    (tmp_path / "new").mkdir()
    extract(archive, tmp_path / "new")  # empty: taken
    with pytest.raises(ValueError, match="expected a missing or empty folder"):
        extract(archive, tmp_path / "new")


def test_a_folder_that_the_archive_lacks_is_named(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "set.zip", ("a/b", b"a"))
    with pytest.raises(ValueError, match=r"expected a folder 'images' in it, got \['a'\]"):
        extract(archive, tmp_path / "new", inside="images")


OUTSIDE = ["../x", "set/../../x", "/x", "..\\x", "C:\\x", "C:x", "\\\\host\\share\\x"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("pack", [_zip, _tar])
def test_paths_that_lead_out(tmp_path: Path, pack: Callable[..., Path], name: str) -> None:
    archive = pack(tmp_path / "evil", ("set/good", b"good"), (name, b"bad"))
    _assert_refused(archive, r"leads out of its folder|outside the destination")


@pytest.mark.parametrize("target", ["/etc", "..", "good"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_tar_links_and_writing_through_them(tmp_path: Path, kind: bytes, target: str) -> None:
    archive = _tar(tmp_path / "evil.tar", ("good", b"good"), _special(kind, "set", target), ("set/x", b"bad"))
    _assert_refused(archive, "'set' is a link")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_tar_devices(tmp_path: Path, kind: bytes) -> None:
    _assert_refused(_tar(tmp_path / "evil.tar", _special(kind)), "is a link, a device")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_zip_links_and_devices(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("set")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    _assert_refused(_zip(tmp_path / "evil.zip", ("good", b"good"), info, ("set/x", b"bad")), "is a link or a device")


@pytest.mark.parametrize("pack", [_zip, _tar])
@pytest.mark.parametrize(
    ("first", "second"), [("a.png", "A.PNG"), ("set/a", "SET/b"), ("straße", "STRASSE"), ("\u00e9", "e\u0301")]
)
def test_names_that_are_one_on_some_disks(tmp_path: Path, pack: Callable[..., Path], first: str, second: str) -> None:
    _assert_refused(pack(tmp_path / "evil", (first, b"1"), (second, b"2")), "are one file on some disks")


def test_a_name_that_comes_twice(tmp_path: Path) -> None:
    _assert_refused(_tar(tmp_path / "evil.tar", ("a", b"1"), ("a", b"2")), "File exists")
    (tmp_path / "evil.tar").unlink()
    _assert_refused(_tar(tmp_path / "file_and_folder.tar", ("a", b"1"), ("a/b", b"2")), "cannot be unpacked")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_tar_bomb(tmp_path: Path, mode: str) -> None:
    _assert_refused(_tar(tmp_path / "bomb", ("zeros", bytes(8_000_000)), mode=mode), "more than 100 times its size")


def test_a_zip_bomb(tmp_path: Path) -> None:
    _assert_refused(_zip(tmp_path / "bomb.zip", ("zeros", bytes(8_000_000))), "more than 100 times its size")


def test_a_zip_bomb_that_states_another_size(tmp_path: Path) -> None:
    size = 8_000_000
    archive = _zip(tmp_path / "bomb.zip", ("zeros", bytes(size)))
    archive.write_bytes(archive.read_bytes().replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little")))
    _assert_refused(archive, "cannot be unpacked.*Bad CRC-32")


def test_a_tar_bomb_in_the_headers(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as file:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "0" * 8_000_000}
        file.addfile(info)
    _assert_refused(archive, "more than 100 times its size")


def test_a_tar_bomb_behind_its_end(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "small.tar", ("a", b"a"))
    archive.write_bytes(bz2.compress(archive.read_bytes() + bytes(8_000_000)))
    _assert_refused(archive, "more than 100 times its size")


def test_a_sparse_file_is_no_way_round(tmp_path: Path) -> None:
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": str(1 << 20), "GNU.sparse.map": "0,0"}
    archive = tmp_path / "sparse.tar"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as file:
        file.addfile(info)
    _assert_refused(archive, "a sparse file")


@pytest.mark.parametrize("pack", [_zip, _tar])
def test_caps_of_size_and_number(tmp_path: Path, pack: Callable[..., Path]) -> None:
    archive = pack(tmp_path / "large", *[(str(index), NOISE) for index in range(10)])
    _assert_refused(archive, "holds more than 9 files", max_files=9)
    _assert_refused(archive, "more than 39999 bytes", max_bytes=39_999)
    extract(archive, tmp_path / "new", max_files=10, max_bytes=60_000)
    assert len(_files(tmp_path / "new")) == 10


def test_an_encrypted_zip(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "secret.zip", ("a", b"a"))
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # the flag in the file's own header and in the directory at the end
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    _assert_refused(archive, "is encrypted")


@pytest.mark.parametrize("keep", [0.3, 0.99])
@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_a_truncated_archive(tmp_path: Path, mode: str, keep: float) -> None:
    members = [(str(index), NOISE[index:]) for index in range(20)]
    archive = _zip(tmp_path / "cut", *members) if mode == "zip" else _tar(tmp_path / "cut", *members, mode=mode)
    keep = 0.5 if mode == "w" else keep  # a plain tar ends in empty blocks that nobody misses
    archive.write_bytes(archive.read_bytes()[: int(keep * archive.stat().st_size)])
    _assert_refused(archive, "cannot be unpacked")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 100, b"PK\x03\x04 not a zip", b"\x1f\x8b not gzip"])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "page").write_bytes(content)
    _assert_refused(tmp_path / "page", "cannot be unpacked")


def test_a_damaged_byte_is_found(tmp_path: Path) -> None:
    for archive in (_zip(tmp_path / "a.zip", ("a", NOISE)), _tar(tmp_path / "a.tgz", ("a", NOISE), mode="w:gz")):
        data = bytearray(archive.read_bytes())
        data[2000] ^= 1
        archive.write_bytes(data)
        _assert_refused(archive, "cannot be unpacked")


def test_a_killed_process_leaves_no_half_folder(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "set.tar", *[(str(index), b"") for index in range(20_000)])
    code = "import pathlib, runpy, sys; runpy.run_path(sys.argv[1])['extract'](*map(pathlib.Path, sys.argv[2:]))"
    paths = [extract_module.__file__, str(archive), str(tmp_path / "new")]
    process = subprocess.Popen([sys.executable, "-c", code, *paths])
    while process.poll() is None and not any(tmp_path.glob(".new.unpacking-*/content/0")):
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL  # and not 0: it was in the midst
    assert not (tmp_path / "new").exists()
