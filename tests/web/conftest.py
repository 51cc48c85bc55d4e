"""An archive in memory, and its web side on a socket of this machine."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.config import Config
from dicomweb_server.web.app import application


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


@pytest.fixture
def server(archive: Archive) -> Iterator[Server]:
    yield from serving(archive)


def serving(archive: Archive) -> Iterator[Server]:
    program = application(archive, archive.config)
    running = uvicorn.Server(
        uvicorn.Config(
            program,
            host="127.0.0.1",
            port=0,
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not running.started:
        assert time.monotonic() < until and thread.is_alive(), "the server does not start"
        time.sleep(0.01)
    host, port = running.servers[0].sockets[0].getsockname()[:2]
    yield Server(archive, host, port)
    running.should_exit = True
    thread.join(10)


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.dicomweb, timeout=20, trust_env=False) as opened:
        yield opened
