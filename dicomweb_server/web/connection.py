"""A client's connection: uvicorn's HTTP/1.1, and what is remembered is answered without a task.

uvicorn makes a task and an ASGI conversation for each request, and uvloop writes each message by a
system call of its own, which is a packet and wakes the client: together half of the 114 us that a
stored frame cost. A reply that is ready (remembered.py) is written as soon as the request's headers
have been read, by one call, and one that is made whole is by one call too. Streams, and all that is
unusual (a client that does not read its answers, a connection that is to be closed), take uvicorn's
way. A request that came before, byte by byte, is not even parsed (heard.py).

The body of a request is given to the application in the pieces it arrived in, which the parser does
not see when the request says how many bytes they are. uvicorn has them parsed and copied, gathers
them in an array, copies that, and stops the socket at each 64 KiB: more than half of what receiving
a CT slice cost.
"""

import os
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

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
from storage.model import Buffer

WRITE_BUFFER_BYTES = 4 * 2**20
"""What may wait for a client before its answer pauses: with uvicorn's 64 KiB every frame would."""


MOST_PIECES = 256
"""Of a reply that is written by one call; the system takes 1,024."""

_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})

BODY_BYTES = 2**20
"""What may wait for the application of a request's body before nothing more is read."""


class _Body:
    """What has arrived of the body of one request.

    left  bytes that are still to come, 0 too when the request does not say how many
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self.cycle = cycle
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
        if self.held_bytes > BODY_BYTES:
            self.cycle.flow.pause_reading()
        self.cycle.message_event.set()

    async def receive(self) -> ASGIReceiveEvent:
        """ASGI's receive."""
        cycle = self.cycle
        if not self.pieces:
            # It waits for the next piece, the end or the client's going, and has the socket read.
            said = await cycle.receive()
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
    """To be given to uvicorn as `http`. The application has `ready(scope)`, or is none of ours."""

    def connection_made(self, transport: object) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        # Of what the socket gave last: how many requests began in it, whether one is unfinished,
        # and the one that was answered as remembered.
        self._begun = 0
        self._unfinished = False
        self._answered: RequestResponseCycle | None = None
        self._answered_at = 0.0
        self._body: _Body | None = None
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._ready = getattr(self.app, "ready", None)
        # Of a TLS connection the transport alone can write.
        plain = self.transport.get_extra_info("ssl_object") is None
        socket = self.transport.get_extra_info("socket")
        self._descriptor: int | None = socket.fileno() if plain and socket is not None else None

    def data_received(self, data: bytes) -> None:
        body = self._body
        if body is not None and body.left > 0 and body.cycle is self.cycle:
            data = self._take_body(body, data)
            if not data:
                return
        between = not self._unfinished
        if between and self._again(data):
            return
        self._begun = 0
        self._answered = None
        super().data_received(data)
        whole = between and self._begun == 1 and not self._unfinished
        if whole and self._answered is not None:
            heard.learn(data, self._answered.scope)

    def _take_body(self, body: _Body, data: bytes) -> bytes:
        """Takes what belongs to the body and gives what follows it."""
        self._unset_keepalive_if_required()
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
        self._unfinished = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._unfinished = False

    def _again(self, data: bytes) -> bool:
        """Whether `data` is a request that was read before, and is answered."""
        known = heard.recall(data)
        if (
            known is None
            or self._ready is None
            or self.pipeline
            or self.flow.write_paused
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.transport.is_closing()
        ):
            return False
        ready = self._ready(
            {
                **known,
                "server": self.server,
                "client": self.client,
                "scheme": self.scheme,
                "state": self.app_state.copy(),
            }
        )
        if ready is None:
            return False
        self._write([self._head(ready.status, ready.head), *ready.body])
        self.server_state.total_requests += 1
        # The timer that runs is left to run, and set anew when it ends: to cancel it and to start
        # another for every request costs more than finding the request.
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        return True

    def timeout_keep_alive_handler(self) -> None:
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            super().timeout_keep_alive_handler()
            return
        self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        usual = app is self.app and cycle.keep_alive and not self.flow.write_paused
        if usual and self._ready is not None and cycle.scope["method"] == "GET":
            ready = self._ready(cycle.scope)
            if ready is not None:
                self._answered = cycle
                self._send(cycle, ready.status, ready.head, ready.body)
                return
        # Not the cycle itself, whose scope this is: what refers to itself is left to the collector
        # of garbage, which then stops everything for 20 ms after each 1,300 requests.
        answer = partial(self._answer, weakref.ref(cycle))
        cycle.scope["extensions"] = {ANSWER: {"answer": answer}}
        if cycle.scope["method"] not in _WITHOUT_BODY:
            body = self._body = _Body(cycle)

            async def receiving(
                scope: Scope, _: ASGIReceiveCallable, send: ASGISendCallable
            ) -> None:
                await app(scope, body.receive, send)

            super()._start_asgi_task(cycle, receiving)
            return
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
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
        lines = [STATUS_LINE[status]]
        lines += [b"%b: %b\r\n" % each for each in self.server_state.default_headers]
        lines += [head, b"\r\n"]
        return b"".join(lines)

    def _write(self, messages: list[Buffer]) -> None:
        """All of them; what the socket does not take at once is left to the transport."""
        sent = 0
        if self._descriptor is not None and not self.transport.get_write_buffer_size():
            # When it is full, or broken, the transport meets that too and deals with it.
            with suppress(OSError):
                sent = os.writev(self._descriptor, messages)
        rest: list[Buffer] = []
        for message in messages:
            if sent < len(message):
                rest.append(memoryview(message)[sent:])
            sent = max(0, sent - len(message))
        if rest:
            self.transport.writelines(rest)
