"""Stages that work at the same time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fair_models.inference.streaming import ahead


def test_results_keep_the_order_of_what_was_given() -> None:
    """The first one waits until the last one in the pool is done."""
    last = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert last.wait(60)
        if number == 3:
            last.set()
        return number * number

    with ThreadPoolExecutor(4) as pool:
        assert list(ahead(work, range(10), pool, 4)) == [number * number for number in range(10)]


def test_no_more_is_taken_than_may_wait() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = ahead(lambda number: number, numbers(), pool, 3)
        assert next(results) == 0
        assert len(taken) == 3
        assert next(results) == 1
        assert len(taken) == 4


def test_an_error_comes_in_the_place_of_its_result_and_drops_the_rest() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if number == 2:
            raise ZeroDivisionError
        done.append(number)
        return number

    with ThreadPoolExecutor(1) as pool:
        results = ahead(work, range(100), pool, 2)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ZeroDivisionError):
            next(results)

    assert set(done) <= {0, 1, 3}
