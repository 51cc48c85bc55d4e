"""What every handler is given: the archive, the settings, the threads; and URLs of resources."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any, NoReturn

from orjson import Fragment

from dicomweb_server.access.acting import copied
from dicomweb_server.access.caller import Caller
from dicomweb_server.access.doors import Doors
from dicomweb_server.access.errors import NotSignedIn
from dicomweb_server.access.journal import REFUSED
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.caches import Cache
from dicomweb_server.archive.desk import Desk, open_desk
from dicomweb_server.archive.streams import Content
from dicomweb_server.config import Config
from dicomweb_server.reading.reading import Reading
from dicomweb_server.records.database import Database
from dicomweb_server.web.http import Reply, Request, Workers
from dicomweb_server.web.receiving import RECEIVED_BYTES, Receiver, Room
from dicomweb_server.web.storing import Storing
from storage.model import Buffer, Digest, SeriesKey, StudyRow


class Budget:
    """So many bytes may be held at once; who wants more waits. What is larger than the whole
    budget is let in alone."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._waiting = 0
        self._released = asyncio.Condition()

    async def take(self, amount: int) -> None:
        if not self._waiting and self._fits(amount):
            self._held += amount
            return
        self._waiting += 1
        try:
            async with self._released:
                await self._released.wait_for(lambda: self._fits(amount))
                self._held += amount
        finally:
            self._waiting -= 1

    async def give_back(self, amount: int) -> None:
        self._held -= amount
        if self._waiting:
            async with self._released:
                self._released.notify_all()

    def _fits(self, amount: int) -> bool:
        return self._held == 0 or self._held + amount <= self._limit


ENCODED_BYTES = 32 * 2**20
"""Metadata in a content coding, by ETag."""


@dataclass(frozen=True)
class Plan:
    """A body that is sent as it is kept, and what it rests on: it is right while the series have
    these versions. That a payload is moved meanwhile, `streams` finds out itself."""

    versions: list[tuple[SeriesKey, int]]
    tag: str
    headers: tuple[tuple[bytes, bytes], ...]
    pieces: list[Buffer | Content]

    @cached_property
    def length(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def weight(self) -> int:
        """What it takes in memory, in bytes, about."""
        return sum(500 if isinstance(one, Content) else len(one) for one in self.pieces)


PLAN_BYTES = 32 * 2**20
"""Of plans that are remembered: some twelve series of 500 slices."""


STUDIES_BYTES = 16 * 2**20
"""Studies as searches answer with them: some 6,000."""

StudiesShown = Cache[tuple[int, frozenset[str] | None, str], tuple[StudyRow, Fragment]]
"""By the id of the row, the attributes asked for besides the usual ones, and the root of URLs: the
row, which has that id as long as it is kept here, and what was made of it."""


GOVERNING_BYTES = 32 * 2**20
"""Of data sets, what decides how pixels are drawn, by the digest of the received file: some 12,000
CT slices."""


@dataclass(frozen=True)
class Service:
    """A handler gets it as `seen_by` who asks, whom `archive` and `desk` then know."""

    archive: Archive
    config: Config
    workers: Workers
    doors: Doors
    routes: tuple[tuple[str, str], ...] = ()
    api: tuple[tuple[str, str], ...] = ()
    encoded: Cache[str, bytes] = field(default_factory=lambda: Cache(ENCODED_BYTES))
    studies: StudiesShown = field(default_factory=lambda: Cache(STUDIES_BYTES))
    plans: Cache[tuple[object, ...], Plan] = field(default_factory=lambda: Cache(PLAN_BYTES))
    governing: Cache[Digest, dict[str, Any]] = field(default_factory=lambda: Cache(GOVERNING_BYTES))
    storing: Storing = field(init=False)
    upload_bytes: Budget = field(init=False)
    received: Room = field(default_factory=lambda: Room(RECEIVED_BYTES))
    hashing: asyncio.Semaphore = field(init=False)
    _desk: Callable[[], Desk] = field(init=False)

    def __post_init__(self) -> None:
        storing = Storing(self.workers, large_at_once=self.config.upload_concurrency)
        object.__setattr__(self, "storing", storing)
        object.__setattr__(self, "upload_bytes", Budget(UPLOAD_BYTES))
        object.__setattr__(self, "hashing", asyncio.Semaphore(HASHING))
        # Opened when somebody first asks for it, and once for all who do.
        object.__setattr__(self, "_desk", cache(partial(open_desk, self.archive)))

    def seen_by(self, caller: Caller) -> "Service":
        """The same service for somebody who asks."""
        return copied(self, archive=self.archive.seen_by(caller))

    def receiver(self, *, limit_bytes: int) -> Receiver:
        """For a part of an upload."""
        return Receiver(
            self.archive.storage.incoming,
            limit_bytes=limit_bytes,
            room=self.received,
            workers=self.workers,
        )

    def refuse(self, path: str) -> NoReturn:
        """Nobody asks for what is not for everybody; the audit has it. Raises NotSignedIn."""
        self.doors.journal.count(self.caller, REFUSED, path[:200], "failure")
        raise NotSignedIn(f"{path[:200]} is for who has signed in")

    @property
    def caller(self) -> Caller:
        return self.archive.caller

    @property
    def desk(self) -> Desk:
        """Orders and transfers."""
        return self._desk().seen_by(self.caller)

    @property
    def records(self) -> Database:
        """Persons, reports and audit."""
        return self.doors.records

    @property
    def reading(self) -> Reading:
        """The report module; `reading_of` is it as somebody sees it. What it needs of the archive
        it asks for itself: who may read reports need not be allowed to search."""
        return Reading(self.archive.own, self.records, self._desk())

    def root(self, request: Request) -> str:
        """The DICOMweb root as the client must address it, e.g. `http://archive:8000/dicom-web`."""
        return (self.config.public_url or request.origin) + self.config.prefix


def reading_of(service: Service, request: Request) -> Reading:
    """The report module for who asks."""
    return service.reading.seen_by(service.caller)


HASHING = 2
"""Passwords that are hashed at the same time: each takes 64 MiB and some 50 ms of a processor."""

UPLOAD_BYTES = 128 * 2**20
"""Received parts, of those that may be held in memory, that wait to be stored in a process."""

Handler = Callable[[Service, Request], Awaitable[Reply]]


def instance_url(root: str, study_uid: str, series_uid: str, instance_uid: str) -> str:
    return f"{root}/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}"
