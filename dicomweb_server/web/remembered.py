"""The same question again: replies of one stored frame, remembered whole but for the frame.

A viewer that scrolls, and many viewers in one reading room, ask the same URL with the same headers
over and over. What routing, negotiation and heading made of that request the first time is kept by
the request's every byte (path, query, all headers), so nothing that may change a reply is left out
of the key. It holds while the series has the version it had and the frame lies where it lay (two
looks at the index, some microseconds each); else the long way is gone again.

Who may ask what will depend on more than the request one day: that check belongs before this one.
"""

from dataclasses import dataclass

from starlette.types import Scope, Send

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.caches import Cache
from storage.errors import NotFound
from storage.model import Buffer, Digest, Place, SeriesKey

ENTRIES = 20_000
"""Some 30 MB: forty series of 500 slices."""

Question = tuple[str, str, str, bytes, tuple[tuple[bytes, bytes], ...]]


@dataclass(frozen=True, slots=True)
class Basis:
    """What a reply rests on: body message number `position` is the payload at `place`, which is
    where `digest` lies; the reply is right while that is so and the series has this version."""

    series: SeriesKey
    version: int
    digest: Digest
    place: Place
    position: int


@dataclass(frozen=True, slots=True)
class _Remembered:
    basis: Basis
    headers: list[tuple[bytes, bytes]]
    before: tuple[Buffer, ...]
    after: tuple[Buffer, ...]


class Replies:
    """Remembered replies of one process."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._replies: Cache[Question, _Remembered] = Cache(ENTRIES)

    def remember(
        self,
        scope: Scope,
        basis: Basis,
        headers: list[tuple[bytes, bytes]],
        body: tuple[Buffer, ...],
    ) -> None:
        """Keeps a 200 to a GET, `headers` complete."""
        at = basis.position
        remembered = _Remembered(basis, headers, body[:at], body[at + 1 :])
        self._replies.put(_question(scope), remembered, weight=1)

    async def answer(self, scope: Scope, send: Send) -> bool:
        """Answers a GET that has been answered before; False when it has to go the long way."""
        question = _question(scope)
        remembered = self._replies.get(question)
        if remembered is None:
            return False
        basis, storage = remembered.basis, self._archive.storage
        try:
            current = (
                storage.index.version_of(basis.series) == basis.version
                and storage.index.places((basis.digest,))[0] == basis.place
            )
            payload = storage.blobs.read_ready(basis.place) if current else None
        except NotFound:
            current, payload = False, None
        if payload is None:
            if not current:
                self._replies.discard(question)
            return False
        await send({"type": "http.response.start", "status": 200, "headers": remembered.headers})
        for message in (*remembered.before, payload, *remembered.after):
            await send({"type": "http.response.body", "body": message, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return True


def _question(scope: Scope) -> Question:
    # Scheme and root path may be what a trusted proxy said, which is trusted of some clients only.
    place = scope["scheme"], scope.get("root_path", ""), scope["path"]
    return (*place, scope["query_string"], tuple(scope["headers"]))
