"""The log never makes anybody wait."""

import logging
import os
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dicomweb_server.dimse import pdu
from dicomweb_server.logs import LineFormatter, UnhurriedHandler
from tests.dimse.conftest import bridged, stop
from tests.dimse.wire import Wire


@contextmanager
def logging_to_pipe(
    *, waiting_lines: int
) -> Iterator[tuple[logging.Logger, UnhurriedHandler, int]]:
    reading, writing = os.pipe()
    handler = UnhurriedHandler(writing, waiting_lines=waiting_lines)
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        yield logger, handler, reading
    finally:
        os.close(reading)
        handler.finish()
        os.close(writing)


def test_lines_arrive_in_order(tmp_path: Path) -> None:
    with logging_to_pipe(waiting_lines=100) as (logger, handler, reading):
        for number in range(50):
            logger.warning("line %s", number)
        handler.finish()
        lines = os.read(reading, 100_000).decode().splitlines()
    assert lines == [f"line {number}" for number in range(50)]


def test_lines_that_nobody_reads_are_dropped_and_counted() -> None:
    with logging_to_pipe(waiting_lines=10) as (logger, handler, reading):
        began = time.monotonic()
        for number in range(2000):
            logger.warning("%s %s", number, "x" * 200)
        assert time.monotonic() - began < 5
        handler.finish(within_s=0.1)  # gives up
        with ThreadPoolExecutor(1) as pool:
            read = pool.submit(lambda: b"".join(iter(lambda: os.read(reading, 65536), b"")))
            until = time.monotonic() + 10
            while handler._waiting.unfinished_tasks:
                assert time.monotonic() < until
                time.sleep(0.01)
            logger.warning("the last line")
            handler.finish()
            os.write(handler._descriptor, b"end\n")
            os.dup2(os.open(os.devnull, os.O_WRONLY), handler._descriptor)
            lines = read.result(10).decode().splitlines()
    said = [line for line in lines if "lines are missing here" in line]
    missing = sum(int(line.split()[0]) for line in said)
    whole = [line for line in lines if line.endswith("x" * 200)]
    assert missing > 0
    assert missing + len(whole) == 2000
    assert lines[-2:] == ["the last line", "end"]


def test_a_title_makes_no_line_of_its_own(tmp_path: Path) -> None:
    title = "A\n2026 ERR\x85x\r\x1b"
    with bridged(tmp_path) as bridge:
        wire = Wire.to(bridge.port, timeout_s=60)
        wire.associate(calling=title)
        wire.send(pdu.HEADER.pack(pdu.P_DATA_TF, 0xFFFFFFF0) + b"x" * 100)
        assert wire.read()[0] == pdu.ABORT
        wire.close()
        stop(bridge)
        assert bridge.process.stderr is not None
        log = bridge.process.stderr.read()
    (line,) = [line for line in log.splitlines() if "2026 ERR" in line and "x1b" in line]
    assert r"WARNING dicomweb_server.dimse.server: A\n2026 ERR\x85x\r\x1b@127.0.0.1" in line


def test_a_traceback_is_indented_and_its_message_makes_no_line_of_its_own() -> None:
    with logging_to_pipe(waiting_lines=10) as (logger, handler, reading):
        handler.setFormatter(LineFormatter("%(levelname)s %(message)s"))
        try:
            raise ValueError("one\nERROR two\rERROR three")
        except ValueError:
            logger.exception("%s failed", "it\n")
        handler.finish()
        first, *others = os.read(reading, 100_000).decode().split("\n")
    assert first == r"ERROR it\n failed"
    assert others[-3:] == ["  ValueError: one", r"  ERROR two\rERROR three", ""]
    assert all(line.startswith("  ") for line in others[:-1])


def test_a_server_whose_log_nobody_reads_goes_on(tmp_path: Path) -> None:
    with bridged(tmp_path, "--log-level", "debug", web=True) as bridge:
        # Each is a line: far more than the 64 KiB that a pipe holds.
        for _ in range(700):
            wire = Wire.to(bridge.port, timeout_s=60)
            wire.send(pdu.HEADER.pack(pdu.P_DATA_TF, 0xFFFFFFF0) + b"x" * 100)
            assert wire.read()[0] == pdu.ABORT
            wire.close()
        for path in ("health", "dicom-web/studies"):
            with urllib.request.urlopen(f"{bridge.url}/{path}", timeout=10) as answer:
                assert answer.status in (200, 204)
