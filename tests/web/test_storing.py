"""What many uploads bring at the same time: stored together, each told of his own."""

import asyncio
import errno
import os
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.store import Outcome, Received, Refusal
from dicomweb_server.archive.together import LARGE_BYTES
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource, Source
from dicomweb_server.web.http import Workers
from dicomweb_server.web.storing import Entry, Storing
from storage.errors import Unavailable
from storage.lmdb_index import LmdbIndex
from storage.model import Stored
from tests.archive.slow_source import SlowSource
from tests.archive.slow_sync import SlowSync
from tests.dicom.build import STUDY_UID, part10

T = TypeVar("T")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = open_archive(Config(data=str(tmp_path)))
    yield opened
    opened.close()


def file(number: int, **more: Any) -> bytes:
    return part10(instance_uid=f"2.25.7.{number}", rows=2, columns=3, **more)


class Sending:
    """Uploads to one archive, and which of their parts were given back."""

    def __init__(self, archive: Archive, workers: Workers) -> None:
        self.archive = archive
        self.storing = Storing(workers, large_at_once=2)
        self.released: list[int] = []

    def send(self, number: int, source: Source, study_uid: str | None = None) -> Entry:
        async def release() -> None:
            self.released.append(number)

        received = Received(source, "a test", study_uid)
        entry = Entry(self.archive, received, upload=object(), release=release)
        self.storing.put(entry)
        return entry

    async def begun(self, slow: SlowSource) -> None:
        assert await asyncio.to_thread(slow.begun.wait, 20)


def run(archive: Archive, test: Callable[[Sending], Awaitable[T]]) -> T:
    workers = Workers(4)

    async def whole() -> T:
        return await asyncio.wait_for(test(Sending(archive, workers)), 30)

    try:
        return asyncio.run(whole())
    finally:
        workers.shutdown()


def commits(archive: Archive) -> int:
    index = archive.storage.index
    assert isinstance(index, LmdbIndex)
    return index.commits


def test_what_comes_while_one_is_read_is_stored_with_it_and_each_hears_of_his_own(
    archive: Archive,
) -> None:
    async def test(sending: Sending) -> tuple[list[Outcome], int]:
        slow = SlowSource(file(0))
        first = sending.send(0, slow)
        await sending.begun(slow)
        before = commits(archive)
        others = [sending.send(n, BytesSource(file(n))) for n in range(1, 10)]
        others.append(sending.send(10, BytesSource(file(10)), study_uid="1.2.3.99"))
        others.append(sending.send(11, BytesSource(b"no DICOM at all" * 20)))
        slow.go_on.set()
        outcomes = [await each.outcome for each in (first, *others)]
        return outcomes, commits(archive) - before

    outcomes, committed = run(archive, test)
    assert [each.instance_uid for each in outcomes[:10]] == [f"2.25.7.{n}" for n in range(10)]
    assert {each.stored for each in outcomes[:10]} == {Stored.NEW}
    assert [each.refusal for each in outcomes[10:]] == [Refusal.WRONG_STUDY, Refusal.NOT_DICOM]
    assert STUDY_UID in outcomes[10].comment
    assert committed == 1


def test_what_comes_while_one_is_committed_is_stored_in_the_next_transaction(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(sending: Sending) -> tuple[list[Outcome], int]:
        before = commits(archive)
        slow = SlowSync(monkeypatch)
        sent = [sending.send(0, BytesSource(file(0)))]
        assert await asyncio.to_thread(slow.begun.wait, 20)
        sent += [sending.send(n, BytesSource(file(n))) for n in range(1, 10)]
        slow.go_on.set()
        return [await each.outcome for each in sent], commits(archive) - before

    outcomes, committed = run(archive, test)
    assert {each.stored for each in outcomes} == {Stored.NEW}
    assert committed == 2


def test_who_comes_when_the_last_was_just_stored_is_stored(archive: Archive) -> None:
    async def test(sending: Sending) -> list[Outcome]:
        return [await sending.send(n, BytesSource(file(n))).outcome for n in range(3)]

    assert [each.stored for each in run(archive, test)] == [Stored.NEW] * 3


def test_what_is_taken_back_in_time_is_not_stored_and_all_is_given_back(archive: Archive) -> None:
    async def test(sending: Sending) -> tuple[Outcome, Outcome]:
        slow = SlowSource(file(0))
        first = sending.send(0, slow)
        await sending.begun(slow)
        gone, stays = (sending.send(n, BytesSource(file(n))) for n in (1, 2))
        await sending.storing.take_back(gone)
        assert sending.released == [1]
        late = asyncio.create_task(sending.storing.take_back(first))
        await asyncio.sleep(0)
        assert not late.done()
        slow.go_on.set()
        await late
        assert gone.outcome.cancelled()
        outcomes = await first.outcome, await stays.outcome
        assert sorted(sending.released) == [0, 1, 2]
        return outcomes

    first, stays = run(archive, test)
    assert (first.stored, stays.stored) == (Stored.NEW, Stored.NEW)
    assert archive.storage.index.instance("2.25.7.1") is None


def test_what_was_taken_back_holds_no_bytes_while_it_still_stands_in_line(archive: Archive) -> None:
    async def test(sending: Sending) -> None:
        slow, gone = SlowSource(file(0)), SlowSource(file(1))
        first = sending.send(0, slow)
        await sending.begun(slow)
        held = weakref.ref(gone)
        await sending.storing.take_back(sending.send(1, gone))
        del gone
        assert held() is None
        slow.go_on.set()
        await first.outcome

    run(archive, test)


def test_a_large_one_holds_up_nobody(archive: Archive) -> None:
    async def test(sending: Sending) -> None:
        frame = bytes(LARGE_BYTES)
        large = SlowSource(
            part10(instance_uid="2.25.8.1", rows=2048, columns=1024, pixel_data=frame)
        )
        assert large.length > LARGE_BYTES
        entry = sending.send(0, large)
        await sending.begun(large)
        assert (await sending.send(1, BytesSource(file(1))).outcome).stored is Stored.NEW
        assert not entry.outcome.done()
        large.go_on.set()
        assert (await entry.outcome).stored is Stored.NEW

    run(archive, test)


def test_what_cannot_be_stored_now_is_an_answer_for_each_and_all_is_given_back(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    async def test(sending: Sending) -> None:
        slow = SlowSource(file(0))
        entries = [sending.send(0, slow)]
        await sending.begun(slow)
        entries += [sending.send(n, BytesSource(file(n))) for n in (1, 2)]
        monkeypatch.setattr(os, "fdatasync", broken)
        slow.go_on.set()
        for entry in entries:
            with pytest.raises(Unavailable):
                await entry.outcome
        assert sorted(sending.released) == [0, 1, 2]

    run(archive, test)
