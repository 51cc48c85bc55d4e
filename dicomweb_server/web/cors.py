"""Pages of other origins: which may read answers (Fetch §3.2, CORS protocol).

The cookie of a session is not sent along by other sites' pages (SameSite), and answers never allow
credentials: such a page asks with a token. So what may be read by any origin is `*`; of named
origins the one that asks is repeated. Errors say it too, or a page learns nothing of them.
"""

from dicomweb_server.web.http import Reply, Request, header

_EXPOSED = (
    "Accept-Ranges, Allow, Content-Encoding, Content-Length, Content-Location, Content-Range, ETag,"
    " Link, Location, Retry-After, Warning, X-Total-Count"
)
_PREFLIGHT_S = 600
"""How long a browser may remember the answer to a preflight."""


class Origins:
    """What the setting `cors_origins` names."""

    def __init__(self, setting: str) -> None:
        self._named = frozenset(part.strip() for part in setting.split(",") if part.strip())
        self._any = "*" in self._named

    def dressed(self, request: Request, reply: Reply) -> Reply:
        """The reply with what a browser has to be told, when the request names an origin; a cache
        is told that it depends on it also when it does not."""
        if not self._named:
            return reply
        vary = () if self._any else (header("vary", "Origin"),)
        allowed = self._allowed(request)
        if allowed is None:
            return reply.with_headers(*vary) if vary else reply
        return reply.with_headers(
            header("access-control-allow-origin", allowed),
            header("access-control-expose-headers", _EXPOSED),
            *vary,
        )

    def preflight(self, request: Request, allow: str) -> Reply | None:
        """The answer to a preflight (Fetch §3.2.2); None when it is none, or is not allowed.

        allow  the methods of the resource
        """
        if b"access-control-request-method" not in request.names or not self._allowed(request):
            return None
        asked = request.header(b"access-control-request-headers")
        headers = [
            header("access-control-allow-methods", allow),
            header("access-control-max-age", str(_PREFLIGHT_S)),
            header("vary", "Access-Control-Request-Headers"),
        ]
        if asked is not None and len(asked) < 1000 and asked.isprintable():
            headers.append(header("access-control-allow-headers", asked))
        return Reply(204, headers)

    def has(self, request: Request) -> bool:
        """Whether the request comes from a page of an origin that is allowed."""
        return self._allowed(request) is not None

    def _allowed(self, request: Request) -> str | None:
        origin = request.header(b"origin")
        if origin is None or not self._named:
            return None
        if self._any:
            return "*"
        return origin if origin in self._named else None
