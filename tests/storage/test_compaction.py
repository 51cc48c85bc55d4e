"""Compaction: what is deleted gives its bytes back, and what stays is whole."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.compaction import MERGE_PACKS, compact_packs
from storage.engines import Storage, open_storage
from storage.errors import Unavailable
from storage.model import Form, Instance, Scope
from storage.rewriting import remove_dead_packs
from tests.storage.landing import (
    ENGINES,
    compressible,
    forms_of,
    land,
    open_engine,
    settle_all,
    used_bytes,
    verified,
)


@pytest.fixture(params=ENGINES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    opened = open_engine(request.param, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def packed(tmp_path: Path) -> Iterator[Storage]:
    """Packs on disk below an index in memory."""
    opened = open_engine("packs", tmp_path)
    yield opened
    opened.close()


def settled_series(storage: Storage, series: str, *, instances: int = 10) -> list[Instance]:
    """A series in a pack of its own."""
    landed = [land(storage, [compressible(4_000)], series=series) for _ in range(instances)]
    settle_all(storage)
    return landed


@pytest.mark.parametrize("settled", [True, False])
def test_after_everything_is_deleted_the_disk_is_empty(
    packed: Storage, tmp_path: Path, settled: bool
) -> None:
    for n in range(3):
        for _ in range(5):
            land(packed, [compressible(100_000)], series=f"1.2.{n}")
    if settled:
        settle_all(packed)
    used = used_bytes(tmp_path)
    packed.index.delete(Scope("1.2"))
    report = compact_packs(packed)
    assert report.finished
    assert report.bytes_freed == used
    assert used_bytes(tmp_path) == 0
    assert [*tmp_path.rglob("*.pack")] == []


def test_nothing_to_give_back_is_nothing_to_do(storage: Storage) -> None:
    settled_series(storage, "1.2.3")
    before = list(storage.blobs.packs())
    report = compact_packs(storage)
    assert (report.packs_rewritten, report.packs_removed, report.bytes_freed) == (0, 0, 0)
    assert list(storage.blobs.packs()) == before


def test_a_pack_that_is_mostly_dead_is_written_anew_in_its_order(storage: Storage) -> None:
    instances = settled_series(storage, "1.2.3")
    (old,) = storage.blobs.packs()
    for instance in instances[:8]:
        storage.index.delete(Scope("1.2", "1.2.3", instance.instance_uid))
    report = compact_packs(storage)
    assert (report.packs_rewritten, report.packs_removed) == (1, 1)
    assert report.problems == ()
    (new,) = storage.blobs.packs()
    assert (new.sealed, new.landing) == (True, False)
    assert report.bytes_freed >= (old.length - new.length) * 0.9
    wanted = [digest for one in instances[8:] for digest in (one.skeleton, *one.blobs)]
    assert [digest for digest, _ in storage.blobs.scan(new.pack)] == wanted
    assert all(forms_of(storage, one)[1] is Form.ZSTD for one in instances[8:])
    assert verified(storage) == []


def test_a_pack_that_is_mostly_alive_stays(storage: Storage) -> None:
    instances = settled_series(storage, "1.2.3")
    (old,) = storage.blobs.packs()
    for instance in instances[:3]:
        storage.index.delete(Scope("1.2", "1.2.3", instance.instance_uid))
    assert compact_packs(storage).packs_rewritten == 0
    assert [info.pack for info in storage.blobs.packs()] == [old.pack]


def test_a_pack_of_tiny_payloads_is_not_taken_for_dead(storage: Storage) -> None:
    land(storage, [bytes([n]) for n in range(200)])
    settle_all(storage)
    assert compact_packs(storage).packs_rewritten == 0


def test_many_small_packs_become_one(storage: Storage) -> None:
    instances = [
        one for n in range(MERGE_PACKS) for one in settled_series(storage, f"1.2.{n}", instances=2)
    ]
    assert len(storage.blobs.packs()) == MERGE_PACKS
    report = compact_packs(storage)
    assert (report.packs_rewritten, report.packs_removed) == (MERGE_PACKS, MERGE_PACKS)
    (info,) = storage.blobs.packs()
    wanted = [digest for one in instances for digest in (one.skeleton, *one.blobs)]
    assert [digest for digest, _ in storage.blobs.scan(info.pack)] == wanted
    assert compact_packs(storage).packs_rewritten == 0
    assert verified(storage) == []


def test_landing_packs_are_left_to_settling(storage: Storage) -> None:
    """What lies there is still to be encoded."""
    instances = [land(storage, [compressible(4_000)]) for _ in range(10)]
    storage.blobs.roll()
    for instance in instances[:9]:
        storage.index.delete(Scope("1.2", "1.2.3", instance.instance_uid))
    assert compact_packs(storage).packs_rewritten == 0
    assert settle_all(storage).contents == 2
    assert [info.landing for info in storage.blobs.packs()] == [False]
    assert verified(storage) == []


def test_stop_ends_it_between_two_packs(storage: Storage) -> None:
    for n in range(3):
        instances = settled_series(storage, f"1.2.{n}")
        for instance in instances[:9]:
            storage.index.delete(Scope("1.2", f"1.2.{n}", instance.instance_uid))
    turns = iter((False, True))
    report = compact_packs(storage, stop=turns.__next__)
    assert (report.finished, report.packs_rewritten) == (False, 1)
    assert verified(storage) == []
    assert compact_packs(storage).packs_rewritten == 2


def test_another_that_compacts_is_left_alone(storage: Storage) -> None:
    instances = settled_series(storage, "1.2.3")
    for instance in instances[:9]:
        storage.index.delete(Scope("1.2", "1.2.3", instance.instance_uid))
    assert storage.index.lease("compaction", "another", ttl_s=60)
    assert not compact_packs(storage).finished
    storage.index.release("compaction", "another")
    assert compact_packs(storage).packs_rewritten == 1


def test_a_damaged_content_keeps_its_pack(packed: Storage, tmp_path: Path) -> None:
    instances = settled_series(packed, "1.2.3")
    for instance in instances[:8]:
        packed.index.delete(Scope("1.2", "1.2.3", instance.instance_uid))
    (place,) = packed.index.places(instances[8].blobs)
    (pack,) = tmp_path.rglob("*.pack")
    with pack.open("r+b") as file:
        file.seek(place.offset + 5)
        file.write(b"damage")
    report = compact_packs(packed)
    assert report.packs_removed == 0
    assert report.problems == (f"pack {place.pack:016x} could not be given up",)
    assert packed.index.places(instances[8].blobs) == [place]
    assert len(verified(packed)) == 1, "the one content, and nothing else was lost"


def test_deletions_and_readers_go_on_while_it_compacts(storage: Storage) -> None:
    kept = [settled_series(storage, f"1.2.{n}", instances=6) for n in range(6)]
    done = threading.Event()
    failures: list[BaseException] = []

    def upkeep() -> None:
        try:
            while not done.is_set():
                compact_packs(storage)
        except BaseException as failure:
            failures.append(failure)

    compactor = threading.Thread(target=upkeep)
    compactor.start()
    try:
        for instances in kept:
            for instance in instances[1:]:
                uid = instance.instance_uid
                storage.index.delete(Scope("1.2", instance.series_uid, uid))
                assert verified(storage) == []
    finally:
        done.set()
        compactor.join()
    assert failures == []
    assert storage.index.counts().instances == 6


def test_what_another_archive_holds_in_this_ones_place_is_not_given_up(tmp_path: Path) -> None:
    """As when a backup is restored under a server that runs on: it knows none of its packs."""
    here, restored, moved = tmp_path / "archive", tmp_path / "backup", tmp_path / "moved"
    other = open_storage(str(restored))
    land(other, [compressible(4_000)])
    other.close()
    packs = {path.relative_to(restored) for path in restored.rglob("*.pack")}
    assert packs
    running = open_storage(str(here))
    land(running, [compressible(4_000)])
    here.rename(moved)
    restored.rename(here)
    with pytest.raises(Unavailable, match="has to be started again"):
        remove_dead_packs(running, idle_s=0)
    with pytest.raises(Unavailable, match="has to be started again"):
        land(running, [compressible(4_000)])
    assert packs <= {path.relative_to(here) for path in here.rglob("*.pack")}
    # Put back, it goes on.
    here.rename(restored)
    moved.rename(here)
    land(running, [compressible(4_000)])
    running.close()
