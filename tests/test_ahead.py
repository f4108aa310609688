import threading
import warnings
from contextvars import ContextVar

import pytest

from mssviz._ahead import ahead, warn


def numbers(n, said=()):
    for i in range(n):
        for text in said:
            warn(text)
        yield i


def test_items_come_in_order_from_another_thread():
    with ahead(threading.current_thread() for _ in range(5)) as found:
        assert threading.current_thread() not in set(found)
    with ahead(numbers(5)) as found:
        assert list(found) == [0, 1, 2, 3, 4]


def test_items_are_made_in_the_context_of_who_reads_them():
    asker: ContextVar[str] = ContextVar("asker")
    asker.set("reader")
    with ahead(asker.get() for _ in range(2)) as found:
        assert list(found) == ["reader", "reader"]


def read_with_warnings_off(items):
    with ahead(items) as found, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as modules do while they are imported
        return list(found)


def test_what_is_said_there_is_not_lost_by_filters_elsewhere():
    with pytest.warns(UserWarning, match="of a song") as told:
        assert len(read_with_warnings_off(numbers(5, ["of a song"]))) == 5
    assert len(told) == 1


def test_what_is_said_two_threads_away():
    def inner():
        with ahead(numbers(2, ["deep"])) as found:
            yield from found

    with pytest.warns(UserWarning, match="deep"), ahead(inner()) as found:
        assert list(found) == [0, 1]
