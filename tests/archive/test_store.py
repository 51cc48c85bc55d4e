"""Storing: what each part comes to, and that one never spoils another."""

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dicomweb_server.access.caller import EVERYTHING, Caller
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.delete import delete
from dicomweb_server.archive.retrieve import InstanceFile, instance
from dicomweb_server.archive.spool import MEMORY_BYTES, Spool
from dicomweb_server.archive.store import BESIDE_BYTES, Outcome, Received, Refusal, store
from dicomweb_server.dicom.describe import Description, describe
from dicomweb_server.dicom.source import BytesSource, Source
from storage.errors import OutOfSpace, Unavailable
from storage.model import (
    Applied,
    Buffer,
    ConflictPolicy,
    Digest,
    Form,
    Landed,
    Place,
    Scope,
    Stored,
)
from tests.dicom.build import INSTANCE_UID, SERIES_UID, STUDY_UID, part10

Keep = Callable[..., list[Outcome]]
SCOPE = Scope(STUDY_UID, SERIES_UID, INSTANCE_UID)


def received(archive: Archive, scope: Scope = SCOPE) -> bytes:
    file = InstanceFile(archive, instance(archive, scope))
    return b"".join(file.chunks())


def test_a_new_instance_is_kept_bit_for_bit(archive: Archive, keep: Keep) -> None:
    file = part10(rows=4, columns=5, frames=3)
    (outcome,) = keep(file)
    assert outcome.stored is Stored.NEW
    assert (outcome.study_uid, outcome.series_uid) == (STUDY_UID, SERIES_UID)
    assert outcome.instance_uid == INSTANCE_UID
    assert received(archive) == file


def test_all_who_see_an_archive_have_its_attributes_and_limits(archive: Archive) -> None:
    """A view is made for each request, and describing remembers by these very objects."""
    somebody = archive.seen_by(Caller("wang", EVERYTHING))
    assert somebody.attributes is archive.attributes
    assert somebody.limits is archive.limits


@pytest.mark.parametrize("wrong", ["a hole", "a byte"])
def test_what_was_cut_so_that_it_would_not_come_back_is_not_stored(
    archive: Archive, keep: Keep, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """As a fault of the program would leave it: nothing is acknowledged that cannot be rebuilt."""

    def cut_wrongly(source: Source, **named: Any) -> Description:
        found = describe(source, **named)
        if wrong == "a hole":
            return replace(found, holes=tuple(hole + 1 for hole in found.holes))
        return replace(found, skeleton=found.skeleton[:-1] + b"x")

    monkeypatch.setattr("dicomweb_server.archive.store.describe", cut_wrongly)
    (outcome,) = keep(part10(rows=4, columns=5))
    assert outcome.refusal is Refusal.FAILED
    assert archive.storage.index.counts().instances == 0


def test_the_same_file_again_is_a_duplicate_and_appends_nothing(
    archive: Archive, keep: Keep
) -> None:
    file = part10(rows=4, columns=5)
    keep(file)
    before = archive.storage.blobs.packs()
    (outcome,) = keep(file)
    assert outcome.stored is Stored.DUPLICATE
    assert outcome.instance_uid == INSTANCE_UID
    assert archive.storage.blobs.packs() == before


def test_the_same_data_set_under_another_header_is_a_duplicate(
    archive: Archive, keep: Keep
) -> None:
    file = part10(rows=4, columns=5)
    keep(file)
    before = archive.storage.blobs.packs()
    (outcome,) = keep(b"another preamble".ljust(128, b".") + file[128:])
    assert outcome.stored is Stored.DUPLICATE
    assert archive.storage.blobs.packs() == before
    assert received(archive) == file


def test_other_content_under_a_stored_uid_is_refused_by_default(
    archive: Archive, keep: Keep
) -> None:
    file = part10(PatientName="Doe^Jane")
    keep(file)
    (outcome,) = keep(part10(PatientName="Doe^John"))
    assert outcome.stored is None
    assert outcome.refusal is Refusal.CONFLICT
    assert INSTANCE_UID in outcome.comment
    assert received(archive) == file


def test_other_content_replaces_what_is_stored_when_the_policy_says_so(
    archive: Archive, keep: Keep
) -> None:
    keep(part10(PatientName="Doe^Jane"))
    second = part10(PatientName="Doe^John")
    (outcome,) = keep(second, conflict="replace")
    assert outcome.stored is Stored.REPLACED
    assert received(archive) == second
    assert archive.storage.index.versions(INSTANCE_UID) == []


def test_other_content_becomes_a_version_when_the_policy_says_so(
    archive: Archive, keep: Keep
) -> None:
    first = part10(PatientName="Doe^Jane")
    second = part10(PatientName="Doe^John")
    keep(first)
    (outcome,) = keep(second, conflict="keep-both-versions")
    assert outcome.stored is Stored.VERSIONED
    assert received(archive) == second
    (earlier,) = archive.storage.index.versions(INSTANCE_UID)
    assert b"".join(InstanceFile(archive, earlier).chunks()) == first


@pytest.mark.parametrize("before", [False, True])
def test_ps3_18_10_5_1_1_a_request_to_a_study_refuses_instances_of_others(
    keep: Keep, before: bool
) -> None:
    file = part10()
    if before:
        keep(file)
    (outcome,) = keep(file, study_uid="1.2.3")
    assert outcome.refusal is Refusal.WRONG_STUDY
    assert STUDY_UID in outcome.comment and "1.2.3" in outcome.comment
    (outcome,) = keep(file, study_uid=STUDY_UID)
    assert outcome.stored in (Stored.NEW, Stored.DUPLICATE)


def test_one_bad_part_spoils_none_of_its_neighbours(keep: Keep) -> None:
    good = [part10(instance_uid=f"{SERIES_UID}.{n}", rows=2, columns=2) for n in range(3)]
    outcomes = keep(
        good[0],
        b"no DICOM at all " * 40,
        good[1],
        good[2][:-3],
        part10(without=["StudyInstanceUID"]),
    )
    assert [each.stored for each in outcomes] == [Stored.NEW, None, Stored.NEW, None, None]
    assert [each.refusal for each in outcomes] == [
        None,
        Refusal.NOT_DICOM,
        None,
        Refusal.MALFORMED,
        Refusal.MALFORMED,
    ]
    assert all(each.comment for each in outcomes if each.refusal)
    assert "(0020,000D)" in outcomes[4].comment


def test_a_header_over_the_limit_is_refused_as_too_large(archive: Archive) -> None:
    small = Archive(archive.storage, replace(archive.config, max_header_bytes=65536))
    long = "x" * 60_000
    file = part10(PatientComments=long, VisitComments=long, ImageComments=long, StudyComments=long)
    (outcome,) = store(small, [Received(BytesSource(file), "")])
    assert outcome.refusal is Refusal.TOO_LARGE
    assert "65536" in outcome.comment


def test_a_mistake_of_ours_fails_one_part_and_is_logged(
    keep: Keep, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(source: Any, **limits: Any) -> Any:
        if source.length % 2 == 1:
            raise ZeroDivisionError("a mistake")
        return describe(source, **limits)

    monkeypatch.setattr("dicomweb_server.archive.store.describe", failing)
    good = part10()
    failed, kept = keep(good + b"\0", good)
    assert failed.refusal is Refusal.FAILED
    assert "ZeroDivisionError" in failed.comment
    assert kept.stored is Stored.NEW
    assert "a mistake" in caplog.text


def test_two_parts_with_one_uid_are_stored_one_after_the_other(keep: Keep) -> None:
    file, other = part10(), part10(PatientName="Doe^John")
    outcomes = keep(file, file, other)
    assert [each.stored for each in outcomes] == [Stored.NEW, Stored.DUPLICATE, None]
    assert outcomes[2].refusal is Refusal.CONFLICT


def test_an_instance_stored_in_another_series_is_misplaced(keep: Keep) -> None:
    keep(part10())
    (outcome,) = keep(part10(series_uid="1.2.3.4"))
    assert outcome.refusal is Refusal.MISPLACED
    assert STUDY_UID in outcome.comment and SERIES_UID in outcome.comment


def test_a_series_stored_in_another_study_is_misplaced(keep: Keep) -> None:
    keep(part10())
    (outcome,) = keep(part10(study_uid="1.2.3.4", instance_uid="1.2.3.4.5"))
    assert outcome.refusal is Refusal.MISPLACED
    assert SERIES_UID in outcome.comment


def test_equal_frames_are_kept_once(archive: Archive, keep: Keep) -> None:
    pixels = bytes(range(200)) * 4
    for n in range(3):
        keep(
            part10(
                instance_uid=f"{SERIES_UID}.{n}", rows=20, columns=20, pixel_data=pixels, frames=1
            )
        )
    counts = archive.storage.index.counts()
    assert counts.instances == 3
    assert counts.blobs == 3 + 1  # each skeleton, and the frame


def test_what_came_over_the_disk_is_the_same_as_what_came_in_memory(archive: Archive) -> None:
    file = part10(rows=1024, columns=1024, frames=4)
    assert len(file) > MEMORY_BYTES
    with Spool(archive.storage.incoming, limit_bytes=len(file)) as spool:
        for at in range(0, len(file), 100_000):
            spool.write(file[at : at + 100_000])
        source = spool.finish()
        assert not isinstance(source, BytesSource)
        (outcome,) = store(archive, [Received(source, "a test")])
    assert outcome.stored is Stored.NEW
    assert received(archive) == file
    (again,) = store(archive, [Received(BytesSource(file), "a test")])
    assert again.stored is Stored.DUPLICATE


def large(number: int, *, seed: int | None = None) -> bytes:
    """An instance that is hashed and appended beside others."""
    pixels = random.Random(number if seed is None else seed).randbytes(2 * 300 * 400)
    file = part10(instance_uid=f"1.2.{number}", rows=300, columns=400, pixel_data=pixels)
    assert len(file) > BESIDE_BYTES
    return file


def test_large_parts_together_each_come_back_and_what_they_share_is_kept_once(
    archive: Archive, keep: Keep
) -> None:
    files = [large(n, seed=n // 2) for n in range(12)]
    small = [part10(instance_uid=f"1.3.{n}", rows=4, columns=n + 1) for n in range(12)]
    mixed = [file for pair in zip(files, small, strict=True) for file in pair]

    outcomes = keep(*mixed)

    assert [outcome.stored for outcome in outcomes] == [Stored.NEW] * 24
    expected = [uid for n in range(12) for uid in (f"1.2.{n}", f"1.3.{n}")]
    assert [outcome.instance_uid for outcome in outcomes] == expected
    for uid, file in zip(expected, mixed, strict=True):
        assert received(archive, Scope(STUDY_UID, SERIES_UID, uid)) == file
    counts = archive.storage.index.counts()
    assert counts.blobs == 24 + 6 + 12  # each skeleton, and the frames that differ
    written = sum(pack.length for pack in archive.storage.blobs.packs())
    assert written < counts.payload_bytes + 100_000, "a frame was appended twice"


def test_of_large_parts_with_one_uid_the_first_is_stored(archive: Archive, keep: Keep) -> None:
    outcomes = keep(large(1), large(2), large(1, seed=3), large(1))

    assert [outcome.stored for outcome in outcomes] == [
        Stored.NEW,
        Stored.NEW,
        None,
        Stored.DUPLICATE,
    ]
    assert outcomes[2].refusal is Refusal.CONFLICT
    assert received(archive, Scope(STUDY_UID, SERIES_UID, "1.2.1")) == large(1)


# ---------------------------------------------------------------- storage that is not as wished


class Blobs:
    """A blob store that is full after `room` appends."""

    def __init__(self, inner: Any, room: int) -> None:
        self._inner = inner
        self.room = room

    def append(self, digest: Digest, payload: Buffer, *, form: Form, content_length: int) -> Place:
        if self.room == 0:
            raise OutOfSpace("the disk of the test")
        self.room -= 1
        place: Place = self._inner.append(digest, payload, form=form, content_length=content_length)
        return place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_full_disk_refuses_the_parts_that_did_not_fit(archive: Archive) -> None:
    full = replace(archive.storage, blobs=Blobs(archive.storage.blobs, room=3))
    files = [part10(instance_uid=f"1.2.{n}", rows=2, columns=2, frames=n) for n in (1, 2)]
    first, second = store(
        Archive(full, archive.config), [Received(BytesSource(each), "") for each in files]
    )
    assert first.stored is Stored.NEW
    assert second.refusal is Refusal.OUT_OF_SPACE
    assert second.instance_uid == "1.2.2"
    assert "the disk of the test" in second.comment


def test_a_full_disk_refuses_of_large_parts_those_that_did_not_fit(archive: Archive) -> None:
    full = replace(archive.storage, blobs=Blobs(archive.storage.blobs, room=7))
    files = [large(n) for n in range(6)]

    outcomes = store(
        Archive(full, archive.config), [Received(BytesSource(file), "") for file in files]
    )

    stored = [n for n, outcome in enumerate(outcomes) if outcome.stored is Stored.NEW]
    refused = [n for n, outcome in enumerate(outcomes) if outcome.refusal is Refusal.OUT_OF_SPACE]
    assert len(stored) in (2, 3)
    assert sorted(stored + refused) == list(range(6))
    for number in stored:
        scope = Scope(STUDY_UID, SERIES_UID, f"1.2.{number}")
        assert received(archive, scope) == files[number]


def test_packs_that_cannot_be_written_break_the_request_whoever_meets_it(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def broken(*_: object, **__: object) -> Place:
        threads.append(threading.current_thread().name)
        raise Unavailable("the test said so", retry_after_s=2)

    monkeypatch.setattr(archive.storage.blobs, "append", broken)
    for _ in range(20):
        with pytest.raises(Unavailable, match="the test said so"):
            store(archive, [Received(BytesSource(large(n)), "") for n in range(3)])

    assert any(name.startswith("beside") for name in threads)
    assert archive.storage.index.counts().instances == 0


class Index:
    """An index whose answers to `known`, or whose `apply`, the test decides."""

    def __init__(self, inner: Any, archive: Archive) -> None:
        self._inner = inner
        self._archive = archive
        self.overtaken = False
        self.down = False
        self.gone = False

    def known(self, digests: Iterable[Digest]) -> set[Digest]:
        found: set[Digest] = self._inner.known(digests)
        if not self.overtaken:
            # Between the look and the transaction, somebody deletes what was found.
            self.overtaken = True
            delete(self._archive, Scope(STUDY_UID))
        return found

    def apply(self, batch: Sequence[Landed], *, conflict: ConflictPolicy) -> list[Applied]:
        if self.down:
            raise Unavailable("the test said so", retry_after_s=2)
        if self.gone:
            return [Applied(Stored.MISSING_CONTENT) for _ in batch]
        applied: list[Applied] = self._inner.apply(batch, conflict=conflict)
        return applied

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_content_that_is_deleted_meanwhile_is_appended_again(
    archive: Archive, keep: Keep
) -> None:
    keep(part10(rows=8, columns=8))
    other = part10(study_uid="1.2", series_uid="1.2.3", instance_uid="1.2.3.4", rows=8, columns=8)
    racing = replace(archive.storage, index=Index(archive.storage.index, archive))
    (outcome,) = store(Archive(racing, archive.config), [Received(BytesSource(other), "")])
    assert outcome.stored is Stored.NEW
    assert received(archive, Scope("1.2", "1.2.3", "1.2.3.4")) == other


def test_what_a_deletion_overtakes_again_is_refused_and_logged(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    index = Index(archive.storage.index, archive)
    index.overtaken = index.gone = True
    down = Archive(replace(archive.storage, index=index), archive.config)
    (outcome,) = store(down, [Received(BytesSource(part10()), "")])
    assert outcome.refusal is Refusal.FAILED
    assert "send it again" in outcome.comment
    assert [INSTANCE_UID in record.getMessage() for record in caplog.records] == [True]


def test_a_landing_pack_that_was_given_up_is_followed_by_another(
    archive: Archive, keep: Keep
) -> None:
    keep(part10(rows=8, columns=8))
    (landing,) = archive.storage.blobs.packs()
    delete(archive, Scope(STUDY_UID))
    assert archive.storage.index.retire(landing.pack)
    for number in range(3):
        sent = part10(instance_uid=f"1.2.3.{number}", rows=8, columns=8)
        (outcome,) = store(archive, [Received(BytesSource(sent), "")])
        assert outcome.stored is Stored.NEW
    assert len(archive.storage.blobs.packs()) == 2


def test_an_index_that_cannot_write_now_breaks_the_request_not_the_part(archive: Archive) -> None:
    index = Index(archive.storage.index, archive)
    index.down = index.overtaken = True
    down = Archive(replace(archive.storage, index=index), archive.config)
    with pytest.raises(Unavailable):
        store(down, [Received(BytesSource(part10()), "")])
    assert archive.storage.index.counts().instances == 0
