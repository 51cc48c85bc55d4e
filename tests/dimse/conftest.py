"""A running server with its bridge, as a user starts it."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicomweb_server.dimse import pdu
from tests.dimse.programs import free_port, wait_for_port
from tests.dimse.wire import Wire
from tests.servers import Process, answers, command, kill_session, wait_for


@dataclass(frozen=True, slots=True)
class Bridge:
    """url      of the DICOMweb side
    port     of the DIMSE side
    sink     port that the peers SINK (GB18030 ...) are configured to listen on
    process  of the server, the leader of its session
    """

    data: Path
    url: str
    port: int
    sink: int
    process: Process


@contextmanager
def bridged(
    directory: Path,
    *flags: object,
    config: str = "",
    sink: int = 0,
    port: int = 0,
    web: bool = False,
) -> Iterator[Bridge]:
    """A server over `directory`/archive with a configuration file; killed at the end.

    web  `serve` instead of `dimse`, which is there sooner
    """
    file = directory / "config.toml"
    file.write_text(config)
    port = port or free_port()
    process = command(
        *(["serve", "--port", 0, "--no-settle"] if web else ["dimse"]),
        "--config",
        file,
        "--data",
        directory / "archive",
        "--dimse-port",
        port,
        *flags,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = ""
        if web:
            found = re.search(r"http://[^/]+", line)
            assert found is not None, (line, process.communicate(timeout=10))
            url = found[0]
            wait_for(lambda: answers(url))
        assert line, process.communicate(timeout=10)
        wait_for_port(port)
        # The port is there before the process that answers on it, long before on a busy machine.
        wire = Wire.to(port, timeout_s=120)
        assert wire.associate()[0] in (pdu.ASSOCIATE_AC, pdu.ASSOCIATE_RJ)
        wire.close()
        yield Bridge(directory / "archive", url, port, sink, process)
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
        aet = "LATIN_CT"
        charset = "ISO_IR 100"

        [[peers]]
        aet = "ECHO_ONLY"
        services = ["echo"]
    """


@pytest.fixture(scope="session")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """One bridge for all tests that do not need one of their own."""
    sink = free_port()
    directory = tmp_path_factory.mktemp("bridge")
    with bridged(directory, config=peers(sink), sink=sink, web=True) as running:
        yield running


def stop(running: Bridge) -> None:
    """As SIGTERM to `serve` does."""
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(30)
