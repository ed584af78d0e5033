import signal

import pytest
import torch

from litseg.cli.errors import UserError
from litseg.cli.exit_codes import ending, is_expected
from litseg.training import NonFiniteError, SaveError, Stopped


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (UserError("x"), ("failed", 2)),
        (NonFiniteError("x"), ("failed", 3)),
        (SaveError("x"), ("failed", 75)),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), ("failed", 75)),
        (torch.OutOfMemoryError("CUDA out of memory"), ("failed", 137)),
        (MemoryError(), ("failed", 137)),
        (Stopped(signal.SIGTERM), ("preempted", 143)),
        (Stopped(signal.SIGUSR1), ("preempted", 143)),
        (Stopped(signal.SIGINT), ("interrupted", 130)),
        (KeyboardInterrupt(), ("interrupted", 130)),
        (ValueError("x"), ("failed", 1)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_how_a_run_ended(error: BaseException, end: tuple[str, int]) -> None:
    assert ending(error) == end


def test_torch_says_that_the_machine_has_no_memory_left() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50)
    assert ending(raised.value) == ("failed", 137)


def test_only_our_own_bugs_have_a_traceback() -> None:
    assert all(is_expected(error) for error in (UserError("x"), NonFiniteError("x"), SaveError("x"), MemoryError()))
    assert not is_expected(ValueError("x"))
