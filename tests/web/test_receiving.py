"""Uploads that are slow, and many: what they hold in memory is bounded together."""

import asyncio
import json
import os
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from dicomweb_server.archive.archive import open_archive
from dicomweb_server.archive.spool import MEMORY_BYTES
from dicomweb_server.config import Config
from dicomweb_server.dicom.errors import TooLarge
from dicomweb_server.web import bodies, service
from dicomweb_server.web.app import application
from dicomweb_server.web.http import Workers
from dicomweb_server.web.receiving import Receiver, Room
from tests.dicom.build import part10
from tests.servers import wait_for
from tests.web.bodies import BOUNDARY, CONTENT_TYPE, related
from tests.web.conftest import Client, Socket, listened


@pytest.mark.parametrize("room", [0, 1000, 2_000_000, 2 * MEMORY_BYTES])
@pytest.mark.parametrize("length", [1, 999, 100_000, MEMORY_BYTES, MEMORY_BYTES + 1, 7_000_000])
def test_what_is_received_is_the_same_in_whatever_room(
    tmp_path: Path, room: int, length: int
) -> None:
    content = os.urandom(length)

    async def run() -> None:
        rooms, workers = Room(room), Workers(1)
        receiver = Receiver(tmp_path, limit_bytes=length, room=rooms, workers=workers)
        for at in range(0, length, 70_000):
            await receiver.write(memoryview(content)[at : at + 70_000])
        await receiver.complete()
        assert receiver.length == length
        assert receiver.finish().read_at(0, length) == content
        receiver.discard()
        assert rooms.take(room), "all of it is given back"
        workers.shutdown()

    asyncio.run(run())


def test_who_finds_no_room_holds_nothing_and_what_is_in_a_file_neither(tmp_path: Path) -> None:
    async def run() -> None:
        room, workers = Room(MEMORY_BYTES), Workers(1)
        first, second = (
            Receiver(tmp_path, limit_bytes=2**30, room=room, workers=workers) for _ in range(2)
        )
        await first.write(bytes(MEMORY_BYTES))
        await second.write(bytes(1000))
        assert not room.take(1)
        await first.write(bytes(1))
        assert room.take(MEMORY_BYTES), "the first has gone to its file"
        with pytest.raises(TooLarge):
            await first.write(bytes(2**30))
        first.discard()
        second.discard()
        workers.shutdown()

    asyncio.run(run())


def unnamed(directory: Path) -> int:
    """Files without a name that this process has open in `directory`."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(each.readlink()).startswith(f"{directory}/")
    return found


@pytest.mark.parametrize("metadata", [False, True])
def test_slow_uploads_have_one_room_together_and_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: bool
) -> None:
    monkeypatch.setattr(service, "RECEIVED_BYTES", 3 * MEMORY_BYTES // 2)
    archive = open_archive(Config(data=str(tmp_path)))
    uids = [f"1.2.{number}" for number in range(6)]
    if metadata:
        content_type = CONTENT_TYPE.replace("/dicom", "/dicom+json")
        uploads = [metadata_of(uid) for uid in uids]
    else:
        content_type = CONTENT_TYPE
        uploads = [related(part10(rows=1000, columns=1000, instance_uid=uid)) for uid in uids]
    program = Socket()
    program.program = application(archive, archive.config)
    with listened(program) as address, ExitStack() as stack:
        clients = [Client(*address) for _ in uids]
        for client, body in zip(clients, uploads, strict=True):
            stack.callback(client.close)
            client.send(
                f"POST {archive.config.prefix}/studies HTTP/1.1\r\nHost: h\r\n"
                f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body[:-100]
            )
        # Three of some 2 MB have room.
        wait_for(lambda: unnamed(archive.storage.incoming) >= 3)
        for client, body in zip(clients, uploads, strict=True):
            client.send(body[-100:])
            status, said = client.reply()
            assert status == 200, said
        assert archive.storage.index.last_change() == len(uids)
        wait_for(lambda: unnamed(archive.storage.incoming) == 0)
    assert program.program.service.received.take(3 * MEMORY_BYTES // 2)
    program.program.close()
    archive.close()


def metadata_of(uid: str) -> bytes:
    document = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.66"]},
        "00080018": {"vr": "UI", "Value": [uid]},
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.3"]},
        "0040A160": {"vr": "UT", "Value": ["x" * 2_000_000]},
        "7FE00010": {"vr": "OB", "BulkDataURI": "bulk"},
    }
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom+json\r\n\r\n".encode()
    bulk = (
        f"\r\n--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\n"
        "Content-Location: bulk\r\n\r\n"
    ).encode()
    end = f"\r\n--{BOUNDARY}--\r\n".encode()
    return head + json.dumps([document]).encode() + bulk + bytes(200) + end


def test_small_bodies_are_always_read_and_the_rest_has_one_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_room", Room(100_000))
    archive = open_archive(Config(data="memory:"))
    program = Socket()
    program.program = application(archive, archive.config)

    def asking(length: int) -> bytes:
        return (
            "POST /api/v1/orders HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()

    with listened(program) as address, ExitStack() as stack:
        slow, large, small, after = (Client(*address) for _ in range(4))
        for client in (slow, large, small, after):
            stack.callback(client.close)
        slow.send(asking(110_000) + b" " * 100_000, b" ")
        large.send(asking(60_000) + b" " * 60_000)
        assert large.reply()[0] == 503
        small.send(asking(16_000) + b" " * 16_000)
        assert small.reply()[0] == 400
        slow.send(b" " * 9_999)
        assert slow.reply()[0] == 400
        after.send(asking(100_000) + b" " * 100_000)
        assert after.reply()[0] == 400
    program.program.close()
    archive.close()
