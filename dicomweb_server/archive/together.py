"""Storing for many senders at once: what waits is stored in one batch, by the first who came.

Senders that wait for each answer, as those of C-STORE do, give one instance at a time, and so many
threads that each describe one wrest the interpreter from one another, and commits of one or two.
Stored eight at a time, a small instance takes a quarter of the CPU it takes alone.

One thread at a time leads: it stores all that waits, in its own thread, and then hands the lead to
the first of those who came meanwhile. Who comes alone waits for nobody.
"""

import threading
from collections import deque
from collections.abc import Iterable

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.store import (
    GROUP_BYTES,
    GROUP_PARTS,
    Outcome,
    Received,
    store,
    store_all,
)

LARGE_BYTES = 4 * 2**20
"""Who sends more stores alone: the others would wait while it is hashed."""


class _Waiting:
    """One part, and in the end its outcome; or the request to lead."""

    def __init__(self, archive: Archive, part: Received) -> None:
        self.archive = archive
        self.part = part
        self.outcome: Outcome | None = None
        self.failure: BaseException | None = None
        self._woken = threading.Lock()
        self._woken.acquire()

    @property
    def answered(self) -> bool:
        return self.outcome is not None or self.failure is not None

    def wake(self) -> None:
        self._woken.release()

    def wait(self) -> None:
        self._woken.acquire()


class Together:
    """Of one archive in one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._led = False

    def store(self, archive: Archive, part: Received) -> Outcome:
        """As `archive.store.store` of one part: durable on return, raises what that raises."""
        archive.permit(Act.STORE, Act.DRAFT)
        if part.source.length > LARGE_BYTES:
            return store(archive, [part])[0]
        waiting = _Waiting(archive, part)
        with self._lock:
            self._queue.append(waiting)
            leads, self._led = not self._led, True
        if not leads:
            waiting.wait()
        if not waiting.answered:
            self._lead()
        if waiting.failure is not None:
            raise waiting.failure
        assert waiting.outcome is not None, "who leads stores his own part too"
        return waiting.outcome

    def _lead(self) -> None:
        batch = self._next_batch()
        try:
            outcomes = store_all([(each.archive, each.part) for each in batch])
            for waiting, outcome in zip(batch, outcomes, strict=True):
                waiting.outcome = outcome
        except BaseException as failure:
            for waiting in batch:
                waiting.failure = failure
        finally:
            self._hand_on(batch[1:])

    def _next_batch(self) -> list[_Waiting]:
        """The first that wait, the leader's own part before all."""
        with self._lock:
            batch = [self._queue.popleft()]
            size = batch[0].part.source.length
            while self._queue and len(batch) < GROUP_PARTS:
                size += self._queue[0].part.source.length
                if size > GROUP_BYTES:
                    break
                batch.append(self._queue.popleft())
            return batch

    def _hand_on(self, answered: Iterable[_Waiting]) -> None:
        with self._lock:
            following = self._queue[0] if self._queue else None
            self._led = following is not None
        if following is not None:
            following.wake()
        for waiting in answered:
            waiting.wake()
