"""HTTP as values: a request that is read, a reply that is made, over plain ASGI.

A handler is `async def handler(service, request) -> Reply`. It does not send: that the reply to
HEAD has no body, that a length is stated when it is known, and that a client who has gone is
noticed lives here once.

A reply's body goes out as the messages it is made of, never joined: three messages (head, frame,
tail) cost 5 us more than one, joining half a megabyte 74 us (ARCHITECTURE, decision 7). Large
bodies are streams; a stream that works in threads reads ahead by one message.
"""

import asyncio
import re
from collections.abc import (
    AsyncIterator,
    Callable,
    Generator,
    Hashable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from dicomweb_server.access.caller import NOBODY, Caller
from dicomweb_server.web.brief import Brief
from dicomweb_server.web.remembered import READ, Basis, Found, Replies, head_of
from storage.model import Buffer

if TYPE_CHECKING:
    from dicomweb_server.web.identity import Visit

MESSAGE_BYTES = 1024 * 1024
"""How large the messages of a stream are: smaller ones cost CPU, larger ones memory."""

SMALL_BYTES = 64 * 1024
"""Pieces below this are joined: a copy costs less than a message."""

AT_LEAST_EVERY_S = 0.02
"""What has been made goes out when the next of it takes longer, however little it is."""

QUERY_LIMIT = 32 * 1024
"""Characters of a query string that are read."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class QueryTooLong(Exception):
    """The query string has `found` characters."""

    def __init__(self, found: int) -> None:
        super().__init__(f"the query has {found} characters, the limit is {QUERY_LIMIT}")
        self.found = found


class Request:
    """One request. `parameters` are the variables of its route: `study` of `/studies/{study}`;
    `visit` says who asks (identity.py); `names` has which of the headers `remembered.READ` are
    there: of others nothing is known."""

    __slots__ = ("_query", "_receive", "names", "parameters", "scope", "visit")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        parameters: Mapping[str, str],
        visit: "Visit | None" = None,
    ) -> None:
        self.scope = scope
        self.visit = visit
        self._receive = receive
        self._query: list[tuple[str, str]] | None = None
        self.parameters = parameters
        # Most of the headers that matter are not there: asked once, not looked for one by one.
        self.names = READ.intersection([name for name, _ in scope["headers"]])

    @property
    def caller(self) -> Caller:
        """Who asks; has no name when the request does not say."""
        return NOBODY if self.visit is None else self.visit.service.caller

    def like(self, scope: Scope) -> "Request":
        """The same request with another scope; only one of the two may read the body."""
        return Request(scope, self._receive, self.parameters, self.visit)

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method

    @property
    def path(self) -> str:
        path: str = self.scope["path"]
        return path

    @property
    def route_path(self) -> str:
        """The path below what the program is mounted under, a proxy's prefix for instance."""
        return self.path.removeprefix(self.scope.get("root_path", ""))

    def header(self, name: bytes) -> str | None:
        """The value of a header, several of the same name joined by commas (RFC 9110 §5.3);
        `name` in lower case and one of `remembered.READ`."""
        if name not in self.names:
            return None
        found: bytes | None = None
        for key, value in self.scope["headers"]:
            if key == name:
                found = value if found is None else found + b", " + value
        return None if found is None else found.decode("latin-1")

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query parameters in order, percent-decoded. Raises QueryTooLong."""
        if self._query is None:
            text: bytes = self.scope["query_string"]
            if len(text) > QUERY_LIMIT:
                raise QueryTooLong(len(text))
            # Asked for twice: what is to be sent, and how.
            self._query = parse_qsl(text.decode("latin-1"), keep_blank_values=True) if text else []
        return self._query

    @property
    def origin(self) -> str:
        """Scheme and authority that the client used, e.g. `http://archive:8000`, and the path
        prefix the program is mounted under."""
        host = self.header(b"host")
        if host is None or not is_authority(host):
            name, port = self.scope.get("server") or ("localhost", None)
            host = name if port is None else f"{name}:{port}"
        return f"{self.scope['scheme']}://{host}{self.scope.get('root_path', '')}"

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ClientGone when it ends before it should."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk

    async def disconnected(self) -> None:
        """Returns when the client has gone; only to be awaited when the body has been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


# What RFC 3986 §3.2 lets an authority hold, without user information. It is copied into the URLs
# of responses, so nothing else may get through.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9\-._~]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@lru_cache(maxsize=256)
def is_authority(host: str) -> bool:
    return _AUTHORITY.fullmatch(host) is not None


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back.

    headers  without Content-Length, which `send_reply` states when it is known
    body     its messages in order; or a stream of them
    length   bytes of a streamed body, None when nobody knows beforehand
    part     of a streamed body: so many bytes from an offset on, where they can be had without
             making those before them
    basis    what the reply to a GET rests on, so that it can be remembered
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: tuple[Buffer, ...] | AsyncIterator[Buffer] = ()
    length: int | None = None
    part: "Callable[[int, int], AsyncIterator[Buffer]] | None" = None
    basis: Basis | Found | None = None

    def value(self, name: bytes) -> bytes | None:
        """Of a header, `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def with_headers(self, *more: tuple[bytes, bytes]) -> "Reply":
        # What `dataclasses.replace` does, in a fifth of its time: every reply comes by here.
        headers = (*self.headers, *more)
        return Reply(self.status, headers, self.body, self.length, self.part, self.basis)

    def resting_on(self, basis: Basis | Found) -> "Reply":
        return Reply(self.status, self.headers, self.body, self.length, self.part, basis)


def header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.encode("ascii"), value.encode("latin-1")


def content(status: int, content_type: str, *body: Buffer, etag: str | None = None) -> Reply:
    """A reply whose body is at hand."""
    headers = [header("content-type", content_type)]
    if etag:
        headers.append(header("etag", etag))
    return Reply(status, headers, body)


async def begun(reply: Reply, request: Request) -> Reply:
    """The reply with the first message of its stream made already, so that what goes wrong at once
    (a frame that cannot be decoded) is still an answer of its own."""
    body = reply.body
    if isinstance(body, tuple):
        return reply
    if request.method == "HEAD":
        await close(body)
        return replace(reply, body=_nothing())
    try:
        first = await anext(body, b"")
    except BaseException:
        await close(body)
        raise
    return replace(reply, body=_continued(first, body))


async def _nothing() -> AsyncIterator[Buffer]:
    return
    yield b""


async def _continued(first: Buffer, rest: AsyncIterator[Buffer]) -> AsyncIterator[Buffer]:
    try:
        yield first
        async for message in rest:
            yield message
    finally:
        await close(rest)


ANSWER = "dicomweb.answer"
"""Extension of the scope that connection.py gives. `answer(status, head, body)`, with the header
lines as bytes: whether all of it has been sent at once; else it is to be sent by messages."""

_NO_EXTENSIONS: Mapping[str, Any] = {}


async def send_reply(
    reply: Reply, request: Request, send: Send, replies: Replies | None = None
) -> None:
    """Sends a reply, remembering in `replies` what may be sent again; a stream is ended early when
    the client has gone."""
    headers = list(reply.headers)
    body = reply.body
    if isinstance(body, tuple):
        if reply.status not in _WITHOUT_CONTENT:
            headers.append((b"content-length", b"%d" % sum(map(len, body))))
        head = head_of(headers)
        if reply.basis is not None and replies is not None and request.method == "GET":
            replies.remember(request.scope, reply.basis, reply.status, headers, head, body)
        at_once = request.scope.get("extensions", _NO_EXTENSIONS).get(ANSWER)
        sent = body if request.method != "HEAD" else ()
        if at_once is not None and at_once["answer"](reply.status, head, sent):
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if request.method != "HEAD" and body:
            for message in body[:-1]:
                await send({"type": "http.response.body", "body": message, "more_body": True})
            await send({"type": "http.response.body", "body": body[-1]})
        else:
            await send({"type": "http.response.body", "body": b""})
        return
    if reply.length is not None:
        headers.append((b"content-length", b"%d" % reply.length))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if request.method != "HEAD":
        gone = asyncio.ensure_future(request.disconnected())
        try:
            async for message in body:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": message, "more_body": True})
        finally:
            gone.cancel()
            await close(body)
    await send({"type": "http.response.body", "body": b""})


# RFC 9110 §8.6: "A server MUST NOT send a Content-Length header field in any response with a
# status code of 1xx or 204"; 304 would have to state that of the 200.
_WITHOUT_CONTENT = frozenset({204, 304})


async def close(body: AsyncIterator[Buffer]) -> None:
    """Ends a stream that will not be read on."""
    closing: Any = getattr(body, "aclose", None)
    if closing is not None:
        await closing()


class Workers:
    """The threads in which everything that may wait or compute is done."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="web")
        self._brief = Brief()

    async def run(
        self,
        work: Callable[Arguments, Result],
        /,
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """What `work(...)` returns or raises, done in a thread."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()

        # Not by run_in_executor, whose second future and its locks are a third of a hop.
        def job() -> None:
            if done.cancelled():
                return
            try:
                result = work(*arguments, **named)
            except BaseException as error:
                loop.call_soon_threadsafe(_failed, done, error)
            else:
                loop.call_soon_threadsafe(_succeeded, done, result)

        self._pool.submit(job)
        return await done

    async def run_brief(
        self,
        kind: Hashable,
        work: Callable[Arguments, Result],
        /,
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """The same, done here and now when work of that kind has been brief (brief.py)."""
        timed = self._brief.timed(kind, work)
        if kind in self._brief:
            return timed(*arguments, **named)
        return await self.run(timed, *arguments, **named)

    async def stream(self, pieces: Iterator[Buffer]) -> AsyncIterator[Buffer]:
        """The bytes of `pieces` in messages of a good size; the next ones are made in a thread
        while those before are being sent."""
        batches = _batches(pieces)
        loop = asyncio.get_running_loop()
        ahead = loop.run_in_executor(self._pool, next, batches, None)
        try:
            while (batch := await ahead) is not None:
                ahead = loop.run_in_executor(self._pool, next, batches, None)
                for message in batch:
                    yield message
        finally:
            # A generator must not be closed while a thread is still in it.
            with suppress(Exception):
                await ahead
            batches.close()

    def shutdown(self) -> None:
        """Waits for what is running."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _succeeded(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _failed(future: asyncio.Future[Result], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _batches(pieces: Iterator[Buffer]) -> Generator[list[Buffer], None, None]:
    """The same bytes, about MESSAGE_BYTES at a time: small pieces joined, large ones cut, those
    between passed on without a copy; fewer when they are long in the making, and the first piece
    at once."""
    batch: list[Buffer] = []
    small: list[Buffer] = []
    size, limit = 0, 1
    began = monotonic()
    for piece in pieces:
        if len(piece) < SMALL_BYTES:
            small.append(piece)
        else:
            if small:
                batch.append(b"".join(small))
                small = []
            if len(piece) <= MESSAGE_BYTES:
                batch.append(piece)
            else:
                view = memoryview(piece)
                batch += [
                    view[at : at + MESSAGE_BYTES] for at in range(0, len(view), MESSAGE_BYTES)
                ]
        size += len(piece)
        if size >= limit or monotonic() - began > AT_LEAST_EVERY_S:
            yield [*batch, b"".join(small)] if small else batch
            batch, small, size, limit = [], [], 0, MESSAGE_BYTES
            began = monotonic()
    if batch or small:
        yield [*batch, b"".join(small)]
