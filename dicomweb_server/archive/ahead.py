"""Work that is done before its turn, by as many threads as there are processors, and given out in
order: frames that are decoded while those before them are sent.

Work must not wait for other work of this kind: the threads are few, and all of them would wait.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Result = TypeVar("Result")

THREADS = len(os.sched_getaffinity(0))

WINDOW = THREADS + 1
"""Results that one stream holds or has in the making."""


def ahead(work: Iterable[Callable[[], Result]]) -> Iterator[Result]:
    """What each piece of work returns, in order. Raises what it raises, when its turn has come."""
    pool, begun = _pool(), deque[Future[Result]]()
    try:
        for each in work:
            begun.append(pool.submit(each))
            if len(begun) == WINDOW:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()


@cache
def _pool() -> ThreadPoolExecutor:
    """Of the process, not of a stream: two streams shall not decode in twice as many threads."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="ahead")
