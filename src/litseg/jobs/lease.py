"""Leases: of several programs on one shared folder, also on several machines, one at a time owns a thing.

`.lease-1`, `.lease-2`, ... in the thing's folder: the owner is who made the highest number. A file is made by an
exclusive create, so that of many who take over number n exactly one makes n + 1, and none is ever deleted, so that a
number is never made twice. The owner renews the time of its file; who is silent for too long, or whose process is gone,
is overtaken. All times are those of the file server: no clocks are compared. Who deletes the folder ends the lease.
"""

import json
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SILENCE = 60.0
"""Seconds without a beat after which an owner counts as dead."""


class Lease:
    """That this process owns a folder, see `take`. `release` or the end of a `with` block gives it back.

    A process that was stopped, or cut off from the file server, for longer than `silence` may find that it has been
    overtaken: it must ask `lost` before it writes what others may have written meanwhile, and stop its work.
    """

    def __init__(self, path: Path, file: int, silence: float) -> None:
        self._path, self._next = path, _numbered(path.parent, _number(path) + 1)
        self._file, self._inode = file, os.fstat(file).st_ino  # as long as it is open no other file gets its number
        self._process = os.getpid()
        self._lost, self._released = False, threading.Event()
        threading.Thread(target=self._beat, args=[silence / 6], daemon=True, name="lease").start()

    @classmethod
    def take(cls, folder: Path, silence: float = SILENCE) -> Self | None:
        """Takes a folder that nobody owns, or whose owner is dead or silent.

        Args:
            folder: made where it is absent; its name is that of the thing.
            silence: seconds without a sign of life after which others may take over.

        Returns:
            None where somebody else owns it, or has been quicker.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        newest = max((_number(path) for path in folder.glob(".lease-*")), default=0)
        if newest and _is_alive(_numbered(folder, newest)):
            return None
        path = _numbered(folder, newest + 1)
        owner = {"place": _place(), "process": os.getpid(), "started": _started(os.getpid()), "silence": silence}
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return None
        os.write(file, json.dumps(owner | {"host": socket.gethostname()}).encode())
        return cls(path, file, silence)

    @property
    def lost(self) -> bool:
        """Whether somebody else has taken over, as the file system says now."""
        if not self._lost and not self._released.is_set():
            try:
                self._lost = self._next.exists() or self._path.stat().st_ino != self._inode
            except FileNotFoundError:
                self._lost = True
            except OSError:  # the file server does not answer; the next beat asks again
                pass
        return self._lost

    def release(self) -> None:
        """Lets others take it at once. In a copy of this process that a fork has made, it does nothing."""
        if self._process != os.getpid() or self._released.is_set():
            return
        lost = self.lost
        self._released.set()
        os.close(self._file)
        if not lost:
            with suppress(OSError):
                os.utime(self._path, (0, 0))  # silent since 1970; it needs no room on the disk

    def _beat(self, seconds: float) -> None:
        while not self._released.wait(seconds) and not self.lost:
            with suppress(OSError):
                os.utime(self._path)
            if self._released.is_set():  # meanwhile, and the beat has undone it
                with suppress(OSError):
                    os.utime(self._path, (0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _numbered(folder: Path, number: int) -> Path:
    return folder / f".lease-{number}"


def _number(path: Path) -> int:
    digits = path.name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _is_alive(path: Path) -> bool:
    """Opens the file, which makes NFS ask the server for its time, and compares it with that of a file made now."""
    with path.open() as file:
        beat = os.fstat(file.fileno()).st_mtime
        owner = _read(file.read())
    probe = path.with_name(f".probe-{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}")
    try:
        probe.touch()
        now = probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
    return now - beat < float(owner.get("silence", SILENCE)) and not _is_gone(owner)


def _read(text: str) -> dict[str, Any]:
    """Empty where the owner is just writing it, or could not."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_gone(owner: dict[str, Any]) -> bool:
    """Whether the owner was a process of this machine that has ended; of other machines only its silence tells."""
    if owner.get("place") != _place():
        return False
    try:
        os.kill(owner["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's
        pass
    return _started(owner["process"]) not in ("", owner["started"])


def _place() -> str:
    """Where a process number means the same: a boot of a machine, and on it a container."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not Linux
        return socket.gethostname()


def _started(process: int) -> str:
    """When a process began, as numbers are given again; `ended` of one that its parent has not collected."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # not Linux, or hidden
        return ""
    return "ended" if words[0] in "ZX" else words[19]
