"""Real processes; a short `silence` stands for the minute of the default."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from litseg.jobs import Lease

Python = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def python() -> Iterator[Python]:
    """Starts `code` with `words` as arguments in a process that is gone after the test."""
    started = []

    def start(code: str, *words: object) -> "subprocess.Popen[str]":
        code = f"import sys, time\nfrom pathlib import Path\nfrom litseg.jobs import Lease\n{code}"
        command = [sys.executable, "-c", code, *map(str, words)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


HOLD = """
lease = Lease.take(Path(sys.argv[1]), float(sys.argv[2]))
print(lease is not None, flush=True)
while not lease.lost:
    time.sleep(0.01)
print("lost", flush=True)
"""


def test_one_at_a_time(tmp_path: Path) -> None:
    first = Lease.take(tmp_path / "thing")
    assert first is not None
    assert Lease.take(tmp_path / "thing") is None
    first.release()
    with Lease.take(tmp_path / "thing") or pytest.fail("not free") as second:
        assert Lease.take(tmp_path / "thing") is None
        assert not second.lost
    assert not first.lost
    assert Lease.take(tmp_path / "other") is not None
    assert sorted(path.name for path in (tmp_path / "thing").iterdir()) == [".lease-1", ".lease-2"]


def test_numbers_sort_as_numbers(tmp_path: Path) -> None:
    for _ in range(12):
        lease = Lease.take(tmp_path)
        assert lease is not None
        lease.release()
    assert Lease.take(tmp_path) is not None
    assert Lease.take(tmp_path) is None


def test_the_heartbeat_keeps_it(tmp_path: Path, python: Python) -> None:
    owner = python(HOLD, tmp_path, 0.6)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "True\n"
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert Lease.take(tmp_path, 0.6) is None
        time.sleep(0.02)


def test_that_of_a_killed_process_is_free_at_once(tmp_path: Path, python: Python) -> None:
    owner = python(HOLD, tmp_path, 60)
    assert owner.stdout is not None
    owner.stdout.readline()
    assert Lease.take(tmp_path) is None
    owner.kill()
    while Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    lease = Lease.take(tmp_path)  # nobody has collected it: its number is still taken
    assert lease is not None
    lease.release()


def test_a_number_that_another_process_has_now_is_not_the_owner(tmp_path: Path) -> None:
    owner = Lease.take(tmp_path)
    assert owner is not None
    path = tmp_path / ".lease-1"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"started": "1"}))
    assert Lease.take(tmp_path) is not None
    assert owner.lost


def test_of_another_machine_only_its_silence_tells(tmp_path: Path) -> None:
    path = tmp_path / ".lease-1"
    path.write_text(json.dumps({"place": "elsewhere", "process": 2**22, "started": "1", "silence": 60.0}))
    assert Lease.take(tmp_path) is None
    os.utime(path, (time.time() - 55,) * 2)
    assert Lease.take(tmp_path) is None
    os.utime(path, (time.time() - 65,) * 2)
    assert Lease.take(tmp_path) is not None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"place": "x"}'])
def test_one_that_cannot_be_read_holds_for_a_minute(content: str, tmp_path: Path) -> None:
    path = tmp_path / ".lease-1"
    path.write_text(content)
    assert Lease.take(tmp_path) is None
    os.utime(path, (time.time() - 65,) * 2)
    assert Lease.take(tmp_path) is not None


def test_a_paused_owner_is_overtaken_and_notices(tmp_path: Path, python: Python) -> None:
    owner = python(HOLD, tmp_path, 0.6)
    assert owner.stdout is not None
    owner.stdout.readline()
    owner.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    assert Lease.take(tmp_path, 0.6) is None
    time.sleep(0.5)
    mine = Lease.take(tmp_path, 0.6)
    assert mine is not None
    owner.send_signal(signal.SIGCONT)
    assert owner.stdout.readline() == "lost\n"
    time.sleep(0.5)  # beats of the loser, if there were any
    assert not mine.lost
    mine.release()


def test_who_has_lost_does_not_release_what_others_own(tmp_path: Path) -> None:
    first = Lease.take(tmp_path)
    assert first is not None
    os.utime(tmp_path / ".lease-1", (0, 0))
    second = Lease.take(tmp_path)
    assert second is not None
    first.release()
    assert first.lost
    assert Lease.take(tmp_path) is None
    assert not second.lost


def test_it_ends_with_its_folder(tmp_path: Path) -> None:
    lease = Lease.take(tmp_path / "thing")
    assert lease is not None
    (tmp_path / "thing" / ".lease-1").unlink()
    other = Lease.take(tmp_path / "thing")  # a file of the same name
    assert other is not None
    assert lease.lost
    assert not other.lost


def test_a_fork_does_not_own_it(tmp_path: Path) -> None:
    lease = Lease.take(tmp_path)
    assert lease is not None
    if (child := os.fork()) == 0:
        lease.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert Lease.take(tmp_path) is None


RACE = """
won = []
go, count, rounds = Path(sys.argv[1]) / "go", int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
while not go.exists():
    pass
for number in range(rounds):
    for thing in range(count):
        lease = Lease.take(Path(sys.argv[1]) / str(thing))
        if lease is not None:
            owners = Path(sys.argv[1]) / f"owner-{thing}"
            with owners.open("x"):  # an error where somebody else owns it now
                won.append(thing)
            owners.unlink()
            lease.release()
print(*won)
"""


def test_many_at_once_never_own_a_thing_together(tmp_path: Path, python: Python) -> None:
    racers = [python(RACE, tmp_path, 5, 40) for _ in range(4)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    wins = [racer.communicate(timeout=60)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4
    counts = Counter(thing for won in wins for thing in won)
    assert all(counts[str(thing)] == len(list((tmp_path / str(thing)).glob(".lease-*"))) for thing in range(5))
    assert sum(counts.values()) > 100
    assert all(wins)


TAKE_OVER = """
print("ready", flush=True)
go = Path(sys.argv[1]) / "go"
while not go.exists():
    pass
leases = [Lease.take(Path(sys.argv[1]) / str(thing)) for thing in range(int(sys.argv[2]))]
print(*[thing for thing, lease in enumerate(leases) if lease is not None], flush=True)
time.sleep(100)
"""


def test_each_of_many_dead_owners_has_one_heir(tmp_path: Path, python: Python) -> None:
    count = 100
    dead = python("for thing in range(100): Lease.take(Path(sys.argv[1]) / str(thing))", tmp_path)
    dead.communicate(timeout=20)
    heirs = [python(TAKE_OVER, tmp_path, count) for _ in range(3)]
    for heir in heirs:
        assert heir.stdout is not None
        heir.stdout.readline()
    (tmp_path / "go").touch()
    won = [heir.stdout.readline().split() for heir in heirs if heir.stdout is not None]
    assert sorted(int(thing) for each in won for thing in each) == list(range(count))
