"""An archive in memory, and its web side on a socket of this machine."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.config import Config
from dicomweb_server.web.app import Application, application
from dicomweb_server.web.connection import Connection
from dicomweb_server.web.remembered import Ready
from tests.web.bodies import next_reply


@pytest.fixture
def archive() -> Iterator[Archive]:
    opened = open_archive(Config(data="memory:"))
    yield opened
    opened.close()


@dataclass(frozen=True)
class Server:
    """A uvicorn in a thread, as `serve` starts it."""

    archive: Archive
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def dicomweb(self) -> str:
        return self.url + self.archive.config.prefix


class Socket:
    """One listening socket for all tests: starting a server for each would be most of their time.
    `program` is the application it passes requests to."""

    def __init__(self) -> None:
        self.program: Application | None = None
        self.host = ""
        self.port = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.program is not None
        await self.program(scope, receive, send)

    def again(self, data: bytes, whence: str) -> Ready | None:
        assert self.program is not None
        return self.program.again(data, whence)

    def ready(self, scope: Scope, *, data: bytes = b"", whence: str = "") -> Ready | None:
        assert self.program is not None
        return self.program.ready(scope, data=data, whence=whence)


@pytest.fixture
def server(archive: Archive, listening: Socket) -> Iterator[Server]:
    listening.program = application(archive, archive.config)
    yield Server(archive, listening.host, listening.port)
    listening.program.close()


@contextmanager
def listened(program: Socket, **settings: Any) -> Iterator[tuple[str, int]]:
    """Host and port of a uvicorn in a thread, set as `serve` sets it but for `settings`."""
    running = uvicorn.Server(
        uvicorn.Config(
            program,
            host="127.0.0.1",
            port=0,
            lifespan="off",
            loop="uvloop",
            http=Connection,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
            **settings,
        )
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not running.started:
        assert time.monotonic() < until and thread.is_alive(), "the server does not start"
        time.sleep(0.01)
    host, port = running.servers[0].sockets[0].getsockname()[:2]
    try:
        yield host, port
    finally:
        running.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def listening() -> Iterator[Socket]:
    made = Socket()
    with listened(made) as (made.host, made.port):
        yield made


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.dicomweb, timeout=20, trust_env=False) as opened:
        yield opened


APART_S = 0.05
"""Long enough for two writes to be two reads of the server's."""


class Client:
    """A connection whose every byte is ours."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream: BinaryIO = self.socket.makefile("rb")

    def send(self, *pieces: bytes) -> None:
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(APART_S)
            self.socket.sendall(piece)

    def reply(self) -> tuple[int, bytes]:
        return next_reply(self.stream)

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    opened = Client(server.host, server.port)
    yield opened
    opened.close()
