"""The HTTP half of a download: asks for a file, goes on where it broke off, and trusts no answer."""

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from litseg.data.fetching.archives import Archive

CHUNK = 1 << 16  # what a broken connection loses at most
MAX_BYTES = 64 << 30  # where nobody names a size: an endless answer must end
PASSING = (408, 429, 500, 502, 503, 504)  # HTTP statuses worth another try
LOCAL = ("127.0.0.1", "localhost")


def transfer(archive: Archive, part: Path, timeout: float, retries: int, pause: float) -> None:
    """Fills `part` with the file at `archive.url`; goes on with a part that lies there.

    Args:
        archive: its address, and its size where known.
        part: the file to fill. Beside it, `PART.json` keeps what proves that a later answer is of the same file.
        timeout: seconds without a byte after which a connection counts as broken.
        retries: attempts in a row that may bring nothing new.
        pause: seconds before the first retry; each further one waits twice as long.

    Raises:
        ValueError: an address that is not https, an answer such as 404, a wrong size (the part is deleted), or a
            connection that stays broken (the part is kept).
    """
    check_address(archive.url, archive.url)
    most, failures = _length(part), 0
    while True:
        try:
            return _request(archive, part, timeout)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # the part is longer than the server's file: start over
                part.unlink(missing_ok=True)
            elif error.code not in PASSING:
                raise ValueError(f"{archive.url}: the server answers {error}; {_by_hand(part)}") from error
            problem: Exception = error
        except (OSError, http.client.HTTPException) as error:
            problem = error
        failures = 1 if _length(part) > most else failures + 1
        most = max(most, _length(part))
        if failures > retries:
            reason = f"{type(problem).__name__}: {problem}"
            raise ValueError(f"{archive.url}: failed {failures} times ({reason}); {_by_hand(part)}") from problem
        time.sleep(pause * 2 ** (failures - 1))


def check_address(url: str, origin: str) -> None:
    """Refuses what is neither https nor http from this machine to itself.

    Raises:
        ValueError: naming the address and `origin`, the address that led to it.
    """
    here = all(urlsplit(address).hostname in LOCAL for address in (url, origin))
    if urlsplit(url).scheme != "https" and not (here and urlsplit(url).scheme == "http"):
        raise ValueError(f"{url}: expected an https address (asked for by {origin}); it was not opened")


def _by_hand(part: Path) -> str:
    return f"run again to go on where it stopped, or fetch it by hand to {part.with_suffix('')}"


def _request(archive: Archive, part: Path, timeout: float) -> None:
    offset, headers = _resume(archive, part)
    if offset and offset == archive.size:
        return  # complete; stopped before it was checked
    request = urllib.request.Request(archive.url, headers={"User-Agent": "litseg", **headers})
    with urllib.request.build_opener(_Redirects).open(request, timeout=timeout) as response:
        if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            part.unlink(missing_ok=True)
            raise ConnectionError("the server sent another range than asked for")
        if response.status != 206:  # the whole file: a server without ranges, or a file that has changed
            offset = 0
            part.unlink(missing_ok=True)
        total = None if response.length is None else offset + response.length
        if archive.size is not None and total not in (None, archive.size):
            part.unlink(missing_ok=True)
            raise ValueError(f"{archive.url}: expected {archive.size} bytes ({archive.source}), got {total} announced")
        saved = {"url": archive.url, "validator": _validator(response.headers)}
        write_json(validator_file(part), saved)
        _receive(archive, part, response, offset, total)
    expected = archive.size or total or 0
    if _length(part) < expected:
        raise ConnectionError(f"it ended after {_length(part)} of {expected} bytes")


def _receive(archive: Archive, part: Path, response: IO[bytes], offset: int, total: int | None) -> None:
    limit, received = archive.size or total or MAX_BYTES, offset
    with _progress() as progress, part.open("ab") as file:
        task = progress.add_task(archive.name, total=archive.size or total, completed=offset)
        while chunk := response.read(CHUNK):
            received += len(chunk)
            if received > limit:
                part.unlink()
                raise ValueError(f"{archive.url}: expected {limit} bytes at most, the server sends more")
            file.write(chunk)
            progress.advance(task, len(chunk))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    quiet = not sys.stderr.isatty()
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=quiet)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def validator_file(part: Path) -> Path:
    """The file beside a part that keeps its address and the server's ETag or date."""
    return part.with_name(f"{part.name}.json")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes and renames, so that a killed process leaves no half file."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)


def _validator(headers: http.client.HTTPMessage) -> str | None:
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")  # If-Range takes no weak tags


def _resume(archive: Archive, part: Path) -> tuple[int, dict[str, str]]:
    """Where to go on and the headers that ask for it; 0 where nothing could tell that both halves are of one file."""
    saved = json.loads(validator_file(part).read_text()) if validator_file(part).exists() else {}
    validator = saved.get("validator") if saved.get("url") == archive.url else None
    offset = _length(part)
    if not offset or offset > (archive.size or offset) or not (validator or archive.checksum):
        return 0, {}
    return offset, {"Range": f"bytes={offset}-"} | ({"If-Range": validator} if validator else {})


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to https only."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            check_address(newurl, req.full_url)
        except ValueError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)
