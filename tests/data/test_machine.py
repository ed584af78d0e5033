import gc
import threading
import time
from pathlib import Path

import pytest

from litseg.data.machine import allowed_cpus, cache_folder, in_threads, keep_freed_memory, write_folder


def test_results_come_in_order_and_exceptions_too() -> None:
    assert list(in_threads(lambda number: number**2, range(50))) == [number**2 for number in range(50)]
    results = in_threads(lambda number: 1 // (3 - number), range(50))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_iterator_that_is_left_does_not_wait_for_its_threads() -> None:
    go_on = threading.Event()

    def slow(number: int) -> int:
        if number:
            go_on.wait(20)
        return number

    results = in_threads(slow, range(100))
    assert next(results) == 0
    started = time.perf_counter()
    del results
    gc.collect()
    assert time.perf_counter() - started < 10
    go_on.set()


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITSEG_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.delenv("LITSEG_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "litseg"


def test_asking_malloc_to_keep_memory_does_no_harm() -> None:
    keep_freed_memory()
    assert allowed_cpus() >= 1


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_folder(tmp_path / "new", fail)
    assert not list(tmp_path.iterdir())
    write_folder(tmp_path / "new", lambda folder: (folder / "whole").touch())
    write_folder(tmp_path / "new", lambda folder: (folder / "second").touch())  # another process was first
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "whole"]
