"""A client's connection: uvicorn's HTTP/1.1, and what is remembered is answered without a task.

uvicorn makes a task and an ASGI conversation for each request, and uvloop writes each message by a
system call of its own, which is a packet and wakes the client: together half of the 114 us that a
stored frame cost. A reply that is ready (remembered.py) is written as soon as the request's headers
have been read, by one call, and one that is made whole is by one call too. Streams, and all that is
unusual (a client that does not read its answers, a connection that is to be closed), take uvicorn's
way. A GET whose headers came before is not even parsed (heard.py), and one that came before to the
byte is not read at all (`Application.again`).

The body of a request is given to the application in the pieces it arrived in, which the parser does
not see when the request says how many bytes they are. uvicorn has them parsed and copied, gathers
them in an array, copies that, and stops the socket at each 64 KiB: more than half of what receiving
a CT slice cost.

What is written past the transport goes to a number, the socket's descriptor, which is somebody
else's as soon as the connection is lost: then it is forgotten, and whoever is still at work on an
answer is told.
"""

import asyncio
import os
import re
import weakref
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable, Sequence, Sized
from functools import partial
from typing import Protocol, cast

import httptools
from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    HTTPRequestEvent,
    HTTPScope,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from dicomweb_server.web import heard
from dicomweb_server.web.http import ANSWER
from dicomweb_server.web.remembered import Ready
from storage.model import Buffer

WRITE_BUFFER_BYTES = 4 * 2**20
"""What may wait for a client before its answer pauses: with uvicorn's 64 KiB every frame would."""


MOST_PIECES = 256
"""Of a reply that is written by one call; the system takes 1,024."""

HEAD_BYTES = 64 * 1024
"""Of a request's target and headers. The parser joins what comes of a header anew for each piece,
and would be at it for minutes with one of a hundred megabytes."""

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
"""The beginning of a target that names its authority."""

_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})

BODY_BYTES = 2**20
"""What may wait for the application of a request's body before nothing more is read."""

BODIES_BYTES = 64 * 2**20
"""What may wait of all of a process, in equal shares: less of each where there are many."""


class Remembering(Protocol):
    """What an application has besides, whose replies may be remembered: see `app.Application`."""

    def again(self, data: bytes, whence: str) -> Ready | None: ...

    def ready(self, scope: HTTPScope, *, data: bytes = b"", whence: str = "") -> Ready | None: ...


class _Body:
    """What has arrived of the body of one request.

    connections    that share what may wait
    left           bytes that are still to come, 0 too when the request does not say how many
    begin_waiting  for the next of them; ends when its handle is cancelled, or the request does
    """

    def __init__(
        self,
        cycle: RequestResponseCycle,
        *,
        connections: Sized,
        begin_waiting: Callable[[], TimerHandle],
    ) -> None:
        self.cycle = cycle
        self._connections = connections
        self._begin_waiting = begin_waiting
        self.left = _content_length(cycle.scope) - len(cycle.body)
        self.pieces: deque[bytes] = deque()
        self.held_bytes = 0
        if cycle.body:
            # It had to wait for the requests before it, and uvicorn kept what came.
            self.add(bytes(cycle.body))
            cycle.body = bytearray()

    def take(self, piece: bytes) -> None:
        """What comes; nobody wants it once the request is answered."""
        self.left -= len(piece)
        if not self.cycle.response_complete:
            self.add(piece)

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.held_bytes += len(piece)
        if self.held_bytes > min(BODY_BYTES, BODIES_BYTES // max(1, len(self._connections))):
            self.cycle.flow.pause_reading()
        self.cycle.message_event.set()

    async def receive(self) -> ASGIReceiveEvent:
        """ASGI's receive."""
        cycle = self.cycle
        if not self.pieces:
            # It waits for the next piece, the end or the client's going, and has the socket read.
            waiting = self._begin_waiting() if cycle.more_body else None
            try:
                said = await cycle.receive()
            finally:
                if waiting is not None:
                    waiting.cancel()
            if not self.pieces or said["type"] != "http.request":
                return said
        if cycle.disconnected:
            return {"type": "http.disconnect"}
        piece = self.pieces.popleft()
        self.held_bytes -= len(piece)
        more = bool(self.pieces) or cycle.more_body
        message: HTTPRequestEvent = {"type": "http.request", "body": piece, "more_body": more}
        return message


def _new_parser(connection: HttpToolsProtocol) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _content_length(scope: HTTPScope) -> int:
    """What a request says, which the parser has checked: one number, and no Transfer-Encoding
    beside it (RFC 9112 §6.3); 0 when it does not say."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


class Connection(HttpToolsProtocol):
    """To be given to uvicorn as `http`. The application is `Remembering`, or none of ours."""

    def connection_made(self, transport: object) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        # Of what the socket gave last: how many requests began in it, whether one is unfinished.
        self._begun = 0
        self._unfinished = False
        self._body: _Body | None = None
        # Of what came last and is no request; nothing is read behind it.
        self._refusal = b""
        # What is being answered; the parser may be further than that.
        self._running: RequestResponseCycle | None = None
        # Of the head that is being received: since when, whether there is one, and what came of it,
        # or since of what is no content of the body: of an extension of a chunk, of trailers.
        self._heading = False
        self._head_began = 0.0
        self._head_bytes = 0
        # A request that would have another protocol, as it is read again (`_without_upgrade`).
        self._asked_plainly = b""
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._ours = cast(Remembering, self.app) if hasattr(self.app, "again") else None
        # The headers of every reply, and the lines they make.
        self._said_always: list[tuple[bytes, bytes]] | None = None
        self._always = b""
        self._whence = f"{self.scheme} {self.client[0] if self.client else ''}"
        # Of a TLS connection the transport alone can write.
        plain = self.transport.get_extra_info("ssl_object") is None
        socket = self.transport.get_extra_info("socket")
        self._descriptor: int | None = socket.fileno() if plain and socket is not None else None
        self._wait_for_head(self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._descriptor = None
        # uvicorn tells the newest request alone, which may be waiting behind the one that runs.
        cycles = [cycle for cycle, _ in self.pipeline]
        self.pipeline.clear()
        for cycle in filter(None, (self._running, self.cycle, *cycles)):
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._body = None

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends nothing more. Whether he is still answered.

        He may have closed his side alone, as `nc -N` does, or have gone: the same packet says both.
        Who has said all that he asks for is answered, and the connection closed behind that; if he
        has gone the first write is reset, and that is noticed as ever. So what runs on for nobody
        runs until its first message, and a change feed until it has something to say or its
        heartbeat. Who stops within a request has gone. TLS knows no half-closed connection here.
        """
        if self._refusal:
            return True  # What was asked for before has its answers still.
        if self._unfinished or not self._is_busy or self._descriptor is None:
            return False
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        if self._refusal:
            return
        body = self._body
        if body is not None and body.left > 0 and body.cycle is self.cycle:
            data = self._take_body(body, data)
            if not data:
                return
        between = not self._unfinished
        if between and self._again(data):
            return
        self._begun = 0
        if self._unfinished:
            self._head_bytes += len(data)
        self._parse(data)
        if self._unfinished and self._head_bytes > HEAD_BYTES:
            self._refuse_head()
        if self._is_busy:
            self._unset_keepalive_if_required()
        elif not self.transport.is_closing():
            # Who has an answer, and sends the rest of a body that nobody wants, has the time of the
            # next head for it.
            if self._heading:
                self._quiet_since = self._head_began
            if self.timeout_keep_alive_task is None:
                self._wait_for_head(self._quiet_since)
        whole = between and self._begun == 1 and not self._unfinished
        if whole and self.cycle is not None and self.cycle.keep_alive:
            heard.learn(data, self.cycle.scope)

    def _parse(self, data: bytes) -> None:
        """As uvicorn's data_received."""
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as upgrade:
                    # The parser takes what follows for another protocol, a body too.
                    again, self._asked_plainly = self._asked_plainly, b""
                    data = again and again + data[upgrade.args[0] :]
                    self.parser = _new_parser(self)
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)

    @property
    def _is_busy(self) -> bool:
        """Whether a request has been read that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self, since: float) -> None:
        """Who is at nothing else has so long to say what he wants, not so long for each byte."""
        left = max(0.0, since + self.timeout_keep_alive - self.loop.time())
        self._quiet_since = since
        self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    def _begin_waiting(self) -> TimerHandle:
        """For what comes next of the body of the request that runs: for so long a silence, however
        long the whole takes."""
        return self.loop.call_later(self.timeout_keep_alive, self._refuse_silence)

    def _refuse_silence(self) -> None:
        """RFC 9110 §15.5.9: 408 (Request Timeout). Who receives the body is told that the client
        has gone."""
        self._refuse(408, f"nothing of the body came for {self.timeout_keep_alive} s")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse_head(self) -> None:
        """RFC 6585 §5: 431 (Request Header Fields Too Large)."""
        self._refuse(431, f"the request line and headers are longer than {HEAD_BYTES} bytes")

    def _refuse(self, status: int, why: str) -> None:
        """Answers what came last and is no request, and closes the connection; what was asked for
        before it is answered first (RFC 9112 §9.3.2)."""
        if self._refusal or self.transport.is_closing():
            return
        said = f"{why}\n".encode()
        head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n"
        self._refusal = self._head(status, head % len(said)) + said
        in_body = self._unfinished and not self._heading
        if in_body and self.pipeline:
            self.pipeline.popleft()  # Its own turn has not come, and does not.
        elif in_body and self.cycle.response_started:
            self.transport.close()
        elif in_body or not self._is_busy:
            self._write_refusal()

    def _write_refusal(self) -> None:
        self.transport.write(self._refusal)
        self.transport.close()

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        if is_last and self._refusal and not self.transport.is_closing():
            self._write_refusal()

    def _take_body(self, body: _Body, data: bytes) -> bytes:
        """Takes what belongs to the body and gives what follows it."""
        piece, rest = data[: body.left], data[body.left :]
        body.take(piece)
        if not body.left:
            # The parser that read the headers waits for the body still.
            self.parser = _new_parser(self)
            self.on_message_complete()
        return rest

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun += 1
        self._unfinished = self._heading = True
        self._head_began = self.loop.time()
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # RFC 9110 §6.5.1: a trailer is no header of its request; nobody here asks for one.
        if self._heading:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        sizes = sum(len(name) + len(value) for name, value in self.headers)
        if len(self.url) + sizes > HEAD_BYTES:
            self._refuse_head()
        elif (codings := self._transfer_codings()) and codings != [b"chunked"]:
            # RFC 9112 §6.3: 400 where nobody knows where the body ends; §6.1: "A server that
            # receives a request message with a transfer coding it does not understand SHOULD
            # respond with 501 (Not Implemented)".
            framed = codings[-1] == b"chunked" and codings.count(b"chunked") == 1
            self._refuse(501 if framed else 400, "chunked is the one Transfer-Encoding here")
        if self._refusal or self.transport.is_closing():
            return
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._asked_plainly = self._without_upgrade()
        else:
            self._use_authority()
            super().on_headers_complete()
            self._heading = False
            self._head_bytes = 0

    def _transfer_codings(self) -> list[bytes]:
        """Of the request, in the order they were applied."""
        said = b",".join(value for name, value in self.headers if name == b"transfer-encoding")
        return [each.strip().lower() for each in said.split(b",") if each.strip()]

    def _use_authority(self) -> None:
        """RFC 9112 §3.2.2: of an absolute target the authority counts instead of Host; RFC 9110
        §4.2.3: without a path it is "/"."""
        if (absolute := _ABSOLUTE.match(self.url)) is None:
            return
        authority, rest = absolute[1], self.url[absolute.end() :]
        if not rest and self.parser.get_method() == b"OPTIONS":
            rest = b"*"  # RFC 9112 §3.2.4
        self.url = rest if rest[:1] in (b"/", b"*") else b"/" + rest
        # The scope has this list already.
        self.headers[:] = [each for each in self.headers if each[0] != b"host"]
        self.headers.append((b"host", authority))

    def _without_upgrade(self) -> bytes:
        """The head of a request that asks for another protocol (curl --http2 does) without that.
        RFC 9110 §7.8: "A server MAY ignore a received Upgrade header field if it wishes to continue
        using the current protocol on that connection"."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                kept = [each.strip() for each in value.split(b",")]
                value = b", ".join(each for each in kept if each.lower() != b"upgrade")
            if name != b"upgrade":
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def on_message_complete(self) -> None:
        if self._asked_plainly or self._refusal or self.transport.is_closing():
            return  # It is read again, or not at all.
        super().on_message_complete()
        self._unfinished = False

    def _again(self, data: bytes) -> bool:
        """Whether `data` is a request whose headers were read before; it is answered then, or has
        begun to be."""
        app = self._ours
        if (
            app is None
            or len(data) > heard.LONGEST_BYTES
            or self.limit_concurrency is not None
            or self.pipeline
            or self.flow.write_paused
            or self._is_busy
            or self.transport.is_closing()
        ):
            return False
        ready = app.again(data, self._whence)
        if ready is None:
            known = heard.recall(data)
            if known is None:
                return False
            scope = cast(
                HTTPScope,
                {
                    **known,
                    "server": self.server,
                    "client": self.client,
                    "scheme": self.scheme,
                    "state": self.app_state.copy(),
                },
            )
            ready = app.ready(scope, data=data, whence=self._whence)
            if ready is None:
                self._unset_keepalive_if_required()
                self.cycle = self._cycle_of(scope)
                self._begin(self.cycle, self.app)
                return True
        self._write([self._head(ready.status, ready.head), *ready.body])
        self.server_state.total_requests += 1
        # The timer that runs is left to run, and set anew when it ends: to cancel it and to start
        # another for every request costs more than finding the request.
        self._quiet_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        return True

    def _cycle_of(self, scope: HTTPScope) -> RequestResponseCycle:
        """As uvicorn's on_headers_complete and on_message_complete make it of a GET."""
        cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        return cycle

    def timeout_keep_alive_handler(self) -> None:
        left = self._quiet_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            super().timeout_keep_alive_handler()
            return
        self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        usual = app is self.app and cycle.keep_alive and not self.flow.write_paused
        if usual and self._ours is not None and cycle.scope["method"] == "GET":
            ready = self._ours.ready(cycle.scope)
            if ready is not None:
                self._running = cycle
                self._send(cycle, ready.status, ready.head, ready.body)
                return
        self._begin(cycle, app)

    def _begin(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """In a task of its own."""
        self._running = cycle
        # Not the cycle itself, whose scope this is: what refers to itself is left to the collector
        # of garbage, which then stops everything for 20 ms after each 1,300 requests.
        answer = partial(self._answer, weakref.ref(cycle))
        cycle.scope["extensions"] = {ANSWER: {"answer": answer}}
        if cycle.scope["method"] not in _WITHOUT_BODY:
            body = self._body = _Body(
                cycle, connections=self.connections, begin_waiting=self._begin_waiting
            )

            async def receiving(
                scope: Scope, _: ASGIReceiveCallable, send: ASGISendCallable
            ) -> None:
                await app(scope, body.receive, send)

            super()._start_asgi_task(cycle, receiving)
            return
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        if self._refusal or self.transport.is_closing():
            return
        mine = self._body
        # That of a pipelined request, whose turn has not come, is uvicorn's.
        if mine is None or mine.cycle is not self.cycle:
            super().on_body(body)
        else:
            mine.take(body)

    def _answer(
        self,
        asked: "weakref.ref[RequestResponseCycle]",
        status: int,
        head: bytes,
        body: Sequence[Buffer],
    ) -> bool:
        """A whole reply at once (`http.ANSWER`)."""
        cycle = asked()
        if (
            cycle is None
            or not cycle.keep_alive
            or cycle.response_started
            or cycle.disconnected
            or self.transport.is_closing()
            or self.flow.write_paused
            or len(body) > MOST_PIECES
        ):
            return False
        self._send(cycle, status, head, body)
        return True

    def _send(
        self, cycle: RequestResponseCycle, status: int, head: bytes, body: Sequence[Buffer]
    ) -> None:
        self._write([self._head(status, head), *body])
        cycle.waiting_for_100_continue = False
        cycle.response_started = cycle.response_complete = True
        # Who waits for the client to go is told that there is nothing more to wait for.
        cycle.message_event.set()
        cycle.on_response()

    def _head(self, status: int, head: bytes) -> bytes:
        said = self.server_state.default_headers
        if said is not self._said_always:
            # uvicorn makes another list each second: the date is in it.
            self._said_always = said
            self._always = b"".join([b"%b: %b\r\n" % each for each in said])
        return b"%b%b%b\r\n" % (STATUS_LINE[status], self._always, head)

    def _write(self, messages: list[Buffer]) -> None:
        """All of them; what the socket does not take at once is left to the transport."""
        if self.transport.is_closing():
            return
        sent = 0
        if self._descriptor is not None and not self.transport.get_write_buffer_size():
            try:
                sent = os.writev(self._descriptor, messages)
            except OSError:
                sent = 0  # Full, or broken: the transport meets that too and deals with it.
            if sent == sum(map(len, messages)):
                return
        rest: list[Buffer] = []
        for message in messages:
            if sent < len(message):
                rest.append(memoryview(message)[sent:])
            sent = max(0, sent - len(message))
        self.transport.writelines(rest)
