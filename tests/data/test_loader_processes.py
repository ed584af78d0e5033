import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litseg.data import DataModule, Shapes
from litseg.data.loader_processes import end_loader_processes, warn_of_small_shared_memory

RAISE = """
import logging, resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
logging.basicConfig(format="%(message)s")
from litseg.data.loader_processes import raise_open_files
raise_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
@pytest.mark.parametrize(("hard", "warned"), [(128, True), (4096, False)])
def test_the_soft_limit_of_open_files_becomes_the_hard_one(hard: int, warned: bool) -> None:
    code = RAISE.format(soft=100, hard=hard)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"({hard}, {hard})"
    assert (f"may open {hard} files" in done.stderr) == warned


def test_shared_memory_that_is_too_small_is_named_with_what_is_needed(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    warn_of_small_shared_memory(free // 2, tmp_path)
    warn_of_small_shared_memory(2 * free, tmp_path / "not there")
    assert not caplog.records
    warn_of_small_shared_memory(10**15, tmp_path)
    assert "need 1000000000 MB" in caplog.text
    assert "--shm-size=2000000000m" in caplog.text


def test_a_small_tmpfs_is_noticed(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount")
    try:
        warn_of_small_shared_memory(2**20, tmp_path)
        assert not caplog.records
        (tmp_path / "batch").write_bytes(bytes(600_000))
        warn_of_small_shared_memory(2**20, tmp_path)
        assert "has 0 MB free" in caplog.text
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_the_batches_of_all_loader_processes_are_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = os.statvfs("/")
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*found[:4], 0, *found[5:]]))
    data = DataModule(Shapes(size=128, train=16, val=2, test=2), [], batch_size=16, workers=1)
    data.check()
    with caplog.at_level(logging.WARNING):
        data.train_dataloader()
    needed = 1 * 2 * 16 * (128 * 128 * 3 + 128 * 128)  # processes x batches ahead x samples x (image and mask)
    if Path("/dev/shm").is_dir():
        assert f"need {needed / 1e6:.0f} MB" in caplog.text
    data.workers = 0
    caplog.clear()
    data.train_dataloader()
    assert not caplog.records


def _ignore_and_sleep() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def test_processes_that_ignore_sigterm_are_ended() -> None:
    handler = signal.getsignal(signal.SIGCHLD)
    process = multiprocessing.get_context("fork").Process(target=_ignore_and_sleep, daemon=True)
    process.start()
    end_loader_processes()
    assert not process.is_alive()
    assert signal.getsignal(signal.SIGCHLD) == handler
