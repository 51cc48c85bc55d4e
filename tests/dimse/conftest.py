"""A running server with its bridge, as a user starts it."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dimse.programs import free_port, wait_for_port
from tests.servers import Process, answers, command, kill_session, wait_for


@dataclass(frozen=True, slots=True)
class Bridge:
    """url      of the DICOMweb side
    port     of the DIMSE side
    sink     port that the peers SINK (GB18030 ...) are configured to listen on
    process  of `serve`, the leader of its session
    """

    data: Path
    url: str
    port: int
    sink: int
    process: Process


@contextmanager
def bridged(
    directory: Path, *flags: object, config: str = "", sink: int = 0, port: int = 0
) -> Iterator[Bridge]:
    """`serve` over `directory`/archive with a configuration file; killed at the end."""
    file = directory / "config.toml"
    file.write_text(config)
    port = port or free_port()
    process = command(
        "serve",
        "--config",
        file,
        "--data",
        directory / "archive",
        "--port",
        0,
        "--dimse-port",
        port,
        "--no-settle",
        *flags,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[^/]+", line)
        assert found is not None, (line, process.communicate(timeout=10))
        wait_for(lambda: answers(found[0]))
        wait_for_port(port)
        yield Bridge(directory / "archive", found[0], port, sink, process)
    finally:
        kill_session(process)


def peers(sink: int) -> str:
    """The configuration of the shared bridge: destinations that a test may listen as."""
    return f"""
        dimse_timeout_s = 10
        dimse_complete_after_s = 1.5

        [[peers]]
        aet = "SINK"
        host = "127.0.0.1"
        port = {sink}

        [[peers]]
        aet = "GBK_VIEWER"
        charset = "GBK"

        [[peers]]
        aet = "GB_VIEWER"
        charset = "GB18030"

        [[peers]]
        aet = "ISO_VIEWER"
        charset = "\\\\ISO 2022 IR 58"

        [[peers]]
        aet = "ECHO_ONLY"
        services = ["echo"]
    """


@pytest.fixture(scope="session")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """One bridge for all tests that do not need one of their own."""
    sink = free_port()
    with bridged(tmp_path_factory.mktemp("bridge"), config=peers(sink), sink=sink) as running:
        yield running


def stop(running: Bridge) -> None:
    """As SIGTERM to `serve` does."""
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(30)
