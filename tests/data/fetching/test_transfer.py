import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from litseg.data.fetching.archives import Archive
from litseg.data.fetching.transfer import check_address, transfer
from tests.data.fetching.server import Server, serve

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(CONTENT) as running:
        yield running


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "set.zip.part"


def _transfer(url: str, part: Path, retries: int = 2, timeout: float = 5.0, **known: object) -> None:
    transfer(Archive(f"{url}/set.zip", **known), part, timeout, retries, pause=0.01)  # type: ignore[arg-type]


def test_a_file_arrives(server: Server, part: Path) -> None:
    _transfer(server.url, part, size=len(CONTENT))
    assert part.read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_broken_connection_goes_on_where_it_ended(server: Server, part: Path) -> None:
    server.breaks = [100_000, 50_000]
    _transfer(server.url, part)
    assert part.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert [asked.get("If-Range") for asked in server.asked] == [None, '"1"', '"1"']


def test_more_breaks_than_retries_are_borne_while_bytes_arrive(server: Server, part: Path) -> None:
    server.breaks = [10_000] * 12
    _transfer(server.url, part, retries=1)
    assert part.read_bytes() == CONTENT


def test_a_second_call_goes_on_with_the_part_of_the_first(server: Server, part: Path) -> None:
    server.breaks = [100_000]
    with pytest.raises(ValueError, match=r"failed 1 times .*100000 of 300000 bytes.*run again.*to .*set\.zip$"):
        _transfer(server.url, part, retries=0)
    _transfer(server.url, part, retries=0)
    assert part.read_bytes() == CONTENT
    assert server.asked[1]["Range"] == "bytes=100000-"


def test_a_server_without_ranges_starts_over(server: Server, part: Path) -> None:
    server.ranges, server.breaks = False, [100_000]
    _transfer(server.url, part)
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_breaks_ends(server: Server, part: Path) -> None:
    server.ranges, server.breaks = False, [100_000] * 20
    with pytest.raises(ValueError, match="failed 3 times"):
        _transfer(server.url, part)
    assert len(server.asked) == 3  # the first brought something, the others got no further


def test_a_file_that_changed_meanwhile_starts_over(server: Server, part: Path) -> None:
    server.breaks = [100_000]
    with pytest.raises(ValueError, match="failed"):
        _transfer(server.url, part, retries=0)
    server.content, server.etag = CONTENT[::-1], '"2"'
    _transfer(server.url, part)
    assert part.read_bytes() == CONTENT[::-1]


def test_without_version_and_checksum_nothing_is_pieced_together(server: Server, part: Path) -> None:
    server.etag, server.breaks = None, [100_000]
    _transfer(server.url, part)
    assert part.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [None, None]


def test_a_checksum_vouches_for_pieces_without_a_version(server: Server, part: Path) -> None:
    server.etag, server.breaks = None, [100_000]
    _transfer(server.url, part, checksum=SHA256)
    assert part.read_bytes() == CONTENT
    assert server.asked[1]["Range"] == "bytes=100000-"


def test_a_part_of_another_address_is_not_continued(server: Server, part: Path) -> None:
    server.breaks = [100_000]
    with pytest.raises(ValueError, match="failed"):
        _transfer(f"{server.url}/old", part, retries=0)
    _transfer(server.url, part)
    assert "Range" not in server.asked[1]


def test_a_complete_part_is_not_asked_for_again(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT)
    _transfer(server.url, part, size=len(CONTENT), checksum=SHA256)
    assert server.asked == []


def test_a_part_longer_than_the_file_starts_over(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT + b"more")
    _transfer(server.url, part, checksum=SHA256)
    assert part.read_bytes() == CONTENT


def test_another_range_than_asked_for_is_not_appended(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    server.shift = 7
    with pytest.raises(ValueError, match=r"failed 1 times.*another range"):
        _transfer(server.url, part, retries=0, checksum=SHA256)
    assert not part.exists()


def test_a_length_that_is_announced_and_not_sent(server: Server, part: Path) -> None:
    server.announced = len(CONTENT) + 500
    with pytest.raises(ValueError, match=r"failed 3 times.*it ended after 300000 of"):
        _transfer(server.url, part)


def test_a_size_other_than_published_is_refused_before_the_body(server: Server, part: Path) -> None:
    with pytest.raises(ValueError, match=r"expected 299999 bytes \(the owner\), got 300000 announced"):
        _transfer(server.url, part, size=299_999, source="the owner")
    assert not part.exists()


def test_more_bytes_than_published_are_refused_as_they_come(server: Server, part: Path) -> None:
    server.announced = -1
    with pytest.raises(ValueError, match="expected 299999 bytes at most"):
        _transfer(server.url, part, size=299_999)
    assert not part.exists()


def test_fewer_bytes_than_published_without_a_length_are_a_break(server: Server, part: Path) -> None:
    server.announced, server.breaks = -1, [1000]
    _transfer(server.url, part, size=len(CONTENT))
    assert part.read_bytes() == CONTENT


def test_not_found_is_final(server: Server, part: Path) -> None:
    server.statuses = [404]
    with pytest.raises(ValueError, match=r"/set\.zip: the server answers HTTP Error 404: Not Found; .*by hand"):
        _transfer(server.url, part)
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again(server: Server, part: Path) -> None:
    server.statuses = [503, 429]
    _transfer(server.url, part)
    assert part.read_bytes() == CONTENT


def test_a_silent_server_is_given_up(server: Server, part: Path) -> None:
    server.hangs = True
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"failed 2 times.*timed out"):
        _transfer(server.url, part, retries=1, timeout=0.1)
    assert time.monotonic() - start < 5


def test_nobody_there(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as closed:
        url = closed.url
    with pytest.raises(ValueError, match=r"failed 2 times.*refused"):
        _transfer(url, part, retries=1)


def test_a_redirect_on_this_machine_is_followed(server: Server, part: Path) -> None:
    server.statuses, server.location = [302], f"{server.url}/moved/set.zip"
    _transfer(server.url, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x.zip", "http://192.0.2.1/x.zip"])
def test_a_redirect_to_anything_but_https_is_refused(server: Server, part: Path, location: str) -> None:
    server.statuses, server.location = [302], location
    with pytest.raises(ValueError, match=r"(expected an https address|is not allowed)"):
        _transfer(server.url, part)
    assert not part.exists()


@pytest.mark.parametrize("url", ["file:///etc", "ftp://127.0.0.1", "http://192.0.2.1", "http://127.0.0.1@192.0.2.1"])
def test_other_addresses_are_not_opened(part: Path, url: str) -> None:
    with pytest.raises(ValueError, match=r"expected an https address.*not opened"):
        _transfer(url, part)


def test_a_far_server_may_not_point_to_this_machine() -> None:
    with pytest.raises(
        ValueError, match=r"http://localhost/x\.zip: expected an https address \(asked for by https://far"
    ):
        check_address("http://localhost/x.zip", "https://far.example/x.zip")
    check_address("https://near.example/x.zip", "http://localhost/x.zip")


def test_a_terminal_sees_a_bar(
    server: Server, part: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _transfer(server.url, part)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _transfer(server.url, part.with_name("other.part"))
    assert "set.zip" in capsys.readouterr().err
