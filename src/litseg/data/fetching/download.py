"""Fetches a data set from its owner: resumed where it broke off, checked, and there whole or not at all."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from litseg.data.fetching.archives import Archive
from litseg.data.fetching.extract import UNPACKING, extract
from litseg.data.fetching.transfer import check_address, transfer, validator_file, write_json


def download(archives: Sequence[Archive], root: str | Path, **connection: Any) -> None:
    """Fetches and unpacks what is missing of a data set; says before what it fetches, from whom and to where.

    The archives stay in the folder `ROOT.archives` beside `root`; they may be deleted once the set is there. Processes
    that come at the same time (the ranks of one run) wait for the first and find its work.

    Args:
        archives: one of the tables in `litseg.data.fetching.archives`.
        root: the data set's folder; each archive becomes the folder `root / archive.folder`.
        **connection: timeout, retries, pause; see `fetch`.

    Raises:
        ValueError: too little disk, a download that fails (see `fetch`) or an archive refused by `extract`.
    """
    root = Path(root).resolve()
    folder = root.with_name(f"{root.name}.archives")
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "download.lock"):
        missing = [archive for archive in archives if not _is_there(root / archive.folder)]
        if missing:
            _announce(missing, root, folder)
        for archive in missing:
            path, target = fetch(archive, folder, **connection), root / archive.folder
            for left in target.parent.glob(f".{target.name}{UNPACKING}*"):  # by a process that was killed
                shutil.rmtree(left)
            extract(path, target, archive.inside)


def fetch(archive: Archive, folder: Path, *, timeout: float = 30.0, retries: int = 5, pause: float = 1.0) -> Path:
    """Downloads one file, or finds it in place, and checks its size and checksum.

    It grows as `NAME.part` and takes its name when it is complete and right. Where no checksum is published, the
    sha256 of the first download is kept in `NAME.sha256.json` and every later file is held against it.

    Args:
        archive: what to fetch.
        folder: where to; made where missing.
        timeout: seconds without a byte after which a connection counts as broken.
        retries: attempts in a row that may bring nothing new.
        pause: seconds before the first retry; each further one waits twice as long.

    Returns:
        The file's path.

    Raises:
        ValueError: an address that is not https, an answer such as 404, a connection that stays broken, or a wrong
            size or checksum. What was fetched wrong is deleted; a file that lay there before is not.
    """
    check_address(archive.url, archive.url)
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / archive.name, folder / f"{archive.name}.part"
    with _locked(folder / f"{archive.name}.lock"):
        if target.exists():
            _check(archive, target, "delete it to fetch it again")
            return target
        transfer(archive, part, timeout, retries, pause)
        try:
            _check(archive, part, "it was deleted; try again, or see whether the owner has published a new version")
        except ValueError:
            part.unlink()
            raise
        part.replace(target)
        validator_file(part).unlink(missing_ok=True)
    return target


def _is_there(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _announce(missing: Sequence[Archive], root: Path, folder: Path) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    console.print(f"fetching {len(missing)} archives to {folder}, unpacked to {root}:")
    for archive in missing:
        size = "size unknown" if archive.size is None else f"{archive.size / 1e9:.2f} GB"
        console.print(f"  {archive.url} ({size}); terms of the owner: {archive.terms or 'not found'}")
    # packed and unpacked: images hardly shrink in an archive
    needed = sum((archive.size or 0) * (1 if (folder / archive.name).exists() else 2) for archive in missing)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(f"{root}: expected {needed / 1e9:.1f} GB of free disk, got {free / 1e9:.1f}; set data.root")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the system lifts the lock when a process dies."""
    import fcntl  # not on Windows, where the data sets are still to be read

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check(archive: Archive, path: Path, remedy: str) -> None:
    size = path.stat().st_size
    if archive.size is not None and size != archive.size:
        raise ValueError(f"{path}: expected {archive.size} bytes ({archive.source}), got {size}; {remedy}")
    record = path.with_name(f"{archive.name}.sha256.json")
    checksum, source = archive.checksum, archive.source
    if checksum is None and record.exists():
        checksum, source = (
            json.loads(record.read_text())["checksum"],
            f"the first download; delete {record} to trust a new one",
        )
    algorithm = "sha256" if checksum is None else checksum.partition(":")[0]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))  # md5 under FIPS too
    found = f"{algorithm}:{digest.hexdigest()}"
    if checksum is None:
        write_json(record, {"url": archive.url, "size": size, "checksum": found})
    elif found != checksum.lower():
        raise ValueError(f"{path}: expected {checksum} ({source}), got {found}; {remedy}")
