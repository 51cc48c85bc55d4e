"""Requests and replies as values, and the streams between."""

import asyncio
import gc
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from dicomweb_server.web.http import MESSAGE_BYTES, Request, Workers, _batches
from dicomweb_server.web.service import Budget


def request(host: bytes | None, *, root_path: str = "") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    headers = [(b"host", host)] if host is not None else []
    scope = {
        "type": "http",
        "scheme": "https",
        "headers": headers,
        "server": ("10.0.0.1", 80),
        "root_path": root_path,
    }
    return Request(scope, receive, {})


def test_urls_begin_with_what_the_client_called() -> None:
    assert request(b"archive:8000").origin == "https://archive:8000"
    assert request(b"[::1]:80", root_path="/x").origin == "https://[::1]:80/x"


@pytest.mark.parametrize("host", [None, b"", b'a"b', b"a/b", b"a b", b"user@host", b"a\r\nb"])
def test_a_host_that_is_none_gets_into_no_url(host: bytes | None) -> None:
    assert request(host).origin == "https://10.0.0.1:80"


@given(st.lists(st.sampled_from([0, 1, 10, 70_000, 500_000, MESSAGE_BYTES, 3 * MESSAGE_BYTES + 1])))
def test_batches_hold_the_same_bytes_in_messages_of_a_good_size(sizes: list[int]) -> None:
    pieces = [bytes([n % 256]) * size for n, size in enumerate(sizes)]
    batches = list(_batches(iter(pieces)))
    assert b"".join(bytes(m) for batch in batches for m in batch) == b"".join(pieces)
    assert all(len(m) <= MESSAGE_BYTES for batch in batches for m in batch)


def test_a_stream_reads_ahead_by_one_batch_and_closes_its_source_when_left() -> None:
    taken: list[int] = []
    closed: list[bool] = []

    def source() -> Iterator[bytes]:
        try:
            for n in range(100):
                taken.append(n)
                yield bytes(MESSAGE_BYTES)
        finally:
            closed.append(True)

    async def read_two() -> None:
        workers = Workers(2)
        stream = workers.stream(source())
        await anext(stream)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        workers.shutdown()

    asyncio.run(read_two())
    assert len(taken) <= 4
    assert closed == [True]


def test_an_error_in_a_stream_reaches_its_reader() -> None:
    def source() -> Iterator[bytes]:
        yield b"x" * MESSAGE_BYTES
        raise OSError("disk")

    async def read() -> int:
        workers = Workers(1)
        count = 0
        with pytest.raises(OSError, match="disk"):
            async for message in workers.stream(source()):
                count += len(message)
        workers.shutdown()
        return count

    assert asyncio.run(read()) == MESSAGE_BYTES


def test_a_budget_lets_wait_who_would_exceed_it_and_lets_the_too_large_in_alone() -> None:
    async def run() -> list[str]:
        budget = Budget(10)
        said: list[str] = []
        await budget.take(8)

        async def large() -> None:
            await budget.take(100)
            said.append("large")
            await budget.give_back(100)

        waiting = asyncio.create_task(large())
        await asyncio.sleep(0)
        said.append("first done")
        await budget.give_back(8)
        await waiting
        await budget.take(10)
        return said

    assert asyncio.run(run()) == ["first done", "large"]


def test_an_answered_request_is_not_left_to_the_collector_of_garbage(http: httpx.Client) -> None:
    def cycles() -> int:
        return sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects())

    gc.collect()
    before = cycles()
    gc.disable()
    try:
        for number in range(20):
            answer = http.get("/studies", headers={"X-Request-Number": str(number)})
            assert answer.status_code == 204
        left = cycles() - before
    finally:
        gc.enable()
    # The connection may hold the last one.
    assert left <= 1
