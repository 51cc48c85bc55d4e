"""Verification: a sound archive gives no sentence, and every kind of damage gives one that names
the thing and the number."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage.engines import Storage
from storage.model import Digest, Form, Instance, Move, Place, Scope
from storage.packs import PackStore
from storage.verify import verify
from tests.storage.landing import (
    ENGINES,
    compressible,
    decode,
    digest_of,
    land,
    open_engine,
    settle_all,
    verified,
)


@pytest.fixture(params=ENGINES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    opened = open_engine(request.param, tmp_path)
    yield opened
    opened.close()


@pytest.fixture(params=["packs", "lmdb"])
def on_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    opened = open_engine(request.param, tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("settled", [False, True])
def test_a_sound_archive_gives_no_sentence(storage: Storage, settled: bool) -> None:
    for n in range(3):
        land(storage, [compressible(2_000)] * 2, series=f"1.2.{n}", values=[b"x" * 70_000])
    land(storage, [], series="1.2.9")
    land(storage, [compressible(2_000)], series="1.2.9", hashed=True)
    if settled:
        settle_all(storage)
    assert verified(storage, full=False) == []
    assert verified(storage, full=True) == []


def test_it_says_what_it_looked_at(storage: Storage) -> None:
    instances = [land(storage, [b"12345", b"678"]) for _ in range(3)]
    seen: list[tuple[int, int]] = []
    report = verify(
        storage,
        full=True,
        sweep=False,
        decode=decode,
        report=print,
        progress=lambda done, total: seen.append((done, total)),
    )
    skeletons = sum(one.file_length - 8 for one in instances)
    assert (report.problems, report.contents, report.instances) == (0, 5, 3)
    assert report.bytes_read == skeletons + 3 * 8
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_contents_beyond_the_holes_are_read_too(on_disk: Storage, tmp_path: Path) -> None:
    """The frames of a deflated data set are no part of its file."""
    model = land(on_disk, [b"in the file", b"not in the file"])
    damage(on_disk, tmp_path, model.blobs[1])
    assert any("differ from what was written" in s for s in verified(on_disk))


def pack_of(directory: Path, place: Place) -> Path:
    (file,) = directory.rglob(f"{place.pack:016x}.pack")
    return file


def damage(storage: Storage, directory: Path, digest: Digest, *, at: int = 0) -> Place:
    """Flips a byte, counted from the first of the payload."""
    (place,) = storage.index.places([digest])
    with pack_of(directory, place).open("r+b") as file:
        file.seek(place.offset + at)
        (byte,) = file.read(1)
        file.seek(place.offset + at)
        file.write(bytes([byte ^ 1]))
    return place


@pytest.mark.parametrize("settled", [False, True])
def test_a_flipped_bit_is_found_by_full_verification(
    on_disk: Storage, tmp_path: Path, settled: bool
) -> None:
    instances = [land(on_disk, [compressible(2_000)]) for _ in range(3)]
    if settled:
        settle_all(on_disk)
    digest = instances[1].blobs[0]
    place = damage(on_disk, tmp_path, digest, at=500)
    assert verified(on_disk, full=False) == []
    (sentence,) = verified(on_disk, full=True)
    assert instances[1].instance_uid in sentence
    assert digest.hex() in sentence
    assert f"{place.pack:016x}" in sentence
    assert f"at byte {place.offset} differ" in sentence


def test_a_flipped_bit_in_a_header_is_found_by_quick_verification(
    on_disk: Storage, tmp_path: Path
) -> None:
    instance = land(on_disk, [compressible(2_000)])
    place = damage(on_disk, tmp_path, instance.blobs[0], at=-40)
    (sentence,) = verified(on_disk, full=False)
    assert instance.blobs[0].hex() in sentence
    assert f"no record at byte {place.offset}" in sentence


def test_a_pack_that_is_cut_short_is_found_by_quick_verification(
    on_disk: Storage, tmp_path: Path
) -> None:
    instance = land(on_disk, [compressible(2_000)])
    settle_all(on_disk)
    (place,) = on_disk.index.places(instance.blobs)
    os.truncate(pack_of(tmp_path, place), place.offset + 7)
    (sentence,) = verified(on_disk, full=False)
    assert f"it ends 7 bytes into the payload of {place.length}" in sentence


def test_a_pack_that_is_gone_is_one_sentence_with_a_number(
    on_disk: Storage, tmp_path: Path
) -> None:
    instance = land(on_disk, [compressible(2_000) for _ in range(9)])
    settle_all(on_disk)
    (place,) = on_disk.index.places(instance.blobs[:1])
    pack_of(tmp_path, place).unlink()
    on_disk.blobs.packs()
    assert verified(on_disk, full=False) == [
        f"pack {place.pack:016x} is not there, and 10 contents lie in it"
    ]
    assert len(verified(on_disk, full=True)) == 11


def test_packs_that_were_exchanged_are_found(on_disk: Storage, tmp_path: Path) -> None:
    places = []
    for n in range(2):
        instance = land(on_disk, [compressible(2_000)], series=f"1.2.{n}")
        settle_all(on_disk)
        places += on_disk.index.places(instance.blobs)
    one, two = (pack_of(tmp_path, place) for place in places)
    content = one.read_bytes(), two.read_bytes()
    one.write_bytes(content[1])
    two.write_bytes(content[0])
    reopened = replace(on_disk, blobs=PackStore(one.parents[2]))
    assert len(verified(reopened, full=False)) == 4


def test_a_place_that_holds_another_content_is_found(storage: Storage) -> None:
    instance = land(storage, [b"what was sent"])
    other = storage.blobs.append(
        digest_of(b"another thing"), b"another thing", form=Form.RAW, content_length=13
    )
    (old,) = storage.index.places(instance.blobs)
    assert storage.index.relocate([Move(instance.blobs[0], old, other)]) == 1
    (sentence,) = verified(storage, full=False)
    assert f"was written for content {digest_of(b'another thing').hex()}" in sentence
    full = verified(storage, full=True)
    assert any(f"has SHA-256 {digest_of(b'another thing').hex()}" in one for one in full)


def test_a_payload_that_does_not_decode_is_found(storage: Storage) -> None:
    instance = land(storage, [b"what was sent"])
    (old,) = storage.index.places(instance.blobs)
    new = storage.blobs.append(
        instance.blobs[0], b"no zstd frame", form=Form.ZSTD, content_length=13
    )
    storage.index.relocate([Move(instance.blobs[0], old, new)])
    assert verified(storage, full=False) == []
    (sentence,) = verified(storage, full=True)
    assert f"{instance.blobs[0].hex()} in pack {new.pack:016x}: " in sentence
    assert "it does not decode" in sentence


@pytest.mark.parametrize("hashed", [False, True])
def test_a_file_that_does_not_come_back_is_found(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, hashed: bool
) -> None:
    """As a fault in the cutting of files would leave it: every content whole, the file not."""
    honest = land(storage, [b"0123456789"], hashed=hashed)
    manifest = storage.index.manifest
    wrong = replace(honest, holes=(honest.holes[0] + 1,))

    def shifted(key: object) -> object:
        return replace(manifest(key), instances=(wrong,))  # type: ignore[arg-type]

    monkeypatch.setattr(storage.index, "manifest", shifted)
    (sentence,) = verified(storage)
    assert honest.file_digest.hex() in sentence
    assert f"instance {honest.instance_uid}: its file, put together, has SHA-256" in sentence


def test_a_file_of_another_length_than_was_received_is_found(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = land(storage, [b"0123456789"])
    manifest = storage.index.manifest
    wrong = replace(honest, file_length=honest.file_length + 1)

    def longer(key: object) -> object:
        return replace(manifest(key), instances=(wrong,))  # type: ignore[arg-type]

    monkeypatch.setattr(storage.index, "manifest", longer)
    (sentence,) = verified(storage)
    assert f"has {honest.file_length} bytes, received were {wrong.file_length}" in sentence


def test_what_is_deleted_or_moved_meanwhile_is_no_fault(storage: Storage) -> None:
    instances = [
        land(storage, [compressible(1_000)], series=f"1.2.{n}", number=n) for n in range(6)
    ]
    index, blobs = storage.index, storage.blobs
    read = blobs.digest_at
    turn = iter(range(1_000))
    actions: dict[int, Callable[[], object]] = {
        2: lambda: index.delete(Scope("1.2", "1.2.5")),
        4: lambda: settle_all(storage),
        7: lambda: index.delete(Scope("1.2", "1.2.0")),
    }

    def meddling(place: Place) -> Digest:
        actions.get(next(turn), lambda: None)()
        return read(place)

    blobs.digest_at = meddling  # type: ignore[method-assign]
    assert verified(storage, full=False) == []
    assert {one.instance_uid for one in instances if index.instance(one.instance_uid)} == {
        one.instance_uid for one in instances[1:5]
    }


def test_instances_deleted_while_their_files_are_read_are_no_fault(storage: Storage) -> None:
    instances: list[Instance] = [
        land(storage, [compressible(1_000)], series=f"1.2.{n}", number=n) for n in range(6)
    ]
    gone: set[str] = set()

    def deleting(done: int, _: int) -> None:
        if done == 2:
            for one in instances[2:5]:
                storage.index.delete(Scope("1.2", one.series_uid))
                gone.add(one.series_uid)
            settle_all(storage)

    sentences: list[str] = []
    report = verify(
        storage,
        full=True,
        sweep=False,
        decode=decode,
        report=sentences.append,
        progress=deleting,
    )
    assert sentences == []
    assert report.instances <= 6


def test_a_sweep_removes_what_crashes_left(on_disk: Storage, tmp_path: Path) -> None:
    kept = land(on_disk, [compressible(1_000)])
    settle_all(on_disk)
    # Bytes that were appended and never referred to, as kill -9 before the transaction leaves them.
    on_disk.blobs.append(digest_of(b"lost"), b"lost", form=Form.RAW, content_length=4)
    on_disk.blobs.roll()
    stale, fresh = on_disk.incoming / "stale", on_disk.incoming / "fresh"
    for file in (stale, fresh):
        file.write_bytes(b"an upload")
    os.utime(stale, (time.time() - 7200,) * 2)
    assert verified(on_disk, full=False) == []
    assert len(on_disk.blobs.packs()) == 2
    report = verify(on_disk, full=True, sweep=True, decode=decode, report=print)
    assert (report.problems, report.packs_removed, report.files_removed) == (0, 1, 1)
    assert [*on_disk.incoming.iterdir()] == [fresh]
    assert [info.landing for info in on_disk.blobs.packs()] == [False]
    assert on_disk.index.instance(kept.instance_uid) == kept
    assert verified(on_disk) == []


def test_a_sweep_touches_no_pack_somebody_appends_to(on_disk: Storage, tmp_path: Path) -> None:
    other = PackStore(next(tmp_path.rglob("packs")).parent)
    content = b"of another process"
    place = other.append(digest_of(content), content, form=Form.RAW, content_length=len(content))
    report = verify(on_disk, full=False, sweep=True, decode=decode, report=print)
    assert report.packs_removed == 0
    assert other.read(place) == content
    other.close()
