"""Stages that work at the same time, each on what the one before it has done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def ahead(work: Callable[[Given], Made], given: Iterable[Given], pool: Executor, most: int) -> Iterator[Made]:
    """Work on things in a pool, some of them ahead of what is asked for. Results keep the order.

    Args:
        work: What is done with each.
        given: The things; they are taken in the caller's thread.
        pool: Where the work is done. A pool of one thread does one after the other.
        most: How many are worked on, or done and waiting, at the same time.

    Raises:
        Exception: What `work` or `given` raised, in the place of the result. What has not begun is dropped.
    """
    waiting: deque[Future[Made]] = deque()
    try:
        for one in given:
            waiting.append(pool.submit(work, one))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
