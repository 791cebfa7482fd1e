"""What is done in a process of its own, because it dies there or is given limits."""

import os
from collections.abc import Callable


def in_child(work: Callable[[], str]) -> tuple[int, str]:
    """Run something in a forked process; its end signal (or 0) and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, work().encode())
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, said
