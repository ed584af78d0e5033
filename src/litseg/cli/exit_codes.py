"""How a run ended, told by the exit code: whether its results are complete, and whether to try again."""

from litseg.cli.errors import UserError

FAILED, REFUSED, NON_FINITE, TRY_AGAIN, OUT_OF_MEMORY = 1, 2, 3, 75, 137


def ending(error: BaseException) -> tuple[str, int]:
    """The state for `status.json` and the exit code.

    Args:
        error: what ended the run; 0 is for those that nothing did.
    """
    from litseg.training import NonFiniteError, SaveError, Stopped  # here: they import torch

    if isinstance(error, Stopped):
        return ("interrupted" if error.exit_code == 130 else "preempted"), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(error, UserError):
        return "failed", REFUSED
    if isinstance(error, NonFiniteError):
        return "failed", NON_FINITE
    if is_out_of_memory(error):
        return "failed", OUT_OF_MEMORY
    if isinstance(error, SaveError) or "DataLoader worker" in str(error):
        return "failed", TRY_AGAIN
    return "failed", FAILED


def is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU or of the machine; torch has a type for the first only."""
    named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    return named or (isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error))


def is_expected(error: BaseException) -> bool:
    """Whether its message says all there is to say: no traceback is wanted."""
    from litseg.training import NonFiniteError, SaveError

    return isinstance(error, UserError | NonFiniteError | SaveError) or is_out_of_memory(error)
