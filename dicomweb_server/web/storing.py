"""What all uploads of a process bring, on its way into the archive.

What comes while nothing is being stored is stored at once; what comes while that is read is stored
with it, what comes later waits and is stored together, in one thread and with one commit. Side by
side the threads of several uploads wrest the interpreter from one another and commit one instance
each: a fifth to a quarter more CPU.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.gathering import Gathering
from dicomweb_server.archive.store import Outcome, Received, fits_group, refused, store_all
from dicomweb_server.archive.together import LARGE_BYTES
from dicomweb_server.web.http import Workers
from storage.errors import Unavailable


class Entry:
    """A part that is to be stored.

    archive  as its sender, who may store, sees it
    upload   whose parts come one after the other, whatever becomes of those before
    release  gives back what holds its bytes, once it is stored
    length   of its bytes
    outcome  in the end; raises storage.errors.Unavailable, and then it was not stored
    """

    def __init__(
        self,
        archive: Archive,
        part: Received,
        *,
        upload: Hashable,
        release: Callable[[], Awaitable[None]],
    ) -> None:
        self._received: tuple[Archive, Received] | None = (archive, part)
        self.length = part.source.length
        self.upload = upload
        self.release = release
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    @property
    def left(self) -> bool:
        """Whether it is no longer in the line: stored, being stored, or taken back."""
        return self._received is None

    def take(self) -> tuple[Archive, Received]:
        """What is to be stored, once: nothing here holds the bytes any longer. Freed before the
        sender goes on, they are what his next request is received in; later, that costs new pages
        from the system, 5 % of storing a CT slice."""
        received, self._received = self._received, None
        assert received is not None, "a part is stored once"
        return received


class Storing:
    """Of one process; used in its event loop alone.

    large_at_once  so many larger than LARGE_BYTES are stored at the same time, each by itself: the
                   others would wait while it is hashed
    """

    def __init__(self, workers: Workers, *, large_at_once: int) -> None:
        self._workers = workers
        self._waiting: deque[Entry] = deque()
        # What waits is also taken by the thread that stores.
        self._taking = threading.Lock()
        self._gathering = Gathering()
        self._working = False
        self._alone = asyncio.Semaphore(large_at_once)
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, entry: Entry) -> None:
        """Has it stored."""
        if entry.length > LARGE_BYTES:
            self._begin(self._store_alone(entry))
            return
        self._waiting.append(entry)
        if not self._working:
            self._working = True
            self._begin(self._store_what_waits())

    async def take_back(self, entry: Entry) -> None:
        """Returns when it is released: unstored, when that is in time."""
        with self._taking:
            late = entry.left
            if not late:
                entry.take()
        if late:
            with suppress(Unavailable):
                await entry.outcome
            return
        entry.outcome.cancel()
        await entry.release()

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store_what_waits(self) -> None:
        try:
            while self._waiting:
                batch: list[Entry] = []
                more = partial(self._more, batch)
                await self._told(batch, self._workers.run(store_all, self._take(batch), more=more))
                self._gathering.ended(_uploads((*batch, *self._waiting)))
        finally:
            self._working = False

    def _more(self, batch: list[Entry]) -> Sequence[tuple[Archive, Received]]:
        """What came while the batch was read, or is likely to; in the thread that stores."""
        return self._gathering.more(_uploads(batch), partial(self._take, batch))

    def _take(self, batch: list[Entry]) -> list[tuple[Archive, Received]]:
        """What has waited longest and still fits the batch, to which it then belongs."""
        taken: list[tuple[Archive, Received]] = []
        length = sum(entry.length for entry in batch)
        with self._taking:
            while self._waiting:
                entry = self._waiting[0]
                if not entry.left:
                    length += entry.length
                    if batch and not fits_group(len(batch) + 1, length):
                        break
                    batch.append(entry)
                    taken.append(entry.take())
                self._waiting.popleft()
        return taken

    async def _store_alone(self, entry: Entry) -> None:
        async with self._alone:
            if not entry.left:
                await self._told([entry], self._workers.run(store_all, [entry.take()]))

    async def _told(
        self, batch: Sequence[Entry], storing: Coroutine[object, object, Sequence[Outcome]]
    ) -> None:
        """Each hears what came of his part, and has its bytes given back."""
        outcomes: Sequence[Outcome | Unavailable]
        try:
            outcomes = await storing
        except Unavailable as error:
            outcomes = [error] * len(batch)
        except Exception as error:
            outcomes = [refused(error)] * len(batch)
        for entry, outcome in zip(batch, outcomes, strict=True):
            await entry.release()
            if entry.outcome.done():
                continue  # Who waited for it was cancelled.
            if isinstance(outcome, Unavailable):
                entry.outcome.set_exception(outcome)
                entry.outcome.exception()  # Seen, also when nobody waits for it any more.
            else:
                entry.outcome.set_result(outcome)


def _uploads(entries: Iterable[Entry]) -> int:
    return len({entry.upload for entry in entries})
