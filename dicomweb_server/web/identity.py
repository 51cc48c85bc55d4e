"""Who asks, as the request says it: a cookie, a token, or nothing on an archive without accounts.

Asked for every request, also for those that are answered from memory (remembered.py); so what was
found is kept for a while, and forgotten the moment anybody's rights change (access/revision.py): a
session that was ended in one process is over in all of them with the next request.

A browser sends a cookie with whatever a page of any origin asks for, so what changes something is
refused when a browser says that it comes from another site (Fetch Metadata, else Origin).
"""

import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.types import Scope

from dicomweb_server.access.caller import NOBODY, Caller
from dicomweb_server.access.doors import Doors, open_caller
from dicomweb_server.access.errors import NotSignedIn
from dicomweb_server.access.sessions import Found
from dicomweb_server.records.moments import now
from dicomweb_server.web.http import Request, Workers, header
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service

COOKIE = "session"
LIFE_S = 15.0
"""How long somebody is believed without a look at the database, which costs the first request after
a pause 2 ms; never beyond the end of his session. A quarter of the shortest time after which a
session may end that nobody uses."""

SHARED_LIFE_S = 2.0
"""The same where other machines may write the database: what they change is seen after so long."""

UNATTENDED, YES = b"unattended", b"?1"
"""A header (a boolean of RFC 9651) by which a page says that it asks by itself, and that nobody has
touched it since it last did: that is no use of the session, which ends unused all the same."""

ENTRIES = 10_000
_BEARER = b"bearer "
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


Shown = tuple[bytes, str, bool]
"""What a request shows of who asks: token or cookie, where it comes from, whether nobody is there.
"""


@dataclass(frozen=True, slots=True)
class Visit:
    """service  as whoever asks sees it
    shown    the token that was shown; empty: none
    found    whose it is
    """

    service: Service
    shown: str
    found: Found | None


@dataclass(frozen=True, slots=True)
class _Entry:
    visit: Visit
    revision: bytes
    until: float


class Identities:
    """Of one process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._doors: Doors = service.doors
        self._workers: Workers = service.workers
        self._life_s = SHARED_LIFE_S if self._doors.shares_records else LIFE_S
        self._entries: dict[Shown, _Entry] = {}

    def ready(self, shown: Shown) -> Visit | None:
        """Who asks, when that is known already."""
        entry = self._entries.get(shown)
        if entry is None or entry.until < time.monotonic():
            return None
        return entry.visit if entry.revision == self._doors.revision.current() else None

    async def of(self, scope: Scope) -> Visit:
        """Who asks. Raises NotSignedIn for a token that is good for nothing; whose session has
        ended is nobody, and may see the page to sign in on."""
        shown = shown_by(scope)
        visit = self.ready(shown)
        return await self._workers.run(self._find, shown) if visit is None else visit

    def _find(self, visitor: Shown) -> Visit:
        said, address, unattended = visitor
        # Before the database is asked: what changes meanwhile makes this one worthless.
        revision = self._doors.revision.current()
        bearer = said[: len(_BEARER)].lower() == _BEARER
        shown = said[len(_BEARER) :].strip().decode("latin-1") if bearer else _cookie(said)
        found = self._doors.find(shown, address=address, used=not unattended) if shown else None
        if found is not None:
            caller: Caller = found.caller
        elif bearer and shown:
            raise NotSignedIn("the token is not, or no longer, good for anything")
        else:
            caller = open_caller(address) if self._doors.is_open(address) else NOBODY
        if caller is NOBODY:
            caller = Caller("", frozenset(), session_id=f"nobody {address}", address=address)
        visit = Visit(self._service.seen_by(caller), shown if found else "", found)
        if len(self._entries) >= ENTRIES:
            self._entries.clear()
        life_s = self._life_s
        if found is not None and found.expires_at is not None:
            life_s = min(life_s, (found.expires_at - now()).total_seconds())
        self._entries[visitor] = _Entry(visit, revision, time.monotonic() + life_s)
        return visit


def shown_by(scope: Scope) -> Shown:
    """See `Shown`. A token goes before a cookie."""
    cookie, unattended = b"", False
    for name, value in scope["headers"]:
        if name == b"authorization":
            cookie = value
            break
        if name == b"cookie":
            cookie = value
        elif name == UNATTENDED:
            unattended = value == YES
    client = scope.get("client")
    return cookie, client[0] if client else "", unattended


def _cookie(header: bytes) -> str:
    try:
        morsel = SimpleCookie(header.decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def caller_of(request: Request) -> Caller:
    """Who asks; has no name when the request does not say."""
    return request.caller


def require_same_site(request: Request, *, allowed: bool) -> None:
    """Raises Problem (403) when a browser says that another site's page wants to change something.

    allowed  whether the origin is one that the setting `cors_origins` names
    """
    if request.method in _SAFE or b"authorization" in request.names:
        return
    site = request.header(b"sec-fetch-site")
    origin = request.header(b"origin")
    if site is not None:
        same = site in ("same-origin", "none")
    else:
        same = origin is None or origin.partition("://")[2] == request.header(b"host")
    if not same and not allowed:
        raise Problem(
            403,
            f"a page of {(origin or 'another site')[:200]} may not change anything here",
            name="cross-site",
            field="Origin",
        )


def set_cookie(request: Request, token: str) -> tuple[bytes, bytes]:
    """Set-Cookie (RFC 6265): not for scripts, not for other sites, by TLS only where there is
    TLS; it ends with the browser, the session behind it on its own."""
    secure = "; Secure" if request.scope["scheme"] == "https" else ""
    return header("set-cookie", f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{secure}")


def no_cookie() -> tuple[bytes, bytes]:
    return header("set-cookie", f"{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
