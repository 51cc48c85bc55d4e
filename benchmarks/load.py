"""The clients: wrk for many requests of a list, raw sockets for one long answer and for bodies.

wrk is C and costs about as much CPU as nginx, so the client is not what is measured; still, on two
cores it takes its share, which is why server CPU stands beside the rate. wrk sends for a time and
not each body once, so bodies go out from a thread for each client: 0.1 ms of CPU a small one, where
http.client took 0.4 and sent head and body apart.
"""

import http.client
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Sample, cpu_seconds
from benchmarks.peers import Missing, Peer

_LUA = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local at, asked, numbered = 0, 0, %s
request = function()
  at = at %% #paths + 1
  asked = asked + 1
  if numbered then wrk.headers["X-Request-Number"] = asked end
  return wrk.format("GET", paths[at])
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d %%d %%d\\n", summary.requests,
    summary.duration, summary.bytes, summary.errors.status, summary.errors.connect +
    summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"""


def requests_in_turn(
    peer: Peer,
    paths: Sequence[str],
    *,
    scratch: Path,
    connections: int,
    seconds: int,
    headers: Sequence[str] = (),
    numbered: bool = False,
) -> Sample:
    """Asks for the paths below the peer's root one after the other, over and over.

    numbered  every request has a header that no other has, so that no two are the same to the byte

    Raises RuntimeError when any answer is not 2xx: a fast error is not a result.
    """
    if shutil.which("wrk") is None:
        raise Missing("wrk (Debian: wrk)")
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "paths").write_text("\n".join(peer.root + path for path in paths))
    lua = _LUA % (scratch / "paths", "true" if numbered else "false")
    (scratch / "wrk.lua").write_text(lua)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    command += ["-s", str(scratch / "wrk.lua")]
    for header in headers:
        command += ["-H", header]
    pids = peer.pids
    before = cpu_seconds(pids)
    run = subprocess.run(
        [*command, f"{peer.scheme}://127.0.0.1:{peer.port}"],
        capture_output=True,
        text=True,
        check=True,
    )
    used = cpu_seconds(pids) - before
    found = re.search(r"RESULT ([\d ]+)", run.stdout)
    if found is None:
        raise RuntimeError(f"wrk said nothing of {peer.name}: {run.stdout}{run.stderr}")
    count, micros, size, refused, broken, p50, p95, p99 = map(int, found[1].split())
    if refused or broken or not count:
        raise RuntimeError(
            f"{peer.name} answered {refused} of {count} requests with an error, {broken} not at all"
        )
    return Sample(
        rate=count / micros * 1e6,
        cpu_us=used / count * 1e6,
        values={
            "mb_per_s": size / micros,
            "p50_ms": p50 / 1e3,
            "p95_ms": p95 / 1e3,
            "p99_ms": p99 / 1e3,
        },
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer read to its end. Times from the first byte sent."""

    status: int
    body_bytes: int
    first_byte_s: float
    total_s: float


def one_request(port: int, path: str, headers: Sequence[str] = ()) -> Answer:
    """Reads one answer in pieces of a MiB and throws it away, as a fast viewer would keep it."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    buffer = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        started = time.perf_counter()
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        got = connection.recv_into(buffer)
        first = time.perf_counter() - started
        head, _, rest = bytes(buffer[:got]).partition(b"\r\n\r\n")
        size = len(rest)
        while got := connection.recv_into(buffer):
            size += got
        total = time.perf_counter() - started
    return Answer(int(head.split()[1]), size, first, total)


def bodies_in_turn(
    port: int, path: str, bodies: Sequence[bytes], *, headers: Sequence[str], clients: int
) -> list[float]:
    """Posts each body once, shared out among clients that each wait for an answer before they send
    the next; the seconds each answer took, in ascending order.

    Raises RuntimeError when any answer is not 200.
    """
    waits: list[float] = []
    failures: list[str] = []

    def client(number: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
                for body in bodies[number::clients]:
                    started = time.perf_counter()
                    status, text = _posted(connection, path, body, headers)
                    waits.append(time.perf_counter() - started)
                    if status != 200:
                        failures.append(f"{status}: {text[:200]!r}")
        except OSError as error:
            failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"port {port} refused {len(failures)} requests: {failures[0]}")
    return sorted(waits)


def _posted(
    connection: socket.socket, path: str, body: bytes, headers: Sequence[str]
) -> tuple[int, bytes]:
    """Status and body of the answer. Raises ConnectionError when it breaks off."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    connection.sendall(head, socket.MSG_MORE)
    connection.sendall(body)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _received(connection)
    head, _, answer = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    while length is not None and len(answer) < int(length[1]):
        answer += _received(connection)
    return int(head.split(None, 2)[1]), answer


def _received(connection: socket.socket) -> bytes:
    some = connection.recv(1 << 16)
    if not some:
        raise ConnectionError("the server closed the connection within an answer")
    return some


def one_request_body(port: int, path: str, headers: Sequence[str] = ()) -> bytes:
    """The whole body of a 200, of a 204 nothing. Raises RuntimeError for any other status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=dict(h.split(": ", 1) for h in headers))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 204):
            raise RuntimeError(f"port {port} answered {answer.status} to {path}: {body[:200]!r}")
        return body
    finally:
        connection.close()


def header_of(port: int, path: str, name: str, headers: Sequence[str] = ()) -> str:
    """One header of an answer. Raises RuntimeError when it is not there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=dict(h.split(": ", 1) for h in headers))
        answer = connection.getresponse()
        answer.read()
        value = answer.getheader(name)
        if value is None:
            raise RuntimeError(f"port {port} sent no {name} for {path}")
        return value
    finally:
        connection.close()
