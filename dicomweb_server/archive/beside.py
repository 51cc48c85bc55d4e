"""A thread beside those that store, for what needs no interpreter: hashing a file while it is read.

Who stores alone has a processor to spare and waits for one thing less; when many store at once the
thread is busy with the work of one of them, and the others do theirs themselves.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Beside:
    """Of one process."""

    def __init__(self) -> None:
        self._idle = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="beside")

    def begin(self, work: Callable[[], T]) -> Callable[[], T]:
        """What gives the result of `work`, or raises what it raised: begun already when the thread
        was idle, else done when it is asked for."""
        if not self._idle.acquire(blocking=False):
            return work
        return self._pool.submit(self._run, work).result

    def _run(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            self._idle.release()
