"""The line of the browser's question carries every byte, and has TCP's slow start."""

import asyncio
import socket
import threading
import time
from contextlib import suppress

import pytest

from benchmarks.relay import INITIAL_WINDOW_BYTES, Profile, Window, relay

BODY = bytes(range(256)) * 800


def fetched_over(profile: Profile) -> tuple[bytes, float, int]:
    """A body asked for with one byte over a new connection, the seconds that took, and the bytes
    that came down the line."""

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1)
            connection.sendall(BODY)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        with relay(listening.getsockname()[1], profile) as line:
            started = time.monotonic()
            with socket.create_connection(("127.0.0.1", line.port), 10) as connection:
                connection.sendall(b"?")
                with connection.makefile("rb") as stream:
                    body = stream.read()
            return body, time.monotonic() - started, line.received_bytes


@pytest.mark.parametrize(
    "profile", [Profile(), Profile(bytes_per_s=2e6), Profile(round_trip_s=0.01)]
)
def test_every_byte_arrives(profile: Profile) -> None:
    body, _, carried = fetched_over(profile)
    assert body == BODY
    assert carried == len(BODY)


def test_a_new_connection_takes_a_round_trip_for_each_doubling_of_its_window() -> None:
    # Handshake and question, then 14, 29, 58 and 103 kB.
    assert 7 * INITIAL_WINDOW_BYTES < len(BODY) < 15 * INITIAL_WINDOW_BYTES
    _, seconds, _ = fetched_over(Profile(round_trip_s=0.04))
    assert seconds > (1 + 1 + 3) * 0.04 * 0.99


def test_a_window_doubles_with_each_round_trip_and_nothing_goes_beyond_it() -> None:
    async def flights() -> list[int]:
        window, sent = Window(), []
        for _ in range(5):
            sent.append(await window.room())
            window.sent(sent[-1])
            with suppress(TimeoutError):
                await asyncio.wait_for(window.room(), 0)
                raise AssertionError("there is room in a window that is full")
            window.acknowledged(sent[-1])
        return sent

    assert asyncio.run(flights()) == [INITIAL_WINDOW_BYTES * 2**n for n in range(5)]
