"""A client's connection: uvicorn's HTTP/1.1, and what is remembered is answered without a task.

uvicorn makes a task and an ASGI conversation for each request, and uvloop writes each message by a
system call of its own, which is a packet and wakes the client: together half of the 114 us that a
stored frame cost. A reply that is ready (remembered.py) is written as soon as the request's headers
have been read, by one call. Everything else, and all that is unusual (a client that does not read
its answers, a connection that is to be closed), takes uvicorn's way.
"""

import os
from contextlib import suppress

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from dicomweb_server.web.remembered import Ready
from storage.model import Buffer

WRITE_BUFFER_BYTES = 4 * 2**20
"""What may wait for a client before its answer pauses: with uvicorn's 64 KiB every frame would."""


class Connection(HttpToolsProtocol):
    """To be given to uvicorn as `http`. The application has `ready(scope)`, or is none of ours."""

    def connection_made(self, transport: object) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._ready = getattr(self.app, "ready", None)
        # Of a TLS connection the transport alone can write.
        plain = self.transport.get_extra_info("ssl_object") is None
        socket = self.transport.get_extra_info("socket")
        self._descriptor: int | None = socket.fileno() if plain and socket is not None else None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        usual = app is self.app and cycle.keep_alive and not self.flow.write_paused
        if usual and self._ready is not None and cycle.scope["method"] == "GET":
            ready = self._ready(cycle.scope)
            if ready is not None:
                self._answer(cycle, ready)
                return
        super()._start_asgi_task(cycle, app)

    def _answer(self, cycle: RequestResponseCycle, ready: Ready) -> None:
        lines = [STATUS_LINE[ready.status]]
        lines += [b"%b: %b\r\n" % each for each in self.server_state.default_headers]
        lines += [ready.head, b"\r\n"]
        self._write([b"".join(lines), *ready.body])
        cycle.response_started = cycle.response_complete = True
        cycle.on_response()

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
