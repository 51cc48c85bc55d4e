"""A link of a given rate and round trip between a browser and a server on one machine.

Bytes pass through in order, each connection its own; all of them share one line in each direction,
which sends so many bytes a second and takes half of the round trip. A new connection's first bytes
wait one round trip more: what its handshake costs. It begins with ten segments, as Linux does (RFC
6928), and slow start lets two bytes go for each that is known to have arrived (RFC 5681 §3.1): over
200 Mbit/s and 30 ms 114 kB took 0.18 s, over `line` 0.19; 500 kB 0.24 and 0.25. Left out are loss,
and that a connection begins anew when it has been idle for some time. The browser's own emulation
knows no slow start and reaches the page but not its workers, so it would flatter who loads in
workers.

`line` has the kernel's own TCP and a network namespace at the far end; there a browser would not
find the server on its own machine, which pages need for what browsers allow secure origins alone.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from benchmarks.line import SEGMENT_BYTES

CHUNK_BYTES = 16 * 1024
"""What one connection puts on the line before another has its turn."""

INITIAL_WINDOW_BYTES = 10 * SEGMENT_BYTES


@dataclass(frozen=True, slots=True)
class Profile:
    """bytes_per_s  in either direction, 0 for as fast as it goes"""

    bytes_per_s: float = 0.0
    round_trip_s: float = 0.0


@dataclass
class _Line:
    """One direction. Whoever sends next waits until the line is free."""

    profile: Profile
    carried_bytes: int = 0
    _free_at: float = 0.0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, length: int) -> float:
        """Returns when the bytes have left, with the time at which they arrive."""
        clock = asyncio.get_running_loop().time
        self.carried_bytes += length
        if not self.profile.bytes_per_s:
            return clock() + self.profile.round_trip_s / 2
        async with self._turn:
            self._free_at = max(self._free_at, clock()) + length / self.profile.bytes_per_s
            # Sleeping is no finer than a millisecond: what is shorter is owed until it is.
            if (wait := self._free_at - clock()) > 0.001:
                await asyncio.sleep(wait)
        return self._free_at + self.profile.round_trip_s / 2


class Window:
    """What one connection may have under way in one direction."""

    def __init__(self) -> None:
        self._free_bytes = INITIAL_WINDOW_BYTES
        self._is_open = asyncio.Event()

    async def room(self) -> int:
        """Bytes that may be sent now; returns when they are a segment or more."""
        while self._free_bytes < SEGMENT_BYTES:
            self._is_open.clear()
            await self._is_open.wait()
        return self._free_bytes

    def sent(self, length: int) -> None:
        self._free_bytes -= length

    def acknowledged(self, length: int) -> None:
        """So many bytes are known to have arrived: they are free again, and the window larger by as
        many."""
        self._free_bytes += 2 * length
        self._is_open.set()


class Relay:
    """Listens on `port` of loopback for what goes to `server_port`."""

    def __init__(self, server_port: int, profile: Profile) -> None:
        self.profile = profile
        self.port = 0
        self._server_port = server_port
        self._up, self._down = _Line(profile), _Line(profile)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def received_bytes(self) -> int:
        """What has come down the line so far, headers included."""
        return self._down.carried_bytes

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=2 * CHUNK_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await stop.wait()
        for task in self._tasks:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        open_at = clock() + self.profile.round_trip_s
        try:
            far, near = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.close()
            return
        both = [
            asyncio.ensure_future(_carry(reader, near, self._up, open_at)),
            asyncio.ensure_future(_carry(far, writer, self._down, open_at)),
        ]
        self._tasks.update(both)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
            self._tasks.discard(task)
        for end in (near, writer):
            end.close()


async def _carry(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: _Line, open_at: float
) -> None:
    loop = asyncio.get_running_loop()
    clock, half_trip_s = loop.time, line.profile.round_trip_s / 2
    window = Window()
    under_way: deque[tuple[float, bytes]] = deque()
    more = asyncio.Event()

    async def deliver() -> None:
        while True:
            while not under_way:
                more.clear()
                await more.wait()
            arrives_at, piece = under_way.popleft()
            if (wait := arrives_at - clock()) > 0:
                await asyncio.sleep(wait)
            if not piece:
                return
            sink.write(piece)
            await sink.drain()

    delivery = asyncio.ensure_future(deliver())
    try:
        with suppress(OSError):
            if (wait := open_at - clock()) > 0:
                await asyncio.sleep(wait)
            while piece := await source.read(min(CHUNK_BYTES, await window.room())):
                window.sent(len(piece))
                arrives_at = await line.send(len(piece))
                loop.call_at(arrives_at + half_trip_s, window.acknowledged, len(piece))
                under_way.append((arrives_at, piece))
                more.set()
            under_way.append((clock() + half_trip_s, b""))
            more.set()
            await delivery
    finally:
        delivery.cancel()


@contextmanager
def relay(server_port: int, profile: Profile) -> Iterator[Relay]:
    """A relay that listens, in a thread of its own."""
    made = Relay(server_port, profile)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(made.serve(ready, stop))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
