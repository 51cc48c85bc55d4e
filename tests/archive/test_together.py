"""Storing for many senders at once: one batch of all that wait, and each with an outcome of his."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dicomweb_server.access.caller import Act, Caller
from dicomweb_server.access.errors import Denied
from dicomweb_server.archive import store as store_module
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.store import Outcome, Received, Refusal
from dicomweb_server.archive.together import LARGE_BYTES, Together
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource, Source
from storage.contract import Index
from storage.errors import Unavailable
from storage.lmdb_index import LmdbIndex
from storage.model import Applied, ConflictPolicy, Landed, Stored
from tests.archive.slow_source import SlowSource
from tests.archive.slow_sync import SlowSync
from tests.dicom.build import part10

Send = Callable[..., "Future[Outcome]"]


@pytest.fixture
def lmdb(tmp_path: Path) -> Iterator[Archive]:
    opened = open_archive(Config(data=str(tmp_path)))
    yield opened
    opened.close()


def file(number: int, **more: object) -> bytes:
    return part10(instance_uid=f"2.25.7.{number}", rows=2, columns=3, **more)  # type: ignore[arg-type]


def sent_by(
    pool: ThreadPoolExecutor, together: Together, archive: Archive, source: Source
) -> "Future[Outcome]":
    return pool.submit(together.store, archive, Received(source, "a test"))


@contextmanager
def one_being_stored(together: Together, archive: Archive, first: bytes) -> Iterator[Send]:
    """Inside the block somebody stores `first` and does not get on with it, and others send."""
    slow = SlowSource(first)
    with ThreadPoolExecutor(100) as pool:

        def send(content: bytes, *, seen: Archive = archive) -> "Future[Outcome]":
            return sent_by(pool, together, seen, BytesSource(content))

        leading = sent_by(pool, together, archive, slow)
        assert slow.begun.wait(10)
        try:
            yield send
        finally:
            slow.go_on.set()
        assert leading.result(20).stored is Stored.NEW


def wait_for(together: Together, count: int) -> None:
    """Returns once so many wait."""
    deadline = threading.Event()
    for _ in range(1000):
        if len(together.line) == count:
            return
        deadline.wait(0.01)
    raise AssertionError(f"{len(together.line)} wait, {count} were to")


def sent_meanwhile(archive: Archive, count: int) -> tuple[list[Outcome], int]:
    """Outcomes of so many that come while one is stored, and the commits of all."""
    together = Together()
    index = archive.storage.index
    assert isinstance(index, LmdbIndex)
    with one_being_stored(together, archive, file(0)) as send:
        before = index.commits
        sent = [send(file(n)) for n in range(1, count + 1)]
        wait_for(together, count)
    return [each.result(20) for each in sent], index.commits - before


def test_who_is_alone_stores_at_once(lmdb: Archive) -> None:
    outcome = Together().store(lmdb, Received(BytesSource(file(1)), "a test"))
    assert (outcome.stored, outcome.instance_uid) == (Stored.NEW, "2.25.7.1")


def test_who_is_alone_asks_no_other_thread(lmdb: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fdatasync = os.fdatasync

    def noted(descriptor: int) -> None:
        synced.append(threading.current_thread().name)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", noted)
    Together().store(lmdb, Received(BytesSource(file(1)), "a test"))
    assert set(synced) == {threading.current_thread().name}


def test_what_comes_while_one_is_read_is_stored_with_it_and_each_hears_of_his_own(
    lmdb: Archive,
) -> None:
    outcomes, commits = sent_meanwhile(lmdb, 19)
    assert [each.instance_uid for each in outcomes] == [f"2.25.7.{n}" for n in range(1, 20)]
    assert {each.stored for each in outcomes} == {Stored.NEW}
    assert commits == 1


def test_what_comes_while_one_is_committed_is_stored_in_the_next_transaction(
    lmdb: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, index = Together(), lmdb.storage.index
    assert isinstance(index, LmdbIndex)
    before = index.commits
    slow = SlowSync(monkeypatch)
    with ThreadPoolExecutor(10) as pool:
        files = [BytesSource(file(n)) for n in range(10)]
        sent = [sent_by(pool, together, lmdb, files[0])]
        assert slow.begun.wait(20)
        sent += [sent_by(pool, together, lmdb, each) for each in files[1:]]
        wait_for(together, 9)
        slow.go_on.set()
    assert {each.result(20).stored for each in sent} == {Stored.NEW}
    assert index.commits - before == 2


def test_one_that_is_not_dicom_or_sent_twice_spoils_none_of_its_neighbours(lmdb: Archive) -> None:
    together = Together()
    with one_being_stored(together, lmdb, file(0)) as send:
        sent = [send(content) for content in (file(1), b"no DICOM" * 100, file(2), file(2))]
        wait_for(together, 4)
    outcomes = [each.result(20) for each in sent]
    assert outcomes[0].stored is Stored.NEW
    assert outcomes[1].refusal is Refusal.NOT_DICOM
    assert {outcomes[2].stored, outcomes[3].stored} == {Stored.NEW, Stored.DUPLICATE}


def test_each_stores_with_his_own_permission(lmdb: Archive) -> None:
    together = Together()
    reader = replace(lmdb, caller=Caller("a reader", frozenset({Act.VIEW})))
    drafter = replace(lmdb, caller=Caller("a drafter", frozenset({Act.DRAFT})))
    with one_being_stored(together, lmdb, file(0)) as send:
        # Who may draft stores what says something of images, and this is an image.
        drafted = send(file(1), seen=drafter)
        sent = send(file(2))
        with pytest.raises(Denied):
            send(file(3), seen=reader).result(20)
        wait_for(together, 2)
    assert drafted.result(20).refusal is Refusal.DENIED
    assert sent.result(20).stored is Stored.NEW


def test_a_large_one_neither_waits_nor_is_waited_for(lmdb: Archive) -> None:
    together = Together()
    large = part10(instance_uid="2.25.7.9", rows=2048, columns=1025)
    assert len(large) > LARGE_BYTES
    with one_being_stored(together, lmdb, file(0)) as send:
        assert send(large).result(20).stored is Stored.NEW


def test_a_batch_is_bounded_and_what_is_left_is_the_next_ones(
    lmdb: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "GROUP_PARTS", 3)
    outcomes, commits = sent_meanwhile(lmdb, 7)
    assert {each.stored for each in outcomes} == {Stored.NEW}
    assert commits == 3


class FullIndex:
    """An index that cannot write now."""

    def __init__(self, inner: Index) -> None:
        self._inner = inner

    def apply(self, batch: Sequence[Landed], *, conflict: ConflictPolicy) -> list[Applied]:
        raise Unavailable(f"{len(batch)} instances at once", retry_after_s=2)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_what_breaks_a_batch_reaches_all_of_it_and_the_next_is_stored(lmdb: Archive) -> None:
    together = Together()
    down = Archive(replace(lmdb.storage, index=FullIndex(lmdb.storage.index)), lmdb.config)
    slow = SlowSource(file(0))
    with ThreadPoolExecutor(4) as pool:
        sent = [sent_by(pool, together, down, slow)]
        assert slow.begun.wait(10)
        sent += [sent_by(pool, together, down, BytesSource(file(n))) for n in (1, 2, 3)]
        wait_for(together, 3)
        slow.go_on.set()
    for each in sent:
        with pytest.raises(Unavailable, match="4 instances at once"):
            each.result(20)
    assert together.store(lmdb, Received(BytesSource(file(1)), "a test")).stored is Stored.NEW
