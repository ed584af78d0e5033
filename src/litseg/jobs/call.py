"""Calls the target of a job in this process, as if it were the command that the process was started for."""

import ctypes
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


def call(target: str, words: Sequence[str]) -> int:
    """Calls it. What it raises, SystemExit too, is for the interpreter: it prints it, and ends with the right code.

    Args:
        target: `package.module:function`.
        words: of its command line.

    Returns:
        The exit code.
    """
    module, _, function = target.partition(":")
    sys.argv = [target, *words]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what was printed before a crash is in the log
    # who starts the program of this process once more, as Lightning does for each further GPU, runs `python -m` this
    sys.modules["__main__"].__spec__ = find_spec(module)
    code = getattr(import_module(module), function)()
    return 0 if code is None else int(code)


def end_with_parent(parent: int) -> None:
    """From now on this process gets SIGTERM when its parent dies, or at once where it is dead. Only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # submitit's, for the process that attends this one
    sys.exit(call(sys.argv[2], sys.argv[3:]))
