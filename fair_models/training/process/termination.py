"""Makes a training end when it is asked to (SIGTERM), whatever it is doing, within a bounded time."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import FrameType

GRACE_S = 12.0
"""How long a training that was asked to end may take to close its run, in seconds; then it is killed."""

_asked: ContextVar[Callable[[], bool] | None] = ContextVar("fair_models_training_cancelled", default=None)


@contextmanager
def asking(cancelled: Callable[[], bool] | None) -> Iterator[None]:
    """Within, `is_cancelled` asks somebody who knows. A process is interrupted for other reasons too."""
    token = _asked.set(cancelled)
    try:
        yield
    finally:
        _asked.reset(token)


def is_cancelled() -> bool:
    """Whether an interrupted training was cancelled; so it is where nobody knows better."""
    cancelled = _asked.get()
    return cancelled is None or cancelled()


@contextmanager
def ending_on_request(grace_s: float = GRACE_S) -> Iterator[None]:
    """Within, SIGTERM raises in the main thread, so that the run is closed and temporary files go.

    A handler that is there (Prefect's) is kept; without one the process ends as by `sys.exit(143)`. What does
    not end within the grace, because it is deep in native code or swallows the exception, is killed; whoever
    sent the signal closes its run. Outside of the main thread, where no signal arrives, nothing is done.
    """
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(_zenml_keeps_off())
            stack.enter_context(_raising())
            stack.enter_context(_killed_after(grace_s))
        yield


@contextmanager
def _zenml_keeps_off() -> Iterator[None]:
    """ZenML takes SIGTERM over within each step, and asks its database inside of the handler.

    Prefect calls a run cancelled only while the handler is its own; otherwise the run reads "crashed" first.
    """
    from zenml.orchestrators import signal_handler

    kept = signal_handler._SIGNALS
    signal_handler._SIGNALS = ()
    try:
        yield
    finally:
        signal_handler._SIGNALS = kept


@contextmanager
def _raising() -> Iterator[None]:
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _killed_after(grace_s: float) -> Iterator[None]:
    """Kill this process where it still is within, so many seconds after it was asked to end.

    Python runs a signal's handler when native code returns. The number of the signal is written to a socket
    at once, and a thread waits for it.
    """
    told, teller = socket.socketpair()
    teller.setblocking(False)
    over = threading.Event()

    def watch() -> None:
        while number := told.recv(1):
            if number[0] == signal.SIGTERM and not over.wait(grace_s):
                os.kill(os.getpid(), signal.SIGKILL)

    # A process that was forked from this one (a data loader's) has its own life: its end is not ours.
    os.register_at_fork(after_in_child=lambda: None if over.is_set() else _forget_wakeup())
    before = signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
    watching = threading.Thread(target=watch, name="ending-on-request", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        teller.close()
        watching.join()
        told.close()


def _forget_wakeup() -> None:
    signal.set_wakeup_fd(-1)
