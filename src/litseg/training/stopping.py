"""Signals: the first asks the training to save and stop at its next step, the second ends the process at once."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
PATIENCE = 20.0
"""Seconds without a step after which a process of several no longer waits: another one of them has died."""


class Stopped(BaseException):
    """A signal has ended the run. Like KeyboardInterrupt no `except Exception` may take it.

    Args:
        number: which.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, else 143, which tells a scheduler to queue the job again."""
        return 130 if self.number == signal.SIGINT else 143


class StopRequest:
    """What the signals ask for.

    Outside of a training's steps a signal raises `Stopped` where it finds the program. Between `defer` and `release` it
    waits for `agreed`, which the training asks at the end of a step. The handlers themselves do next to nothing: what
    talks to other processes or writes files has no place in a handler.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._deferred, self._pid, self._progress = False, os.getpid(), time.monotonic()
        self._group: Any = None
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Takes the signals; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}

    def uninstall(self) -> None:
        """Gives them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def defer(self) -> None:
        """Training steps begin. Processes that train together get a channel of their own, on the CPU."""
        import torch.distributed as dist  # here: a signal is to be heeded while torch is imported

        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            self._group = dist.new_group(backend="gloo")
        self._deferred = True
        self.progressed()

    def release(self) -> None:
        """Training steps are over."""
        self._deferred = False
        if self.number is not None:
            raise Stopped(self.number)

    def progressed(self) -> None:
        """A batch is done: nobody hangs."""
        self._progress = time.monotonic()

    def agreed(self, save: bool) -> tuple[int, bool]:
        """The signal that any process has got, 0 for none, and whether rank 0 wants to save; the same on all ranks."""
        self.progressed()
        if self._group is None:
            return self.number or 0, save
        import torch
        import torch.distributed as dist

        wishes = torch.tensor([self.number or 0, int(save and dist.get_rank() == 0)])
        dist.all_reduce(wishes, dist.ReduceOp.MAX, group=self._group)
        self.number = self.number or int(wishes[0]) or None
        return int(wishes[0]), bool(wishes[1])

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a loader process, which has inherited this handler and is ended by its parent
            return
        if self.number is not None:
            os._exit(Stopped(number).exit_code)
        self.number = number
        if not self._deferred:
            raise Stopped(number)
        name = signal.Signals(number).name
        os.write(2, f"\n{name}: saving after this step, then stopping; a second signal stops at once\n".encode())
        if self._group is not None:
            self._progress = time.monotonic()
            threading.Thread(target=self._give_up, args=[number], daemon=True).start()

    def _give_up(self, number: int) -> None:
        while time.monotonic() - self._progress < PATIENCE:
            time.sleep(0.5)
        os.write(2, b"no step for 20 seconds, the other processes seem to be gone: stopping without a checkpoint\n")
        os._exit(Stopped(number).exit_code)
