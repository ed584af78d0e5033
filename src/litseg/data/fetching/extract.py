"""Unpacks a zip or tar file that nobody vouches for: nothing lands outside its folder, and nothing stays half done."""

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, cast

CHUNK = 1 << 20
UNPACKING = ".unpacking-"  # in the name of the temporary folder
SMALL = 1 << 20  # bytes any archive may unpack to, whatever its ratio: a few text files shrink a hundredfold
BROKEN = (
    OSError, EOFError, NotImplementedError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
Spend = Callable[[int], None]


def extract(
    archive: Path,
    folder: Path,
    inside: str = "",
    *,
    max_files: int = 500_000,
    max_bytes: int = 64 << 30,
    max_ratio: float = 100.0,
) -> None:
    """Unpacks into a temporary neighbour of `folder` and renames it, so that `folder` is there whole or not at all.

    Files and folders only, without their owners, permissions and times.

    Args:
        archive: a zip or a tar, plain or compressed by gzip, bzip2 or xz; told by its first bytes, not by its name.
        folder: becomes the content; it must be missing or empty.
        inside: the folder within the archive that becomes `folder`; the rest is dropped. "": all of it.
        max_files: most files and folders it may hold.
        max_bytes: most bytes it may unpack to, counted as they leave the decompressor, whatever the headers say.
        max_ratio: most unpacked bytes per packed byte.

    Raises:
        ValueError: the archive is broken, encrypted or too large, or holds an absolute path, `..`, a link, a device
            or names that differ only in case; nothing is left behind.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"{folder}: expected a missing or empty folder to unpack {archive.name} to; move it away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}{UNPACKING}", dir=folder.parent))
    try:
        content = temporary / "content"  # mkdtemp's own folder is closed to other users
        content.mkdir()
        _unpack(archive, content, max_files, _budget(archive, max_bytes, max_ratio))
        if not (content / inside).is_dir():
            raise ValueError(f"{archive}: expected a folder {inside!r} in it, got {_names(content)}")
        (content / inside).replace(folder)
    except BROKEN as error:
        raise ValueError(f"{archive}: cannot be unpacked to {folder}: {error}; if it is damaged, delete it") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())[:5]


def _unpack(archive: Path, content: Path, max_files: int, spend: Spend) -> None:
    seen: dict[str, str] = {}
    for count, (name, stream) in enumerate(_entries(archive, content, spend)):
        if count >= max_files:
            raise ValueError(f"{archive}: holds more than {max_files} files; refused")
        target = content / _checked_path(archive, name, seen)
        if stream is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:  # x: a name that comes twice is an error
            shutil.copyfileobj(stream, file, CHUNK)


def _budget(archive: Path, max_bytes: int, max_ratio: float) -> Spend:
    by_ratio = max(SMALL, max_ratio * archive.stat().st_size)
    spent = 0

    def spend(size: int) -> None:
        nonlocal spent
        spent += size
        if spent > max_bytes:
            raise ValueError(f"{archive}: unpacks to more than {max_bytes} bytes; refused")
        if spent > by_ratio:
            raise ValueError(f"{archive}: unpacks to more than {max_ratio:g} times its size, as a bomb does; refused")

    return spend


def _checked_path(archive: Path, name: str, seen: dict[str, str]) -> PurePosixPath:
    windows = PureWindowsPath(name)  # takes / and \ as separators, and knows drives
    if windows.drive or windows.root or ".." in windows.parts:
        raise ValueError(f"{archive}: {name!r} leads out of its folder; refused")
    path = PurePosixPath(*windows.parts)
    for part in (path, *path.parents):
        folded = unicodedata.normalize("NFC", str(part)).casefold()
        if seen.setdefault(folded, str(part)) != str(part):
            raise ValueError(f"{archive}: {str(part)!r} and {seen[folded]!r} are one file on some disks; refused")
    return path


def _entries(archive: Path, content: Path, spend: Spend) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and bytes of each file; None for a folder."""
    with archive.open("rb") as file:
        magic = file.read(6)
    return _zip(archive, spend) if magic.startswith(b"PK") else _tar(archive, magic, content, spend)


def _zip(archive: Path, spend: Spend) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{archive}: {info.filename!r} is a link or a device; refused")
            if info.flag_bits & 0x1:
                raise ValueError(f"{archive}: {info.filename!r} is encrypted; expected a zip without a password")
            if info.is_dir():
                yield info.filename, None
                continue
            with file.open(info) as stream:
                yield info.filename, cast(IO[bytes], _Counted(stream, spend))


def _tar(archive: Path, magic: bytes, content: Path, spend: Spend) -> Iterator[tuple[str, IO[bytes] | None]]:
    with _decompressed(archive, magic) as plain:
        counted = _Counted(plain, spend)
        with tarfile.open(fileobj=cast(IO[bytes], counted), mode="r|") as file:
            for member in file:
                if not (member.isreg() or member.isdir()) or member.sparse is not None:  # holes are free: bombs
                    raise ValueError(f"{archive}: {member.name!r} is a link, a device or a sparse file; refused")
                if hasattr(tarfile, "data_filter"):  # Python's own refusals on top; the first 3.11 releases have none
                    tarfile.data_filter(member, str(content))
                yield member.name, file.extractfile(member)
        while counted.read(CHUNK):  # to the end, where compressed files hold their checksum
            pass


def _decompressed(archive: Path, magic: bytes) -> IO[bytes]:
    for start, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\x00", lzma)):
        if magic.startswith(start):
            return cast(IO[bytes], module.open(archive, "rb"))
    return archive.open("rb")


class _Counted:
    """A stream that reports each byte it gives."""

    def __init__(self, stream: IO[bytes], spend: Spend) -> None:
        self.stream, self.spend = stream, spend

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.spend(len(data))
        return data
