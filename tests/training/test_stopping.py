import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from litseg.training import Stopped, StopRequest


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    request = StopRequest()
    request.install()
    yield request
    request.uninstall()


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGUSR1", 143), ("SIGINT", 130)])
def test_outside_of_a_training_a_signal_ends_the_run_where_it_is(stop: StopRequest, name: str, code: int) -> None:
    with pytest.raises(Stopped, match=name) as raised:
        os.kill(os.getpid(), getattr(signal, name))
    assert raised.value.exit_code == code
    assert not isinstance(raised.value, Exception)


def test_in_a_training_it_waits_for_the_end_of_the_step(stop: StopRequest, capfd: pytest.CaptureFixture[str]) -> None:
    stop.defer()
    assert stop.agreed(save=False) == (0, False)
    os.kill(os.getpid(), signal.SIGTERM)
    assert "saving after this step" in capfd.readouterr().err
    assert stop.agreed(save=True) == (signal.SIGTERM, True)
    with pytest.raises(Stopped, match="SIGTERM"):
        stop.release()


def test_the_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    request = StopRequest()
    request.install()
    assert signal.getsignal(signal.SIGTERM) != before
    request.uninstall()
    assert signal.getsignal(signal.SIGTERM) == before


SECOND = """
    import os, signal, time
    from litseg.training.stopping import StopRequest
    stop = StopRequest()
    stop.install()
    stop._deferred = True
    child = os.fork()
    if child == 0:  # a loader process: it has the handler, and must not heed it
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    os.kill(os.getpid(), signal.SIGTERM)
    print("still here", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("not reached", flush=True)
"""


def test_a_second_signal_ends_at_once_and_loader_processes_do_not_listen() -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(SECOND)], capture_output=True, text=True)
    assert done.returncode == 143
    assert done.stdout == "still here\n"
