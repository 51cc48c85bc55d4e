"""Settling: landed contents are encoded and lie in series order in sealed packs, whatever happens
meanwhile."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from storage import packs
from storage.engines import Storage, open_storage
from storage.errors import NotFound, OutOfSpace
from storage.model import (
    ConflictPolicy,
    Digest,
    Form,
    FrameTable,
    Instance,
    InstanceFacts,
    Landed,
    Level,
    PixelFormat,
    Place,
    Scope,
    SeriesKey,
    Stored,
)
from storage.rewriting import Rewriter, places_of
from storage.verify import verify
from tests.storage.landing import (
    ENGINES,
    NATIVE,
    compressible,
    decode,
    digest_of,
    encode,
    forms_of,
    land,
    open_engine,
    settle_all,
    used_bytes,
    verified,
)

SERIES = SeriesKey("1.2", "1.2.3")


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


def test_settled_contents_are_encoded_and_every_file_comes_back(storage: Storage) -> None:
    instances = [land(storage, [compressible(2_000), compressible(3_000)]) for _ in range(5)]
    report = settle_all(storage)
    assert report.finished
    assert report.problems == ()
    assert (report.series, report.contents) == (1, 15)
    assert report.bytes_after < report.bytes_before * 0.6
    for instance in instances:
        assert forms_of(storage, instance)[1:] == [Form.ZSTD, Form.ZSTD]
    assert verified(storage) == []
    assert storage.index.unsettled(quiet_since_us=2**60, limit=10) == []


def test_a_series_lies_in_one_sealed_pack_in_instance_order(storage: Storage) -> None:
    """Skeleton first, then its contents, whatever order they arrived in."""
    numbers = list(range(12))
    random.Random(1).shuffle(numbers)
    by_number = {n: land(storage, [compressible(500)], number=n) for n in numbers}
    settle_all(storage)
    wanted = [digest for n in range(12) for digest in (by_number[n].skeleton, *by_number[n].blobs)]
    (info,) = storage.blobs.packs()
    assert (info.sealed, info.landing) == (True, False)
    assert [digest for digest, _ in storage.blobs.scan(info.pack)] == wanted


def test_small_series_share_a_pack_and_large_ones_fill_several(packed: Storage) -> None:
    for n in range(6):
        land(packed, [os.urandom(2_000)], series=f"1.2.{n}")
    settle_all(packed)
    assert len(packed.blobs.packs()) == 1
    land(packed, [os.urandom(2_000) for _ in range(20)], series="1.2.99")
    settle_all(packed, pack_bytes=10_000)
    lengths = [info.length for info in packed.blobs.packs()]
    assert len(lengths) == 1 + 4
    assert all(length < 13_000 for length in lengths[1:])
    assert verified(packed) == []


def test_settling_again_does_nothing(storage: Storage) -> None:
    land(storage, [compressible(2_000)])
    settle_all(storage)
    before = list(storage.blobs.packs())
    report = settle_all(storage)
    assert (report.series, report.contents, report.packs_removed) == (0, 0, 0)
    assert list(storage.blobs.packs()) == before


def test_an_instance_that_arrives_later_moves_alone(storage: Storage) -> None:
    land(storage, [compressible(2_000)])
    settle_all(storage)
    land(storage, [compressible(2_000)])
    assert settle_all(storage).contents == 2
    assert verified(storage) == []


def test_a_series_that_is_not_quiet_waits(storage: Storage) -> None:
    instance = land(storage, [compressible(2_000)])
    report = settle_all(storage, quiet_s=60)
    assert (report.series, report.finished) == (0, True)
    assert forms_of(storage, instance)[1] is Form.RAW


def test_landing_packs_are_given_back(packed: Storage, tmp_path: Path) -> None:
    for _ in range(4):
        land(packed, [compressible(100_000)])
    landed = used_bytes(tmp_path)
    report = settle_all(packed)
    assert report.packs_removed == 1
    assert report.bytes_removed == landed
    assert used_bytes(tmp_path) < landed * 0.6


def test_a_landing_pack_in_use_is_not_given_back(packed: Storage) -> None:
    land(packed, [compressible(1_000)], series="1.2.3")
    time.sleep(1.05)
    packed.blobs.append(digest_of(b"on its way"), b"on its way", form=Form.RAW, content_length=10)
    assert settle_all(packed, quiet_s=1.0).series == 1
    assert [info.owned for info in packed.blobs.packs()] == [True, False]


def test_what_was_appended_but_not_applied_cannot_lose_its_pack_unnoticed(
    storage: Storage,
) -> None:
    model = land(storage, [b"a frame"])
    digest = digest_of(b"slow")
    place = storage.blobs.append(digest, b"slow", form=Form.RAW, content_length=4)
    settle_all(storage)
    nothing = Level({}, b"{}")
    slow = replace(model, instance_uid="1.9", skeleton=digest, blobs=(), holes=())
    facts = InstanceFacts(slow, nothing, nothing, nothing, {}, b"{}")
    (applied,) = storage.index.apply(
        [Landed(facts, {digest: place})], conflict=ConflictPolicy.REFUSE
    )
    assert applied.outcome is Stored.MISSING_CONTENT
    assert verified(storage) == []


def test_contents_that_series_share_move_once(storage: Storage) -> None:
    shared = compressible(5_000)
    one = land(storage, [shared, shared], series="1.2.3")
    two = land(storage, [shared], series="1.2.4")
    report = settle_all(storage)
    assert report.contents == 3, "two skeletons and the frame"
    assert forms_of(storage, one)[1] is forms_of(storage, two)[1] is Form.ZSTD
    assert verified(storage) == []


def test_codestreams_received_stay_as_they_are_but_move(storage: Storage) -> None:
    received = replace(NATIVE, encapsulated=True)
    instance = land(storage, [compressible(3_000)], pixels=received)
    settle_all(storage)
    assert forms_of(storage, instance)[1] is Form.RAW
    assert all(not info.landing for info in storage.blobs.packs())
    assert settle_all(storage).contents == 0


def test_the_encoder_is_told_the_pixel_format_of_frames_only(storage: Storage) -> None:
    calls: dict[bytes, PixelFormat | None] = {}

    def remember(pixels: PixelFormat | None, content: bytes) -> tuple[Form, bytes]:
        calls[content] = pixels
        return encode(pixels, content)

    land(storage, [b"frame 0", b"frame 1"], values=[b"a large value"])
    parts = FrameTable(2, first=0, starts=(0, 2, 3))
    land(storage, [b"half", b"other half", b"whole", b"trailer"], table=parts)
    settle_all(storage, encode=remember)
    with_format = {content for content, pixels in calls.items() if pixels == NATIVE}
    assert with_format == {b"frame 0", b"frame 1", b"half", b"other half", b"whole"}
    assert calls[b"a large value"] is calls[b"trailer"] is None


def test_earlier_versions_settle_too(storage: Storage) -> None:
    policy = ConflictPolicy.KEEP_BOTH
    first = land(storage, [compressible(2_000)], instance="1.2.3.4", conflict=policy)
    second = land(storage, [compressible(2_000)], instance="1.2.3.4", conflict=policy)
    settle_all(storage)
    assert forms_of(storage, first)[1] is forms_of(storage, second)[1] is Form.ZSTD
    assert all(not info.landing for info in storage.blobs.packs())
    assert verified(storage) == []


def test_a_content_the_encoder_fails_on_stays_as_it_is_and_the_rest_settles(
    storage: Storage,
) -> None:
    poison = compressible(2_000)

    def choke(pixels: PixelFormat | None, content: bytes) -> tuple[Form, bytes]:
        if content == poison:
            raise RuntimeError("the codec fell over")
        return encode(pixels, content)

    instance = land(storage, [compressible(2_000), poison, compressible(2_000)])
    report = settle_all(storage, encode=choke)
    assert forms_of(storage, instance)[1:] == [Form.ZSTD, Form.RAW, Form.ZSTD]
    (problem,) = report.problems
    assert digest_of(poison).hex() in problem
    assert "the codec fell over" in problem
    assert verified(storage) == []


def test_a_damaged_content_is_named_and_left_where_it_lies(packed: Storage, tmp_path: Path) -> None:
    instance = land(packed, [compressible(2_000), compressible(2_000)])
    place = packed.index.places([instance.blobs[0]])[0]
    (pack,) = tmp_path.rglob("*.pack")
    with pack.open("r+b") as file:
        file.seek(place.offset + 5)
        file.write(b"damage")
    report = settle_all(packed)
    (problem,) = report.problems
    assert instance.blobs[0].hex() in problem
    assert packed.index.places([instance.blobs[0]]) == [place]
    assert forms_of(packed, instance)[2] is Form.ZSTD
    assert settle_all(packed).contents == 0, "it is not tried for ever"


def test_stop_is_asked_between_two_contents_and_leaves_nothing_half_done(
    storage: Storage,
) -> None:
    for _ in range(3):
        land(storage, [compressible(1_000) for _ in range(10)])
    for steps in (0, 1, 7, 12):
        turns = chain(repeat(False, steps), repeat(True))
        report = settle_all(storage, stop=turns.__next__)
        assert not report.finished
        assert verified(storage) == []
    assert settle_all(storage).finished
    assert storage.index.unsettled(quiet_since_us=2**60, limit=1) == []
    assert verified(storage) == []


def test_a_second_settler_waits_for_its_turn(storage: Storage) -> None:
    land(storage, [compressible(1_000)])
    assert storage.index.lease("settle", "another", ttl_s=60)
    report = settle_all(storage)
    assert (report.finished, report.series) == (False, 0)
    storage.index.release("settle", "another")
    assert settle_all(storage).series == 1


def test_a_settler_that_lost_its_lease_ends(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.settle._LEASE_S", 0.0)
    land(storage, [compressible(1_000) for _ in range(20)])
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        if asked == 5:
            time.sleep(0.001)
            assert storage.index.lease("settle", "another", ttl_s=60)
        return False

    assert not settle_all(storage, stop=stop).finished
    assert verified(storage) == []


def test_two_settlers_at_once_do_no_harm(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(6):
        land(storage, [compressible(3_000) for _ in range(10)], series=f"1.2.{n}")
    monkeypatch.setattr(type(storage.index), "lease", lambda *_, **__: True)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            settle_all(storage)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    settle_all(storage)
    assert verified(storage) == []
    assert not any(info.landing for info in storage.blobs.packs())


def test_series_deleted_and_stored_again_while_it_settles(storage: Storage) -> None:
    frames = [compressible(1_000) for _ in range(12)]
    land(storage, frames, instance="1.5")
    steps = 0

    def meddle(pixels: PixelFormat | None, content: bytes) -> tuple[Form, bytes]:
        nonlocal steps
        steps += 1
        if steps == 6:
            storage.index.delete(Scope("1.2", "1.2.3"))
            land(storage, frames[:4], instance="1.6")
        return encode(pixels, content)

    settle_all(storage, encode=meddle)
    settle_all(storage)
    assert verified(storage) == []
    assert storage.index.instance("1.5") is None
    manifest = storage.index.manifest(SERIES)
    assert [one.instance_uid for one in manifest.instances] == ["1.6"]
    assert forms_of(storage, manifest.instances[0])[1:] == [Form.ZSTD] * 4


def test_an_instance_that_arrives_while_its_series_settles_is_not_forgotten(
    storage: Storage,
) -> None:
    land(storage, [compressible(1_000)])
    late: list[Instance] = []

    def meddle(pixels: PixelFormat | None, content: bytes) -> tuple[Form, bytes]:
        if not late:
            late.append(land(storage, [compressible(1_000)]))
        return encode(pixels, content)

    settle_all(storage, encode=meddle)
    settle_all(storage)
    assert forms_of(storage, late[0])[1] is Form.ZSTD
    assert storage.index.unsettled(quiet_since_us=2**60, limit=1) == []


def test_stores_and_deletions_go_on_while_it_settles(storage: Storage) -> None:
    done = threading.Event()
    failures: list[BaseException] = []

    def traffic(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for step in range(25):
                series = f"1.{seed}.{step % 3}"
                try:
                    land(
                        storage,
                        [compressible(chance.randrange(10, 4_000)) for _ in range(3)],
                        study=f"1.{seed}",
                        series=series,
                    )
                except AssertionError as refused:
                    assert "MISSING_CONTENT" in str(refused)
                if chance.random() < 0.2:
                    with suppress(NotFound):
                        storage.index.delete(Scope(f"1.{seed}", series))
        except BaseException as failure:
            failures.append(failure)

    def upkeep() -> None:
        try:
            while not done.is_set():
                settle_all(storage)
        except BaseException as failure:
            failures.append(failure)

    workers = [threading.Thread(target=traffic, args=(seed,)) for seed in (3, 4)]
    settler = threading.Thread(target=upkeep)
    for thread in (*workers, settler):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    settler.join()
    assert failures == []
    settle_all(storage)
    assert verified(storage) == []
    assert not any(info.landing for info in storage.blobs.packs())


def test_a_full_disk_ends_the_run_and_loses_nothing(
    packed: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        land(packed, [compressible(1_000) for _ in range(5)])
    write, left = os.pwritev, 5_000

    def full(descriptor: int, buffers: list[Any], offset: int) -> int:
        nonlocal left
        left -= sum(len(buffer) for buffer in buffers)
        if left < 0:
            raise OSError(28, os.strerror(28))
        return write(descriptor, buffers, offset)

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(OutOfSpace):
        settle_all(packed)
    monkeypatch.undo()
    assert verified(packed) == []
    assert settle_all(packed).finished
    assert verified(packed) == []
    assert not any(info.landing for info in packed.blobs.packs())


class Killed(BaseException):
    """Stands for kill -9 at a step."""


@pytest.mark.parametrize("victim", ["append", "sync", "seal", "relocate", "compact", "retire"])
@pytest.mark.parametrize("step", range(3))
def test_dying_at_any_step_leaves_every_file_whole(
    packed: Storage, monkeypatch: pytest.MonkeyPatch, victim: str, step: int
) -> None:
    for n in range(3):
        land(packed, [compressible(1_000) for _ in range(4)], series=f"1.2.{n}")
    left = step

    def dying(call: Any) -> Any:
        def step_and_die(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return call(*arguments, **options)

        return step_and_die

    owner: Any = packs._PackWriter if victim in ("append", "sync", "seal") else packed.index
    monkeypatch.setattr(owner, victim, dying(getattr(owner, victim)))
    monkeypatch.setattr("storage.rewriting._FLUSH_MOVES", 4)
    try:
        settle_all(packed, pack_bytes=4_000)
    except Killed:
        assert verified(packed) == []
    monkeypatch.undo()
    assert settle_all(packed).finished
    assert verified(packed, sweep=True) == []
    assert not any(info.landing for info in packed.blobs.packs())
    assert {info.pack for info in packed.blobs.packs()} == set(packed.index.pack_use())


SETTLING = """
import sys, time
from tests.storage.landing import encode, settle_all
from storage.engines import open_storage

def slow(pixels, content):
    time.sleep(0.002)
    return encode(pixels, content)

import storage.rewriting
storage.rewriting._FLUSH_MOVES = 8
storage.settle._LEASE_S = 0.2
storage = open_storage(sys.argv[1])
print("ready", flush=True)
settle_all(storage, encode=slow, pack_bytes=60_000)
print("done", flush=True)
"""


def test_kill_9_in_the_middle_of_settling_twenty_times(tmp_path: Path) -> None:
    location = str(tmp_path / "archive")
    chance = random.Random(11)
    instances: list[Instance] = []
    for turn in range(20):
        archive = open_storage(location)
        instances += [
            land(archive, [compressible(3_000) for _ in range(4)], series=f"1.2.{turn}.{n}")
            for n in range(3)
        ]
        archive.close()
        with subprocess.Popen(
            [sys.executable, "-c", SETTLING, location],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.random() * 0.12)
            process.send_signal(signal.SIGKILL)
    time.sleep(0.2)
    archive = open_storage(location)
    sentences: list[str] = []
    report = verify(archive, full=True, sweep=True, decode=decode, report=sentences.append)
    assert sentences == []
    assert report.instances == len(instances)
    time.sleep(0.2)
    while not settle_all(archive).finished:
        time.sleep(0.1)
    for instance in instances:
        assert archive.index.instance(instance.instance_uid) == instance
        assert len(places_of(archive.index, [instance.skeleton, *instance.blobs])) == 5
        assert forms_of(archive, instance)[1:] == [Form.ZSTD] * 4
    assert verified(archive, sweep=True) == []
    assert {info.pack for info in archive.blobs.packs()} == set(archive.index.pack_use())
    archive.close()


def test_what_is_in_memory_is_bounded_by_a_window_not_by_the_instance(
    packed: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.settle.WINDOW_BYTES", 250_000)
    land(packed, [compressible(100_000) for _ in range(30)])
    lock = threading.Lock()
    held = most = 0
    read, add = packed.blobs.read, Rewriter.add

    def count(length: int) -> None:
        nonlocal held, most
        with lock:
            held += length
            most = max(most, held)

    def reading(place: Place) -> bytes:
        count(place.content_length)
        return read(place)

    def adding(self: Rewriter, digest: Digest, old: Place, payload: bytes, *, form: Form) -> None:
        add(self, digest, old, payload, form=form)
        count(-old.content_length)

    monkeypatch.setattr(packed.blobs, "read", reading)
    monkeypatch.setattr(Rewriter, "add", adding)
    assert settle_all(packed).contents == 31
    assert held == 0
    assert 100_000 <= most <= 250_000
