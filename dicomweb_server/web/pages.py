"""The first page and its files. They are few and small, so they are read once."""

from functools import cache
from html import escape
from urllib.parse import urlsplit

from dicomweb_server.web import etags
from dicomweb_server.web.http import Reply, Request, content, header
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from viewer import pages

# Nothing from elsewhere, no script or style within the page. The thumbnails are made by the server;
# blob: is for those the page has fetched itself.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


HEADERS = (
    header("cache-control", "no-cache"),
    header("content-security-policy", CONTENT_SECURITY_POLICY),
    header("referrer-policy", "no-referrer"),
    header("x-content-type-options", "nosniff"),
)

_pages = cache(pages)


async def first_page(service: Service, request: Request) -> Reply:
    """Handler of GET /. The page is told where the DICOMweb root is."""
    media_type, body = _pages()["index.html"]
    root = urlsplit(service.root(request)).path
    return _page(request, media_type, body.replace(b"{{dicomweb-root}}", escape(root).encode()))


async def static(service: Service, request: Request) -> Reply:
    """Handler of GET /static/{path*}."""
    name = request.parameters["path"]
    found = _pages().get(name)
    if found is None:
        raise Problem(404, f"there is no page {name[:80]!r}", field="path")
    return _page(request, *found)


def _page(request: Request, media_type: str, body: bytes) -> Reply:
    tag = etags.etag(body)
    if (reply := etags.not_modified(request, tag, *HEADERS)) is not None:
        return reply
    reply = content(200, media_type, body, etag=tag)
    return Reply(200, (*reply.headers, *HEADERS), reply.body)
