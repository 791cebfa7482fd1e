"""How this process asks for memory."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8


def few_arenas() -> None:
    """Have threads share two pools of freed memory, where the C library is glibc.

    By default it keeps one for each thread, and what one thread freed is of no use to another: 50 MB of a
    prediction. https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    except (AttributeError, OSError, TypeError):
        return  # another C library


def give_back() -> None:
    """Give freed memory back to the system, before work of another kind asks for its own."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return  # another C library
