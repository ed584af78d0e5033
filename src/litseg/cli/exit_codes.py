"""How a run ended, told by the exit code: whether its results are complete, and whether to try again."""

import errno

from litseg.cli.errors import UserError

FAILED, REFUSED, NON_FINITE, TRY_AGAIN, OUT_OF_MEMORY = 1, 2, 3, 75, 137

FULL = (errno.ENOSPC, errno.EDQUOT)
DISK = (*FULL, errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE)
LOADER = {
    "DataLoader worker (pid": "the system kills processes where memory runs out: lower loader.workers",
    "DataLoader timed out": "a slow disk needs a larger loader.timeout",
    "Pin memory thread exited": "a loader process has died",
    "Too many open files": "or lower loader.workers",
    "unable to allocate shared memory": "enlarge /dev/shm (docker run --shm-size=2g), or lower loader.workers",
}
"""How torch says that a loader process died, hangs or cannot be reached, for which it has no type; a hint to each."""


def ending(error: BaseException) -> tuple[str, int]:
    """The state for `status.json` and the exit code.

    Args:
        error: what ended the run; 0 is for those that nothing did.
    """
    from litseg.training import CheckpointError, NonFiniteError, Stopped  # here: they import torch

    if isinstance(error, Stopped):
        return ("interrupted" if error.exit_code == 130 else "preempted"), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(error, UserError | CheckpointError):
        return "failed", REFUSED
    if isinstance(error, NonFiniteError):
        return "failed", NON_FINITE
    if is_out_of_memory(error):
        return "failed", OUT_OF_MEMORY
    return "failed", TRY_AGAIN if may_pass(error) else FAILED


def may_pass(error: BaseException) -> bool:
    """Whether what ended the run may be gone when it is resumed.

    A full or read-only disk, a loader process that died or hangs, a connection or a file that broke: where that stays,
    the check of the data or the opening of the run folder says so at the next start.
    """
    from litseg.data.samples import SampleError
    from litseg.training import SaveError

    if isinstance(error, SaveError | SampleError | ConnectionError | EOFError):
        return True
    if isinstance(error, OSError):
        return error.errno in DISK
    return isinstance(error, RuntimeError) and _loader_hint(error) is not None


def explain(error: BaseException) -> str:
    """The message for an error that `may_pass`."""
    from litseg.data.samples import SampleError
    from litseg.training import SaveError

    last = (str(error).strip().splitlines() or [""])[-1]  # before it comes the traceback of a loader process
    if isinstance(error, SampleError):
        return last.removeprefix("litseg.data.samples.SampleError: ")
    if isinstance(error, RuntimeError):
        return f"{last.removeprefix('RuntimeError: ')} ({_loader_hint(error)})"
    return str(error) if isinstance(error, SaveError) else f"{type(error).__name__} {error}"


def _loader_hint(error: RuntimeError) -> str | None:
    return next((hint for words, hint in LOADER.items() if words in str(error)), None)


def is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU or of the machine; torch has a type for the first only."""
    named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    return named or (isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error))


def is_expected(error: BaseException) -> bool:
    """Whether its message says all there is to say: no traceback is wanted."""
    from litseg.training import CheckpointError, NonFiniteError

    return isinstance(error, UserError | CheckpointError | NonFiniteError) or is_out_of_memory(error) or may_pass(error)
