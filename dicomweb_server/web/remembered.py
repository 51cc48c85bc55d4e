"""The same question again: replies that are remembered whole, or whole but for their payload.

A viewer that scrolls, and many viewers in one reading room, ask the same URL with the same headers
over and over. What routing, negotiation and heading made of that request the first time is kept by
path, query and all headers that handlers can see (`READ`), so nothing that may change a reply is
left out of the key. It holds while the series have the versions they had and the contents lie where
they lay; that need not be asked as long as nobody has written to the index at all. Else the long
way is gone again. The answer to a search holds for just so long: worklists ask anew every few
seconds.

What was found for one frame holds for others that are asked for with the same headers: which form
is wanted, what dresses the reply. So the reply to a question that is new but for its path is made
at once too, when all it needs is at hand (`Likewise`).

No `await` in here: what is remembered is answered before a task is made for the request
(connection.py). Who may ask is looked at before `Replies.ready` is asked: in `Application.ready`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from starlette.types import Scope as HttpScope

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.caches import Cache
from storage.errors import NotFound
from storage.model import Buffer, Digest, Place, Scope, SeriesKey

MANNERS = 1000
"""Ways of asking that are remembered; every sort of client has one."""

WHOLE_BYTES = 16 * 2**20
"""A longer body is not kept."""

_ENTRY_BYTES = 2000
"""About what an entry weighs without its body: forty series of 500 frames fill the cache."""

Manner = tuple[str, str, bytes, tuple[tuple[bytes, bytes], ...]]
Question = tuple[str, Manner]
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
    likewise makes the replies to requests that differ from this one in nothing but their path
    """

    scope: Scope
    versions: tuple[tuple[SeriesKey, int], ...]
    places: tuple[tuple[Digest, Place], ...] = ()
    payload: Callable[[], Buffer | None] | None = None
    position: int = 0
    likewise: "Likewise | None" = None

    @property
    def moment(self) -> int:
        """Of the index, at which it was seen to hold: none yet."""
        return -1

    @property
    def shows(self) -> str:
        return self.scope.study_uid


Headers = tuple[tuple[bytes, bytes], ...]

Likewise = Callable[[Archive, str], tuple[Headers, tuple[Buffer, ...], Basis] | None]
"""Of the archive, as who asks sees it, and a path: the headers in which replies of the kind differ
(`_OWN`), body and basis of the reply 200; None when it is to be had in another way, or not at once.
Whoever may view, and that it is counted, is looked at by who sends the reply."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the answer to a search rests on: that nothing has been written to the index since.

    moment  of the index, asked before it was searched
    shows   level and question, which the audit is told each time
    """

    moment: int
    shows: tuple[str, str]


class Ready(NamedTuple):
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
        self._replies: Cache[Question, _Remembered] = Cache(
            archive.config.remembered_cache_mib * 2**20
        )
        self._manners: Cache[Manner, tuple[Likewise, bytes]] = Cache(MANNERS)

    def remember(
        self,
        scope: HttpScope,
        basis: Basis | Found,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        head: bytes,
        body: tuple[Buffer, ...],
    ) -> None:
        """Keeps the reply to a GET; `head` is its header lines, all of them."""
        question = question_of(scope)
        if isinstance(basis, Basis) and basis.likewise is not None:
            known = self._manners.get(question[1])
            if known is None or known[0] != basis.likewise:
                dressing = head_of([each for each in headers if each[0] not in _OWN])
                self._manners.put(question[1], (basis.likewise, dressing), weight=1)
        self._keep(question, basis, Ready(status, head, body, basis.shows))

    def _keep(self, question: Question, basis: Basis | Found, ready: Ready) -> None:
        body = ready.body
        if isinstance(basis, Basis) and basis.payload is not None:
            body = (*body[: basis.position], b"", *body[basis.position + 1 :])
        else:
            body = (b"".join(body),) if body else ()
        weight = sum(map(len, body))
        if weight <= WHOLE_BYTES:
            kept = Ready(ready.status, ready.head, body, ready.shows)
            remembered = _Remembered(basis.moment, basis, kept)
            self._replies.put(question, remembered, weight=_ENTRY_BYTES + weight)

    def ready(self, question: Question, archive: Archive) -> Ready | None:
        """The reply to a GET that has been answered before, or one like it; None when it has to be
        made. `archive` is it as who asks sees it, which is not looked at for what was answered."""
        remembered = self._replies.get(question)
        if remembered is None:
            return self._like_another(question, archive)
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
        return Ready(ready.status, ready.head, body, ready.shows)

    def _like_another(self, question: Question, archive: Archive) -> Ready | None:
        path, manner = question
        found = self._manners.get(manner)
        made = found[0](archive, path) if found is not None else None
        if found is None or made is None:
            return None
        own, body, basis = made
        length = b"content-length: %d\r\n" % sum(map(len, body))
        ready = Ready(200, b"".join((head_of(own), found[1], length)), body, basis.shows)
        self._keep(question, basis, ready)
        return ready

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


def question_of(scope: HttpScope) -> Question:
    """What a GET asks for."""
    # Scheme and root path may be what a trusted proxy said, which is trusted of some clients only.
    place = scope["scheme"], scope.get("root_path", "")
    headers = tuple([each for each in scope["headers"] if each[0] in _DECIDING])
    return scope["path"], (*place, scope["query_string"], headers)


READ = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"access-control-request-headers",
        b"access-control-request-method",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"if-range",
        b"last-event-id",
        b"origin",
        b"range",
        b"sec-fetch-site",
    }
)
"""Headers that handlers see (`http.Request`). No other can make another reply: the number that a
proxy or a trace gives each request is none; what a proxy says is in the scope by then."""

_DECIDING = READ - {b"authorization"}
"""Who asks decides whether there is an answer, and that is looked at before; not what it is."""

_OWN = frozenset({b"content-type", b"etag", b"content-length"})
"""Headers that say what this reply is; the others are the same for all of its kind."""
