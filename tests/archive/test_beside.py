"""The thread beside those that store: used when it is idle, waited for by nobody else."""

import threading

import pytest

from dicomweb_server.archive.beside import Beside


def test_work_is_done_by_the_thread_when_it_is_idle_and_else_by_who_asks() -> None:
    beside = Beside()
    go_on = threading.Event()

    def slow() -> str:
        assert go_on.wait(10)
        return threading.current_thread().name

    first = beside.begin(slow)
    second = beside.begin(lambda: threading.current_thread().name)
    assert second() == threading.current_thread().name
    go_on.set()
    assert first() != threading.current_thread().name
    assert beside.begin(lambda: 3)() == 3


def test_what_fails_fails_for_who_asks_and_the_thread_goes_on() -> None:
    beside = Beside()
    with pytest.raises(ZeroDivisionError):
        beside.begin(lambda: 1 // 0)()
    assert beside.begin(lambda: 3)() == 3
