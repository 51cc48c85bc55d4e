"""The viewer's pages and their files: some MiB, so they are read once and kept.

What lies under /assets has its content's hash in its name: it never changes and is kept by
browsers for good; it is compressed once, decoders (WebAssembly) too, which shrink to a third. The
pages themselves are asked for again each time, and cost a 304.
"""

from functools import cache
from html import escape
from urllib.parse import urlsplit

from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.web import encodings, etags, opening
from dicomweb_server.web.http import Reply, Request, content, header
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Handler, Service
from viewer import pages

# Nothing from elsewhere, no script or style within the page. 'wasm-unsafe-eval' lets the decoders
# be compiled, and nothing else; blob: is what the page has fetched itself (pictures, PDF).
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; worker-src 'self'; connect-src 'self'; "
    "frame-src blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_GUARDS = (
    header("content-security-policy", CONTENT_SECURITY_POLICY),
    header("referrer-policy", "no-referrer"),
    header("x-content-type-options", "nosniff"),
)
_ASKED_AGAIN = (header("cache-control", "no-cache"), *_GUARDS)
_KEPT = (header("cache-control", "public, max-age=31536000, immutable"), *_GUARDS)

STUDIES_AHEAD = 4
"""A browser has six connections: two are left for the page."""

_pages = cache(pages)


PAGES = {
    "/": "index.html",
    "/read.html": "read.html",
    "/reports.html": "reports.html",
    "/admin.html": "admin.html",
    "/signin.html": "signin.html",
}
"""Path -> file."""


def page(name: str) -> Handler:
    """The handler of GET for one page, which is told where the DICOMweb root is."""

    async def shown(service: Service, request: Request) -> Reply:
        return _page(service, request, name)

    return shown


async def asset(service: Service, request: Request) -> Reply:
    """Handler of GET /assets/{path*}."""
    name = "assets/" + request.parameters["path"]
    found = _pages().get(name)
    if found is None:
        raise Problem(404, f"there is no {name[:80]!r}", field="path")
    media_type, body = found
    coding = encodings.accepted(request) if len(body) >= encodings.SMALLEST else None
    headers = (header("content-encoding", coding), *_KEPT) if coding else _KEPT
    if coding:
        if (name, coding) not in _compressed:
            _compressed[name, coding] = await service.workers.run(encodings.encode, coding, (body,))
        body = _compressed[name, coding]
    return _reply(request, etags.etag(name, coding), media_type, body, headers)


_compressed: dict[tuple[str, str], bytes] = {}
"""Files by name and coding: as many as there are."""


def _page(service: Service, request: Request, name: str) -> Reply:
    found = _pages().get(name)
    if found is None:
        raise Problem(
            503,
            "the viewer's pages have not been built: run `python viewer/build.py`, or make run",
            field="path",
        )
    media_type, body = found
    root = urlsplit(service.root(request)).path
    body = body.replace(b"{{dicomweb-root}}", escape(root).encode())
    if name == "read.html":
        # Before all else: it takes longest, and a browser has two connections open at first.
        body = body.replace(b"<head>", b"<head>" + _ahead(request), 1)
    return _reply(request, etags.etag(body), media_type, body, _ASKED_AGAIN)


def _ahead(request: Request) -> bytes:
    """Has the browser ask for what the address names while the page's scripts are on their way:
    what is named is not looked up, so this says nothing of what is stored."""
    named = [(name, value) for name, value in request.query if is_uid(value)]
    series = next((value for name, value in named if name == "series"), None)
    studies = [value for name, value in named if name == "study"][:STUDIES_AHEAD]
    return "".join(
        f'<link rel="preload" as="fetch" crossorigin href="{opening.link(study, series)}">'
        for study in studies
    ).encode("ascii")


def _reply(
    request: Request,
    tag: str,
    media_type: str,
    body: bytes,
    headers: tuple[tuple[bytes, bytes], ...],
) -> Reply:
    if (reply := etags.not_modified(request, tag, *headers)) is not None:
        return reply
    reply = content(200, media_type, body, etag=tag)
    return Reply(200, (*reply.headers, *headers), reply.body)
