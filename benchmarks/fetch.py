"""A client for the far end of a line: `python -m benchmarks.fetch ADDRESS PORT` reads from standard
input a JSON object `{"paths": [...], "headers": [...], "connections": n}`, asks for every path once
over so many connections that stay open, and prints what came as JSON.

It keeps nothing of what it reads, a MiB at a time. Connecting counts, as it does for a viewer.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence

PIECE_BYTES = 1 << 20


class Connection:
    """HTTP/1.1 as far as a benchmark needs it."""

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.create_connection((address, port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"{address}:{port}"
        self._buffer = bytearray(PIECE_BYTES)
        self._rest = b""

    def get(self, path: str, headers: Sequence[str]) -> tuple[int, int, float]:
        """Status, bytes of the body, and the moment its first byte was there."""
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._host}", *headers, "", ""]
        self._socket.sendall("\r\n".join(lines).encode())
        head = self._until(b"\r\n\r\n")
        first = time.perf_counter()
        status = int(head.split(b" ", 2)[1])
        lines_read = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        fields = {name.strip().lower(): value.strip() for name, _, value in lines_read}
        if b"content-length" in fields:
            length = int(fields[b"content-length"])
            self._pass_over(length)
            return status, length, first
        if fields.get(b"transfer-encoding") == b"chunked":
            return status, sum(self._chunks()), first
        # Neither length nor chunks: the body ends with the connection (RFC 9112 §6.3).
        length = len(self._rest)
        while got := self._socket.recv_into(self._buffer):
            length += got
        return status, length, first

    def close(self) -> None:
        self._socket.close()

    def _chunks(self) -> Iterator[int]:
        while length := int(self._until(b"\r\n").split(b";")[0], 16):
            self._pass_over(length)
            self._until(b"\r\n")
            yield length
        self._until(b"\r\n")

    def _until(self, end: bytes) -> bytes:
        """What comes before `end`."""
        while end not in self._rest:
            got = self._socket.recv(64 << 10)
            if not got:
                raise RuntimeError("the server closed the connection")
            self._rest += got
        found, _, self._rest = self._rest.partition(end)
        return found

    def _pass_over(self, length: int) -> None:
        taken = min(length, len(self._rest))
        self._rest = self._rest[taken:]
        length -= taken
        while length:
            got = self._socket.recv_into(self._buffer, min(length, PIECE_BYTES))
            if not got:
                raise RuntimeError("the server closed the connection")
            length -= got


def fetched(
    address: str, port: int, *, paths: Sequence[str], headers: Sequence[str], connections: int
) -> dict[str, float]:
    """Seconds, bytes, milliseconds to the first byte, and each answer's wait at p50 and p95.

    Raises RuntimeError when any answer is not 200.
    """
    waiting = iter(list(enumerate(paths)))
    lock = threading.Lock()
    waits: list[float] = []
    sizes: list[int] = []
    firsts: list[float] = []
    failures: list[str] = []
    started = time.perf_counter()

    def client() -> None:
        try:
            connection = Connection(address, port)
            while True:
                with lock:
                    _, path = next(waiting, (0, None))
                if path is None:
                    break
                asked = time.perf_counter()
                status, size, first = connection.get(path, headers)
                waits.append(time.perf_counter() - asked)
                sizes.append(size)
                firsts.append(first)
                if status != 200:
                    failures.append(f"{path} was answered with {status}")
            connection.close()
        except (OSError, RuntimeError) as error:
            failures.append(str(error))

    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(paths)} requests failed: {failures[0]}")
    waits.sort()
    return {
        "seconds": elapsed,
        "bytes": sum(sizes),
        "first_byte_ms": (min(firsts) - started) * 1e3,
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "p95_ms": waits[int(len(waits) * 0.95)] * 1e3,
    }


if __name__ == "__main__":
    json.dump(fetched(sys.argv[1], int(sys.argv[2]), **json.load(sys.stdin)), sys.stdout)
