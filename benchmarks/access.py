"""What do the policy and the audit cost a frame?

    python -m benchmarks.access

The hottest request, a stored frame that was asked for before, answered by two servers over the same
archive: ours, and the same program with the look at who asks and the count for the audit taken out
of its way, as it was before there were accounts. Both are asked with the cookie of somebody who has
signed in, in turns, so that whatever else the machine does meets both. Told is the CPU of the
server a frame, frames a second, and the ratio of both, of which the goal says 0.9.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from dicomweb_server.access import accounts, persons
from dicomweb_server.access.caller import SYSTEM
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.archive.store import Received, store
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.records.database import open_database
from dicomweb_server.web.app import Application, Asked, application
from dicomweb_server.web.connection import Connection
from dicomweb_server.web.remembered import Ready
from tests.dicom.build import SERIES_UID, STUDY_UID, part10

PASSWORD = "correct horse battery"
SLICES = 50
ROUNDS = 9
SECONDS = 1.0
GOAL = 0.9
ACCEPT = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Unasked(Application):
    """The same program, but that whoever asks gets what is remembered, and nobody counts it."""

    def answer_to(self, asked: Asked) -> Ready | None:
        return self.replies.ready(asked[1], self.service.archive)


def serve(data: str, kind: str) -> None:
    """The main function of a server process; tells its port on standard output."""
    config = Config(data=data, second_factor="optional")
    archive = open_archive(config)
    made = application(archive, config)
    if kind == "without":
        made = Unasked(**vars(made))
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    settings = uvicorn.Config(
        made, http=Connection, loop="uvloop", access_log=False, log_level="error", lifespan="off"
    )
    uvicorn.Server(settings).run(sockets=[listening])


@contextmanager
def running(data: Path, kind: str) -> Iterator[tuple[int, int]]:
    """Process ID and port of a server."""
    program = [sys.executable, "-m", "benchmarks.access", kind, str(data)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


def cpu_s(pid: int) -> float:
    """Of the process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS_PER_S


def measure(pid: int, port: int, cookie: str, *, seconds: float) -> tuple[float, float]:
    """Microseconds of the server's CPU a frame, and frames a second, over one connection."""
    requests = [
        (
            f"GET /dicom-web/studies/{STUDY_UID}/series/{SERIES_UID}/instances/1.5.{number}"
            f"/frames/1 HTTP/1.1\r\nHost: a\r\nAccept: {ACCEPT}\r\nCookie: session={cookie}\r\n\r\n"
        ).encode()
        for number in range(SLICES)
    ]
    frames, received = 0, bytearray(2**20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for request in requests:  # from now on all of them are remembered
            answered(connection, request, received)
        cpu, started = cpu_s(pid), time.monotonic()
        while time.monotonic() - started < seconds:
            answered(connection, requests[frames % SLICES], received)
            frames += 1
        took = time.monotonic() - started
        return (cpu_s(pid) - cpu) / frames * 1e6, frames / took


def answered(connection: socket.socket, request: bytes, received: bytearray) -> None:
    connection.sendall(request)
    length = connection.recv_into(received)
    head_end = received.find(b"\r\n\r\n", 0, length)
    head = bytes(received[:head_end]).lower()
    assert head.startswith(b"http/1.1 200"), head
    left = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]) + head_end + 4 - length
    while left:
        left -= connection.recv_into(received, left)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="access-") as directory:
        data = Path(directory) / "archive"
        archive = open_archive(Config(data=str(data)))
        files = [
            part10(instance_uid=f"1.5.{number}", rows=512, columns=512, InstanceNumber=str(number))
            for number in range(SLICES)
        ]
        store(archive, [Received(BytesSource(each), "") for each in files])
        archive.close()
        records = open_database("", directory=data)
        with records.write() as session:
            who = persons.add_person(session, SYSTEM, name="reader")
            accounts.add_account(
                session,
                SYSTEM,
                login="reader",
                person_id=who.person_id,
                roles=["administrator"],
                password=PASSWORD,
            )
        records.close()
        with running(data, "with") as asked, running(data, "without") as unasked:
            signing = httpx.post(
                f"http://127.0.0.1:{asked[1]}/api/v1/session",
                json={"login": "reader", "password": PASSWORD},
                trust_env=False,
                timeout=60,
            )
            cookie = signing.cookies["session"]
            found: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
            for _ in range(ROUNDS):
                for kind, (pid, port) in (("without", unasked), ("with", asked)):
                    found[kind].append(measure(pid, port, cookie, seconds=SECONDS))
    medians = {
        kind: tuple(statistics.median(column) for column in zip(*rows, strict=True))
        for kind, rows in found.items()
    }
    for kind, (cpu_us, rate) in medians.items():
        print(f"{kind:8} policy and audit: {cpu_us:6.1f} us CPU a frame, {rate:,.0f} frames/s")
    by_cpu = medians["without"][0] / medians["with"][0]
    by_rate = medians["with"][1] / medians["without"][1]
    print(f"ratio by CPU {by_cpu:.3f}, by frames/s {by_rate:.3f}; the goal is {GOAL}")
    return 0 if min(by_cpu, by_rate) >= GOAL else 1


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve(sys.argv[2], sys.argv[1])
    else:
        sys.exit(main())
