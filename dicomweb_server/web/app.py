"""The ASGI application: which path leads where, and what happens when a handler fails.

One plain ASGI callable, without a middleware between it and the handlers: errors become problems,
HEAD is GET without a body, OPTIONS names the methods (RFC 9110 §9.3). What holds for every answer
is done here in turn: what a proxy said, ranges, content codings, Vary, other origins.
"""

import re
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from dicomweb_server.access.doors import open_doors
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.caches import Cache
from dicomweb_server.config import Config
from dicomweb_server.web import (
    bulkdata,
    capabilities,
    changes,
    delete,
    edits,
    encodings,
    exports,
    forwarded,
    frames,
    health,
    instances,
    metadata,
    opening,
    orders,
    pages,
    rendered,
    search,
    stow,
    transfers,
    wado_uri,
)
from dicomweb_server.web.access_routes import ACCESS_ROUTES
from dicomweb_server.web.cors import Origins
from dicomweb_server.web.http import ClientGone, Reply, Request, Workers, begun, header, send_reply
from dicomweb_server.web.identity import Identities, Shown, require_same_site, shown_by
from dicomweb_server.web.problems import Problem, problem_of, reply_of
from dicomweb_server.web.ranges import ranged
from dicomweb_server.web.reading_routes import READING_ROUTES
from dicomweb_server.web.remembered import Question, Ready, Replies, question_of
from dicomweb_server.web.routing import Router
from dicomweb_server.web.service import Handler, Service
from storage.model import QueryLevel

THREADS = 16
"""For what waits or computes. More would only wait for the same two disks and processors."""

STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"

# Under the DICOMweb root (PS3.18 Tables 10.3-1, 10.4.1-1 to -7, 10.5-1, 10.6.1-1).
DICOMWEB_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("OPTIONS", "", capabilities.capabilities),
    ("GET", "/wado", wado_uri.wado),
    ("POST", "/studies", stow.store_instances),
    ("POST", STUDY, stow.store_instances),
    ("GET", "/studies", search.searcher(QueryLevel.STUDY)),
    ("GET", "/series", search.searcher(QueryLevel.SERIES)),
    ("GET", "/instances", search.searcher(QueryLevel.INSTANCE)),
    ("GET", STUDY + "/series", search.searcher(QueryLevel.SERIES)),
    ("GET", STUDY + "/instances", search.searcher(QueryLevel.INSTANCE)),
    ("GET", SERIES + "/instances", search.searcher(QueryLevel.INSTANCE)),
    ("GET", INSTANCE + "/frames/{frames}", frames.frames),
    ("GET", INSTANCE + "/frames/{frames}/rendered", rendered.rendered),
    ("GET", INSTANCE + "/frames/{frames}/thumbnail", rendered.thumbnail),
    ("GET", INSTANCE + "/bulkdata/{path*}", bulkdata.bulkdata),
    *(
        route
        for level in (STUDY, SERIES, INSTANCE)
        for route in (
            ("GET", level, instances.instances),
            ("GET", level + "/metadata", metadata.metadata),
            ("GET", level + "/bulkdata", bulkdata.bulkdata_of_all),
            ("GET", level + "/pixeldata", bulkdata.pixeldata_of_all),
            ("GET", level + "/rendered", rendered.rendered),
            ("GET", level + "/thumbnail", rendered.thumbnail),
            ("DELETE", level, delete.delete),
        )
    ),
)

OTHER_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    *(("GET", path, pages.page(name)) for path, name in pages.PAGES.items()),
    ("GET", "/assets/{path*}", pages.asset),
    ("GET", "/openapi.json", capabilities.openapi),
    ("GET", "/wado", wado_uri.wado),
    ("GET", "/health", health.health),
    ("GET", "/health/ready", health.health),
    ("GET", "/health/live", health.live),
    ("GET", "/api/v1/changes", changes.feed),
    ("GET", "/api/v1" + STUDY + "/opening", opening.opening),
    ("POST", "/api/v1/edits", edits.create),
    ("GET", "/api/v1/edits", edits.listed),
    ("GET", "/api/v1/edits/{edit}", edits.one),
    ("POST", "/api/v1/edits/{edit}/undo", edits.undo),
    ("GET", "/api/v1/instances/{instance}/versions", edits.versions),
    ("GET", "/api/v1/instances/{instance}/versions/{version}", edits.version),
    ("POST", "/api/v1/exports", exports.note),
    ("POST", "/api/v1/orders", orders.create),
    ("GET", "/api/v1/orders", orders.listed),
    ("GET", "/api/v1/orders/{order}", orders.one),
    ("PATCH", "/api/v1/orders/{order}", orders.change),
    ("DELETE", "/api/v1/orders/{order}", orders.cancel),
    ("POST", "/api/v1/orders/{order}/complete", orders.complete),
    ("GET", "/api/v1/transfers", transfers.listed),
    ("POST", "/api/v1/transfers", transfers.send),
    ("GET", "/api/v1/transfers/{transfer}", transfers.one),
    ("POST", "/api/v1/pulls", transfers.pull),
    ("GET", "/api/v1/pulls/{transfer}", transfers.one),
    *ACCESS_ROUTES,
    *READING_ROUTES,
)


PUBLIC = frozenset(
    {
        ("OPTIONS", ""),
        *(("GET", path) for path in pages.PAGES),
        ("GET", "/assets/{path*}"),
        ("GET", "/openapi.json"),
        ("GET", "/health"),
        ("GET", "/health/ready"),
        ("GET", "/health/live"),
        ("GET", "/api/v1/session"),
        ("POST", "/api/v1/session"),
        ("DELETE", "/api/v1/session"),
        ("GET", "/api/v1/verify/{code}"),
    }
)
"""Routes for whoever asks; behind all others is somebody with a name, whom each verb then asks
whether he may. The pages have nothing of patients in them."""

Endpoint = tuple[Handler, bool]
"""A handler, and whether it is public."""

Asked = tuple[Shown, Question]
"""Who asks, as the request shows it, and for what."""

CAME_BYTES = 16 * 2**20
"""Of requests whose bytes are known: some 10,000, twenty series of 500 frames."""

_CAME_BYTES = 1000
"""About what such a request weighs beside its bytes."""


@dataclass(frozen=True)
class Application:
    """See `application`."""

    service: Service
    router: Router[Endpoint]
    identities: Identities
    replies: Replies
    trusted: forwarded.Networks | None
    origins: Origins
    came: Cache[tuple[bytes, str], Asked] = field(default_factory=lambda: Cache(CAME_BYTES))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError(f"no {scope['type']} here")
        scope = forwarded.applied(scope, self.trusted)
        request = Request(scope, receive, {})
        try:
            reply = ranged(request, await self._reply(request))
            reply = await encodings.encoded(request, reply, self.service.workers)
            reply = await begun(reply, request)
        except ClientGone:
            return
        except Exception as error:
            reply = reply_of(problem_of(error))
        if request.route_path.startswith(self.service.config.prefix):
            # Errors and 304 too: another header might have got another answer (RFC 9110 §12.5.5).
            reply = reply.with_headers(_VARY)
        reply = self.origins.dressed(request, reply)
        # When this fails the status is out, and a broken connection is all that can be said.
        await send_reply(reply, request, send, self.replies)

    def again(self, data: bytes, whence: str) -> Ready | None:
        """The reply to a GET of the very bytes of one that `ready` had a reply to, from the same
        place, without looking at what they say."""
        asked = self.came.get((data, whence))
        return None if asked is None else self.answer_to(asked)

    def ready(self, scope: Scope, *, data: bytes = b"", whence: str = "") -> Ready | None:
        """The reply to a GET, when it is remembered, or one like it, and may be given at once: the
        one place where that is decided. `connection.py` asks before it calls the application.

        data    all that came of the request; empty when that is not known
        whence  scheme and address that it came by: what else the scope says is said by `data`
        """
        try:
            said = forwarded.applied(scope, self.trusted)
            asked = shown_by(said), question_of(said)
        except Exception:
            return None
        ready = self.answer_to(asked)
        if ready is not None and data:
            self.came.put((data, whence), asked, weight=_CAME_BYTES + len(data))
        return ready

    def answer_to(self, asked: Asked) -> Ready | None:
        """Without a wait; None when there may be one."""
        try:
            shown, question = asked
            visit = self.identities.ready(shown)
            if visit is None:
                return None
            archive = visit.service.archive
            ready = self.replies.ready(question, archive)
            if ready is None:
                return None
            shows = ready.shows
            if isinstance(shows, str):
                return ready if archive.viewed_ready(shows) else None
            return ready if archive.asked_ready(*shows) else None
        except Exception:
            # Whatever is wrong, the long way meets it again and has an answer for it.
            return None

    async def _reply(self, request: Request) -> Reply:
        if b"host" not in request.names and request.scope.get("http_version") == "1.1":
            # RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any
            # HTTP/1.1 request message that lacks a Host header field".
            raise Problem(400, "the request has no Host", field="Host")
        hosts = [value for name, value in request.scope["headers"] if name == b"host"]
        if len(hosts) > 1 or (hosts and not _HOST.fullmatch(hosts[0])):
            # "... and to any request message that contains more than one Host header field line or
            # a Host header field with an invalid field value".
            raise Problem(400, "the request has no valid Host, or more than one", field="Host")
        path = request.route_path
        if request.method == "OPTIONS" and path == "*":
            # RFC 9110 §9.3.7: of the server as a whole.
            return Reply(204)
        match = self.router.match(path)
        if match is None:
            raise Problem(404, f"there is nothing at {path[:200]}", field="path")
        method = request.method
        if method == "OPTIONS" and (reply := self.origins.preflight(request, match.allow)):
            return reply
        found = match.methods.get("GET" if method == "HEAD" else method)
        if found is not None:
            request.parameters = match.parameters
            return await self._handled(request, *found)
        allow = header("allow", match.allow)
        if method == "OPTIONS":
            return Reply(204, (allow,))
        raise Problem(
            405,
            f"{method[:40]} is not possible at {path[:200]}, only {match.allow}",
            field="method",
            headers=(allow,),
        )

    async def _handled(self, request: Request, handler: Handler, public: bool) -> Reply:
        """What the handler answers to whoever asks; nobody gets past here but to what is public."""
        require_same_site(request, allowed=self.origins.has(request))
        visit = await self.identities.of(request.scope)
        request.visit = visit
        if not public and not visit.service.caller.name:
            await self.service.workers.run(visit.service.refuse, request.route_path)
        enrolling = visit.found is not None and visit.found.enrolling
        if enrolling and not public and not request.route_path.startswith("/api/v1/session"):
            # A password alone reaches nothing (SEC-02), whatever a handler asks.
            raise Problem(403, "a second factor has to be enrolled first", name="must-enrol")
        return await handler(visit.service, request)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self.close()
                return

    def close(self) -> None:
        """Ends the threads and writes what the audit still has to be told."""
        self.service.workers.shutdown()
        self.service.doors.close()


_HOST = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*", re.ASCII)
"""The characters of uri-host and port (RFC 3986 §3.2.2)."""

_VARY = header("vary", "Accept, Accept-Encoding")


def application(archive: Archive, config: Config) -> Application:
    """The web side of an archive. Who made the archive closes it, after the application's end."""
    doors = open_doors(config, archive.directory)
    archive = archive.noting(doors.journal)
    router: Router[Endpoint] = Router()
    routes = tuple((method, pattern) for method, pattern, _ in DICOMWEB_ROUTES)
    api = tuple(
        (method, pattern) for method, pattern, _ in OTHER_ROUTES if pattern.startswith("/api/")
    )
    for method, pattern, handler in DICOMWEB_ROUTES:
        router.add(method, config.prefix + pattern, (handler, (method, pattern) in PUBLIC))
    for method, pattern, handler in OTHER_ROUTES:
        router.add(method, pattern, (handler, (method, pattern) in PUBLIC))
    service = Service(archive, config, Workers(THREADS), doors, routes, api)
    return Application(
        service,
        router,
        Identities(service),
        Replies(archive),
        forwarded.networks(config.trusted_proxies),
        Origins(config.cors_origins),
    )
