"""Verification: the invariants of LAYOUT.md, checked on what is on the disk now.

Quick, it reads the index, the list of packs and the header of every record. Full, it also reads
every payload, decodes it, compares its SHA-256 with its digest, and puts every received file
together again to compare that one's. A server may go on meanwhile: what looks wrong is looked at
again before it is said.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from storage.engines import Storage
from storage.errors import Corrupt, NotFound, StorageError
from storage.model import (
    Digest,
    Instance,
    Place,
    Query,
    QueryLevel,
    SeriesKey,
)
from storage.rewriting import places_of, remove_dead_packs
from storage.settle import Decode

STALE_S = 3600.0
"""A file in `incoming` that nobody has written to for so long has lost its upload."""

_SERIES_AT_A_TIME = 256
_CONTENTS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was looked at and what was found.

    problems       how many sentences were reported; 0 is a sound archive
    contents       whose record was found where the index says
    instances      whose file was put together and compared; 0 unless `full`
    bytes_read     of payloads; 0 unless `full`
    packs_removed  that nothing referred to, `bytes_freed` long; 0 unless `sweep`
    files_removed  that uploads left behind; 0 unless `sweep`
    """

    problems: int
    contents: int
    instances: int
    bytes_read: int
    packs_removed: int
    bytes_freed: int
    files_removed: int


def nowhere(done: int, total: int) -> None:
    """A progress that nobody watches."""


def verify(
    storage: Storage,
    *,
    full: bool,
    sweep: bool,
    decode: Decode,
    report: Callable[[str], None],
    progress: Callable[[int, int], None] = nowhere,
) -> VerifyReport:
    """Checks every invariant of LAYOUT.md that can be checked while the archive is in use.

    full      also every byte: contents against their digests, files against their SHA-256
    sweep     also removes what crashes left: packs nothing refers to, files of lost uploads
    report    is told each fault as a sentence
    progress  is told how many instances are done and how many there are, while `full`

    Memory is bounded by the largest content and the largest manifest.
    """
    checker = _Checker(storage, decode, report)
    storage.index.check(checker.fault)
    checker.records()
    if full:
        checker.files(progress)
    removed = removed_bytes = files = 0
    if sweep:
        removed, removed_bytes = remove_dead_packs(storage, idle_s=0)
        files = _remove_stale_files(storage)
    return VerifyReport(
        problems=checker.problems,
        contents=checker.contents,
        instances=checker.instances,
        bytes_read=checker.bytes_read,
        packs_removed=removed,
        bytes_freed=removed_bytes,
        files_removed=files,
    )


def _remove_stale_files(storage: Storage) -> int:
    removed = 0
    for file in storage.incoming.iterdir():
        with suppress(FileNotFoundError):
            if file.is_file() and time.time() - file.stat().st_mtime > STALE_S:
                file.unlink()
                removed += 1
    return removed


class _Checker:
    """Counts what it looks at and says what is wrong with it."""

    def __init__(self, storage: Storage, decode: Decode, report: Callable[[str], None]) -> None:
        self.problems = 0
        self.contents = 0
        self.instances = 0
        self.bytes_read = 0
        self._index = storage.index
        self._blobs = storage.blobs
        self._decode = decode
        self._report = report

    def fault(self, sentence: str) -> None:
        self.problems += 1
        self._report(sentence)

    def records(self) -> None:
        """Every content's place holds a record that was written for it."""
        missing: Counter[int] = Counter()
        for digest, place, _ in self._index.blobs():
            try:
                self._record(digest, place)
            except NotFound:
                missing[place.pack] += 1
            except StorageError as error:
                self.fault(f"content {digest.hex()}: {error}")
            else:
                self.contents += 1
        for pack, contents in sorted(missing.items()):
            self.fault(f"pack {pack:016x} is not there, and {contents} contents lie in it")

    def _record(self, digest: Digest, place: Place) -> None:
        while True:
            try:
                found = self._blobs.digest_at(place)
                if found == digest:
                    return
                raise Corrupt(
                    f"pack {place.pack:016x}",
                    f"the payload at byte {place.offset} was written for content {found.hex()}",
                )
            except StorageError:
                # Between the listing and the look it may have moved, or gone.
                now = places_of(self._index, [digest]).get(digest)
                if now is None:
                    return
                if now == place:
                    raise
                place = now

    def files(self, progress: Callable[[int, int], None]) -> None:
        """Every instance's file, and that of every earlier version, comes back bit for bit."""
        total = self._index.counts().instances
        for key in self._series():
            try:
                manifest = self._index.manifest(key)
            except NotFound:
                continue
            for present in manifest.instances:
                for instance in (present, *self._index.versions(present.instance_uid)):
                    self._file(instance)
                self.instances += 1
                progress(self.instances, total)

    def _series(self) -> Iterator[SeriesKey]:
        after: str | None = None
        while True:
            page = self._index.find(
                Query(level=QueryLevel.SERIES, limit=_SERIES_AT_A_TIME, after=after)
            )
            for row in page.rows:
                assert row.series, "asked for series"
                yield SeriesKey(row.study.study_uid, row.series.series_uid)
            if not page.more:
                return
            after = page.next

    def _file(self, instance: Instance) -> None:
        """Reads every content of an instance and puts its file together."""
        problems = self.problems
        hashed = not instance.known_by_parts
        file, length = hashlib.sha256(), 0
        try:
            for piece in self._pieces(instance):
                length += len(piece)
                if hashed:
                    file.update(piece)
        except NotFound as error:
            if self._still(instance):
                self.fault(f"instance {instance.instance_uid}: {error}")
            return
        if self.problems > problems:
            return
        if hashed and file.digest() != instance.file_digest:
            self.fault(
                f"instance {instance.instance_uid}: its file, put together, has SHA-256 "
                f"{file.hexdigest()}, received was {instance.file_digest.hex()}"
            )
        elif length != instance.file_length:
            self.fault(
                f"instance {instance.instance_uid}: its file, put together, has {length} bytes, "
                f"received were {instance.file_length}"
            )

    def _pieces(self, instance: Instance) -> Iterator[bytes]:
        """The instance's file in pieces, each content of it and all others read. Raises NotFound
        when one is not stored."""
        contents = self._contents(instance, (instance.skeleton, *instance.blobs))
        skeleton = next(contents)
        at = 0
        for hole, content in zip(instance.holes, contents, strict=False):
            yield skeleton[at:hole]
            yield content
            at = hole
        yield skeleton[at:]
        # Those beyond the holes are no part of the file, but are contents all the same.
        for _ in contents:
            pass

    def _still(self, instance: Instance) -> bool:
        uid = instance.instance_uid
        return instance in (self._index.instance(uid), *self._index.versions(uid))

    def _contents(self, instance: Instance, digests: Sequence[Digest]) -> Iterator[bytes]:
        """The contents in order; one that is damaged is reported, and comes empty. Raises NotFound
        when one is not stored."""
        for start in range(0, len(digests), _CONTENTS_AT_A_TIME):
            some = digests[start : start + _CONTENTS_AT_A_TIME]
            for digest, place in zip(some, self._index.places(some), strict=True):
                try:
                    yield self._content(digest, place)
                except NotFound:
                    raise
                except StorageError as error:
                    self.fault(
                        f"instance {instance.instance_uid}: content {digest.hex()} "
                        f"in pack {place.pack:016x}: {error}"
                    )
                    yield b""

    def _content(self, digest: Digest, place: Place) -> bytes:
        place, payload = self._read(digest, place)
        self.bytes_read += len(payload)
        name = f"the payload at byte {place.offset}"
        try:
            content = self._decode(place.form, payload, place.content_length)
        except Exception as error:
            # Whatever a codec raises on damage is what is to be reported here.
            raise Corrupt(name, f"it does not decode ({error})") from error
        found = hashlib.sha256(content)
        if found.digest() != digest:
            raise Corrupt(name, f"what it stands for has SHA-256 {found.hexdigest()}")
        return content

    def _read(self, digest: Digest, place: Place) -> tuple[Place, bytes]:
        """The payload, and where it lay. Raises NotFound when the content is not stored."""
        while True:
            try:
                return place, self._blobs.read(place)
            except (NotFound, Corrupt) as error:
                now = places_of(self._index, [digest]).get(digest)
                if now is None:
                    raise NotFound("content", digest.hex()) from None
                if now == place:
                    raise Corrupt(f"byte {place.offset}", str(error)) from error
                place = now
