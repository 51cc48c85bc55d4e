"""The same question again: replies that are remembered whole, or whole but for their payload.

A viewer that scrolls, and many viewers in one reading room, ask the same URL with the same headers
over and over. What routing, negotiation and heading made of that request the first time is kept by
the request's every byte (path, query, all headers), so nothing that may change a reply is left out
of the key. It holds while the series have the versions they had and the contents lie where they
lay; that need not be asked as long as nobody has written to the index at all. Else the long way is
gone again. The answer to a search holds for just so long: worklists ask anew every few seconds.

No `await` in here: what is remembered is answered before a task is made for the request
(connection.py). Who may ask is looked at before `Replies.ready` is asked: in `Application.ready`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from starlette.types import Scope as HttpScope

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.caches import Cache
from storage.errors import NotFound
from storage.model import Buffer, Digest, Place, Scope, SeriesKey

CACHE_BYTES = 64 * 2**20
"""Of heads and of bodies that are kept whole."""

WHOLE_BYTES = 16 * 2**20
"""A longer body is not kept."""

_ENTRY_BYTES = 2000
"""About what an entry weighs without its body: forty series of 500 frames fill the cache."""

Question = tuple[str, str, str, bytes, tuple[tuple[bytes, bytes], ...]]
_BREAKS = re.compile(rb"[\x00\r\n]")


def head_of(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The header lines. Raises ValueError when one would be more than a line."""
    if _BREAKS.search(b"".join(chain.from_iterable(headers))):
        raise ValueError("a header of the reply holds a line break")
    return b"".join([b"%b: %b\r\n" % each for each in headers])


@dataclass(frozen=True, slots=True)
class Basis:
    """What a reply rests on. It is right while the scope has these series in these versions, as
    `retrieve.versions` tells them.

    places   where contents lay that the reply was made of, when it would be another one from
             another place (in another form)
    payload  gives the body message number `position` each time anew, None when that cannot be had
             at once; without it the whole body is kept
    """

    scope: Scope
    versions: tuple[tuple[SeriesKey, int], ...]
    places: tuple[tuple[Digest, Place], ...] = ()
    payload: Callable[[], Buffer | None] | None = None
    position: int = 0

    @property
    def moment(self) -> int:
        """Of the index, at which it was seen to hold: none yet."""
        return -1

    @property
    def shows(self) -> str:
        return self.scope.study_uid


@dataclass(frozen=True, slots=True)
class Found:
    """What the answer to a search rests on: that nothing has been written to the index since.

    moment  of the index, asked before it was searched
    shows   level and question, which the audit is told each time
    """

    moment: int
    shows: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ready:
    """A reply to be sent: `head` is its header lines; `shows` the UID of the study it shows
    something of, or what was searched for."""

    status: int
    head: bytes
    body: tuple[Buffer, ...]
    shows: str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """moment  of the index, at which the basis was last seen to hold"""

    moment: int
    basis: Basis | Found
    ready: Ready


class Replies:
    """Remembered replies of one process."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._replies: Cache[Question, _Remembered] = Cache(CACHE_BYTES)

    def remember(
        self,
        scope: HttpScope,
        basis: Basis | Found,
        status: int,
        head: bytes,
        body: tuple[Buffer, ...],
    ) -> None:
        """Keeps the reply to a GET; `head` is its header lines, all of them."""
        if isinstance(basis, Basis) and basis.payload is not None:
            body = (*body[: basis.position], b"", *body[basis.position + 1 :])
        else:
            body = (b"".join(body),) if body else ()
        weight = sum(map(len, body))
        if weight > WHOLE_BYTES:
            return
        remembered = _Remembered(basis.moment, basis, Ready(status, head, body, basis.shows))
        self._replies.put(_question(scope), remembered, weight=_ENTRY_BYTES + weight)

    def ready(self, scope: HttpScope) -> Ready | None:
        """The reply to a GET that has been answered before; None when it has to be made."""
        question = _question(scope)
        remembered = self._replies.get(question)
        if remembered is None:
            return None
        moment = self._archive.storage.index.moment()
        if moment != remembered.moment:
            if not self._holds(remembered.basis):
                self._replies.discard(question)
                return None
            self._replies.renew(question, replace(remembered, moment=moment))
        ready, basis = remembered.ready, remembered.basis
        if isinstance(basis, Found) or basis.payload is None:
            return ready
        payload = basis.payload()
        if payload is None:
            return None
        body = (*ready.body[: basis.position], payload, *ready.body[basis.position + 1 :])
        return replace(ready, body=body)

    def _holds(self, basis: Basis | Found) -> bool:
        """Whether it is still so, though the index has been written to."""
        if isinstance(basis, Found):
            return False
        try:
            versions = tuple(retrieve.versions(self._archive, basis.scope))
            digests = [digest for digest, _ in basis.places]
            places = self._archive.storage.index.places(digests)
            return versions == basis.versions and places == [place for _, place in basis.places]
        except NotFound:
            return False


def _question(scope: HttpScope) -> Question:
    # Scheme and root path may be what a trusted proxy said, which is trusted of some clients only.
    place = scope["scheme"], scope.get("root_path", ""), scope["path"]
    headers = tuple([each for each in scope["headers"] if each[0] not in _WHO])
    return (*place, scope["query_string"], headers)


_WHO = frozenset({b"authorization", b"cookie"})
"""Who asks decides whether there is an answer, and that is looked at before; not what it is."""
