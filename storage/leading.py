"""Work of many threads that is done together: all that waits at once, by one of those who wait.

One thread at a time leads: it does what waits, its own among it, and then hands the lead to the
first of those who came meanwhile. Who comes alone does his at once and in his own thread: a thread
for all of it would cost him two changes of thread, milliseconds on a busy machine.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from storage.errors import Unavailable


class Waiting:
    """A piece of work. In the end it is `answered`, and `failure` is what it came to if it failed;
    until then it may be asked to lead."""

    def __init__(self) -> None:
        self.answered = False
        self.failure: BaseException | None = None
        self._woken = threading.Lock()
        self._woken.acquire()

    def wake(self) -> None:
        self._woken.release()

    def wait(self) -> None:
        self._woken.acquire()


W = TypeVar("W", bound=Waiting)


class Line(Generic[W]):
    """Those who wait.

    name  of what works, for who comes when it is closed
    work  does a batch, the leader's own first; what it raises fails all of it. It may take more
          into the batch (`take`)
    fits  whether one more may join a batch, which is never empty
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[W]], None],
        *,
        fits: Callable[[Sequence[W], W], bool],
    ) -> None:
        self._name = name
        self._work = work
        self._fits = fits
        self._queue: deque[W] = deque()
        self._led = False
        self._idle = threading.Condition(threading.Lock())
        self._closed = False

    def __len__(self) -> int:
        """How many wait for who leads."""
        return len(self._queue)

    def join(self, waiting: W, *, only_to_lead: bool = False) -> bool:
        """Whether it is the one to lead; else it waits, or not even that when it came only to
        lead. Raises Unavailable when the line is closed."""
        with self._idle:
            if self._closed:
                raise Unavailable(f"{self._name} is closed", retry_after_s=1.0)
            leads = not self._led
            if leads or not only_to_lead:
                self._queue.append(waiting)
                self._led = True
            return leads

    def finish(self, waiting: W, *, leads: bool) -> bool:
        """Returns when what has joined is answered; whether its thread led to that end."""
        if not leads:
            waiting.wait()
        if waiting.answered:
            return False
        self._lead()
        return True

    def close(self) -> None:
        """Returns when what waits is done."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._led)

    def _lead(self) -> None:
        """Does the first that wait, the leader's own among them, and passes the lead on."""
        batch: list[W] = []
        self.take(batch)
        try:
            self._work(batch)
        except BaseException as failure:
            for waiting in batch:
                waiting.failure = failure
        finally:
            for waiting in batch:
                waiting.answered = True
            with self._idle:
                following = self._queue[0] if self._queue else None
                self._led = following is not None
                self._idle.notify_all()
            if following is not None:
                following.wake()
            for waiting in batch[1:]:
                waiting.wake()

    def take(self, batch: list[W]) -> list[W]:
        """Those who have waited longest and fit the batch, to which they then belong; for `work`
        alone."""
        taken: list[W] = []
        with self._idle:
            while self._queue and (not batch or self._fits(batch, self._queue[0])):
                taken.append(self._queue.popleft())
                batch.append(taken[-1])
        return taken
