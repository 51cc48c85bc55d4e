"""Storing: the one way in, for STOW-RS, C-STORE, import and what the server writes itself.

A batch of received files is described and hashed, the contents that are new are appended to the
blob store, and one index transaction makes all instances exist. What each part came to is a value;
one bad part spoils none of its neighbours (PS3.18 §10.5).

Describing is Python's; hashing and appending large contents is not, and is done beside it by
another thread: 50 CT slices in a request are stored an eighth faster, of 4 clients a twentieth.

The order of writing is that of storage/contract.py: a crash before the transaction leaves nothing
but bytes nobody refers to.
"""

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import Self

from dicomweb_server.access.caller import Act
from dicomweb_server.access.errors import Denied
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.describe import Content, Description, describe
from dicomweb_server.dicom.errors import (
    DicomError,
    NotDicom,
    TooLarge,
    UnsupportedClass,
    UnsupportedEncoding,
)
from dicomweb_server.dicom.source import BytesSource, Source
from storage.errors import NotFound, OutOfSpace, Unavailable
from storage.model import (
    Applied,
    Buffer,
    ConflictPolicy,
    Digest,
    Form,
    Instance,
    InstanceFacts,
    Landed,
    Place,
    Stored,
    parts_digest,
)

logger = logging.getLogger(__name__)

GROUP_PARTS = 64
"""Callers with many parts store them in groups of this many at most ..."""

GROUP_BYTES = 32 * 2**20
"""... and of this many bytes, a larger part alone: that is what bounds the memory of a batch."""

HOT_BYTES = 2**20
"""So much is described before it is landed, while it is in the processor's cache; less is not worth
letting others have the interpreter meanwhile."""

BESIDE_BYTES = 128 * 2**10
"""An instance of so many is landed by the other thread, when it is not the only one: hashing them
takes longer than waking it."""

WRITTEN_BYTES = 8 * 2**20
"""The disk begins to write so much of a group while the rest is read; by less it costs more CPU."""

PIECE_BYTES = 4 * 2**20
"""What is hashed or copied of a source on disk at a time."""


class Refusal(Enum):
    """Why a part was not stored. The edges have the numbers of the standard for these."""

    NOT_DICOM = "not DICOM"
    MALFORMED = "malformed"
    TOO_LARGE = "too large"
    UNSUPPORTED = "unsupported"
    UNSUPPORTED_CLASS = "unsupported SOP class"
    WRONG_STUDY = "wrong study"
    CONFLICT = "conflict"
    MISPLACED = "misplaced"
    OUT_OF_SPACE = "out of space"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Received:
    """One part.

    source     its bytes, readable until `store` has returned
    sender     who sent it
    study_uid  a part of another study is refused, when given (PS3.18 §10.5.1.1)
    """

    source: Source
    sender: str
    study_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one part came to: exactly one of `stored` and `refusal` is set.

    stored   NEW, DUPLICATE, REPLACED or VERSIONED
    comment  a sentence for people; empty when there is nothing to say
    coerced  True when what is stored is not in all what was sent (PS3.18 Table I.2-1, B000)
    The UIDs are None as far as the part could not be read.
    """

    stored: Stored | None = None
    refusal: Refusal | None = None
    comment: str = ""
    study_uid: str | None = None
    series_uid: str | None = None
    sop_class_uid: str | None = None
    instance_uid: str | None = None
    coerced: bool = False


def fits_group(parts: int, length: int) -> bool:
    """Whether so many parts of so many bytes are stored with one call; a part alone always is."""
    return parts <= GROUP_PARTS and length <= GROUP_BYTES


def store(archive: Archive, parts: Sequence[Received]) -> list[Outcome]:
    """Stores the parts that can be; the answers are in their order, durable on return.

    Who may draft reports but not store keeps what he says of images: measurements, key images,
    presentation states, of studies that are there.

    Raises storage.errors.Unavailable, and then nothing of the batch is stored.
    """
    archive.permit(Act.STORE, Act.DRAFT)
    return store_all([(archive, part) for part in parts])


def store_all(
    parts: Sequence[tuple[Archive, Received]],
    *,
    more: Callable[[], Sequence[tuple[Archive, Received]]] | None = None,
) -> list[Outcome]:
    """The same for parts of several senders, each with the archive as he sees it, who have been
    asked already whether they may store.

    more  gives the parts that came while those before were read, which are stored with them: a
          transaction takes as long as reading three small instances. Nothing more when it gives
          none
    """
    archives: list[Archive] = []
    outcomes: list[Outcome] = []
    coming = parts
    with ExitStack() as pending:
        landing: _Landing | None = None
        while coming:
            for archive, part in coming:
                archives.append(archive)
                read = _read(archive, len(outcomes), part)
                if isinstance(read, Outcome):
                    outcomes.append(read)
                    continue
                outcomes.append(Outcome(refusal=Refusal.FAILED))
                if landing is None:
                    # From the first append to the transaction no other process gives up the packs
                    # in between.
                    pending.enter_context(archive.storage.blobs.pending())
                    landing = pending.enter_context(_Landing(archive, outcomes))
                landing.add(read)
            coming = more() if more is not None else ()
        if landing is not None:
            landing.finish()
    for archive, outcome in zip(archives, outcomes, strict=True):
        if outcome.stored is not None and outcome.study_uid is not None:
            archive.stored(outcome.study_uid)
    return outcomes


def refused(error: Exception) -> Outcome:
    """The outcome of a part whose reading or writing raised `error`; logs what nobody expected."""
    if isinstance(error, OutOfSpace):
        return Outcome(refusal=Refusal.OUT_OF_SPACE, comment=str(error))
    if isinstance(error, UnsupportedClass):
        return Outcome(
            refusal=Refusal.UNSUPPORTED_CLASS,
            comment=str(error),
            sop_class_uid=error.sop_class_uid,
            instance_uid=error.instance_uid or None,
        )
    if isinstance(error, DicomError):
        reason = next((r for kind, r in _REFUSALS if isinstance(error, kind)), Refusal.MALFORMED)
        return Outcome(refusal=reason, comment=str(error))
    logger.error("a part could not be stored", exc_info=error)
    return Outcome(
        refusal=Refusal.FAILED, comment=f"the server failed on this part ({type(error).__name__})"
    )


_REFUSALS: tuple[tuple[type[DicomError], Refusal], ...] = (
    (NotDicom, Refusal.NOT_DICOM),
    (TooLarge, Refusal.TOO_LARGE),
    (UnsupportedEncoding, Refusal.UNSUPPORTED),
)


@dataclass(frozen=True, slots=True)
class _Read:
    """A part that may be stored, as far as it is described."""

    archive: Archive
    number: int
    part: Received
    description: Description


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A part on its way, hashed."""

    read: _Read
    instance: Instance


def _read(archive: Archive, number: int, part: Received) -> _Read | Outcome:
    try:
        description = describe(part.source, limits=archive.limits, attributes=archive.attributes)
        if part.study_uid not in (None, description.study_uid):
            comment = _wrong_study(description, part.study_uid)
            return _of(description, refusal=Refusal.WRONG_STUDY, comment=comment)
        return _denied(archive, description) or _Read(archive, number, part, description)
    except Unavailable:
        raise
    except Exception as error:
        return refused(error)


def _hashed(read: _Read) -> _Candidate | Outcome:
    try:
        instance = _instance(read.part, read.description)
        decided = _decided_already(read.archive, instance)
        return decided or _Candidate(read, instance)
    except Unavailable:
        raise
    except Exception as error:
        return refused(error)


_SAYS_OF_IMAGES = ("1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.11.")
"""What the UIDs of the storage SOP classes of structured reports, key object selections among them,
and of presentation states begin with (PS3.4 Table B.5-1)."""


def _denied(archive: Archive, description: Description) -> Outcome | None:
    """The refusal of what the caller may not store."""
    says = description.sop_class_uid.startswith(_SAYS_OF_IMAGES)
    if archive.permits(Act.STORE) or (says and _is_there(archive, description.study_uid)):
        return None
    try:
        # It is refused; asked all the same, so that the audit has it.
        archive.permit(Act.STORE)
    except Denied as error:
        comment = f"{error}, only what says something of the images of a study that is there"
        return _of(description, refusal=Refusal.DENIED, comment=comment)
    return None


def _is_there(archive: Archive, study_uid: str) -> bool:
    try:
        archive.storage.index.series_of(study_uid)
    except NotFound:
        return False
    return True


def _kept(archive: Archive, uid: str) -> list[Instance]:
    """The versions of an instance, the present one first."""
    present = archive.storage.index.instance(uid)
    if present is None:
        return []
    return [present, *archive.storage.index.versions(uid)]


def _decided_already(archive: Archive, instance: Instance) -> Outcome | None:
    """What the index would answer anyway, known before anything is appended for it."""
    kept = _kept(archive, instance.instance_uid)
    if not kept:
        return None
    existing = kept[0]
    # An edit may have moved it since: what was sent is stored all the same, as an earlier version.
    if any(each.dataset_digest == instance.dataset_digest for each in kept):
        return _of(instance, stored=Stored.DUPLICATE)
    if (existing.study_uid, existing.series_uid) != (instance.study_uid, instance.series_uid):
        return _answer(instance, Applied(Stored.MISPLACED, existing))
    if archive.conflict is ConflictPolicy.REFUSE:
        return _answer(instance, Applied(Stored.CONFLICT, existing))
    return None


class _Landing:
    """The parts of a batch that can be stored, on their way into packs and index; a context, which
    ends when nothing reads their sources any longer.

    outcomes  of all parts of the batch, where what became of these is put
    """

    def __init__(self, archive: Archive, outcomes: list[Outcome]) -> None:
        self._archive = archive
        self._outcomes = outcomes
        self._waiting: deque[_Read] = deque()
        self._waiting_bytes = 0
        self._beside: Future[None] | None = None
        self._landed: list[_Candidate] = []
        self._placing = Lock()
        self._placed: dict[Digest, Place | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.clear()
        # Something is there only when the batch has failed already.
        with suppress(Exception):
            self._hear_beside()

    def add(self, read: _Read) -> None:
        """Raises Unavailable, as do all of these."""
        length = read.part.source.length
        self._waiting.append(read)
        if self._beside is not None and not self._beside.done():
            return
        self._waiting_bytes += length
        beside = len(self._waiting) > 1 and length >= BESIDE_BYTES
        if not beside and self._waiting_bytes < HOT_BYTES:
            return
        self._waiting_bytes = 0
        if beside:
            self._hear_beside()
            self._beside = self._archive.beside.submit(self._land)
        else:
            self._land()

    def finish(self) -> None:
        """Applies all in one transaction, and once more what a deletion overtook."""
        self._land()
        self._hear_beside()
        overtaken = self._apply()
        if not overtaken:
            return
        # Every content is appended this time, so that no deletion can overtake it, and to another
        # pack, whatever the one before was given up for.
        self._placed.clear()
        self._archive.storage.blobs.roll()
        self._append(overtaken, known=frozenset())
        for candidate in self._apply():
            comment = "what it shares with other instances is being deleted; send it again"
            logger.error("%s could not be stored: %s", candidate.instance.instance_uid, comment)
            failed = _of(candidate.instance, refusal=Refusal.FAILED, comment=comment)
            self._outcomes[candidate.read.number] = failed

    def _hear_beside(self) -> None:
        """Returns when the other thread is done, or had not begun; raises what that raised."""
        beside, self._beside = self._beside, None
        if beside is not None and not beside.cancel():
            beside.result()

    def _land(self) -> None:
        """Hashes and appends what waits; by as many threads as call."""
        while group := self._take():
            candidates: list[_Candidate] = []
            for read in group:
                hashed = _hashed(read)
                if isinstance(hashed, Outcome):
                    self._outcomes[read.number] = hashed
                else:
                    candidates.append(hashed)
            digests = {digest for each in candidates for digest in _contents_of(each)}
            self._append(candidates, known=self._archive.storage.index.known(digests))

    def _take(self) -> list[_Read]:
        """What has waited longest: a large one, or some small ones."""
        group: list[_Read] = []
        length = 0
        with suppress(IndexError):
            while length < BESIDE_BYTES:
                group.append(self._waiting.popleft())
                length += group[-1].part.source.length
        return group

    def _append(self, candidates: Sequence[_Candidate], *, known: Set[Digest]) -> None:
        """Appends what is new of them. The disk begins to write it while more is read."""
        for candidate in candidates:
            try:
                self._append_new(candidate, known)
                self._landed.append(candidate)
            except Unavailable:
                raise
            except Exception as error:
                self._outcomes[candidate.read.number] = _failed(candidate.instance, error)
        self._archive.storage.blobs.begin_sync(least_bytes=WRITTEN_BYTES)

    def _append_new(self, candidate: _Candidate, known: Set[Digest]) -> None:
        """Appends the contents of a candidate that are neither known nor anybody's of the batch."""
        description, instance = candidate.read.description, candidate.instance
        if self._is_mine(instance.skeleton, known):
            self._place(instance.skeleton, description.skeleton, len(description.skeleton))
        for digest, content in zip(instance.blobs, description.contents, strict=True):
            if self._is_mine(digest, known):
                value = _value(candidate.read.part.source, description, content)
                self._place(digest, value, content.extent.length)

    def _is_mine(self, digest: Digest, known: Set[Digest]) -> bool:
        """Whether the caller is the one to append it."""
        with self._placing:
            if digest in known or digest in self._placed:
                return False
            self._placed[digest] = None
            return True

    def _place(self, digest: Digest, value: Buffer, content_length: int) -> None:
        # Landed as received: compressing is settling's work, when nobody waits for it.
        self._placed[digest] = self._archive.storage.blobs.append(
            digest, value, form=Form.RAW, content_length=content_length
        )

    def _places_of(self, candidate: _Candidate) -> dict[Digest, Place]:
        """Of its contents, those that were appended."""
        placed = ((digest, self._placed.get(digest)) for digest in _contents_of(candidate))
        return {digest: place for digest, place in placed if place is not None}

    def _apply(self) -> list[_Candidate]:
        """Those that a deletion has overtaken."""
        landed, self._landed = sorted(self._landed, key=lambda each: each.read.number), []
        if not landed:
            return []
        # The disk begins to write while the transaction is prepared.
        self._archive.storage.blobs.begin_sync()
        try:
            applied = self._archive.storage.index.apply(
                [Landed(_facts(each), self._places_of(each)) for each in landed],
                conflict=self._archive.conflict,
            )
        except OutOfSpace as error:
            for candidate in landed:
                self._outcomes[candidate.read.number] = _failed(candidate.instance, error)
            return []
        overtaken: list[_Candidate] = []
        for candidate, answer in zip(landed, applied, strict=True):
            if answer.outcome is Stored.MISSING_CONTENT:
                overtaken.append(candidate)
            else:
                self._outcomes[candidate.read.number] = _answer(candidate.instance, answer)
        return overtaken


def _contents_of(candidate: _Candidate) -> Iterator[Digest]:
    yield candidate.instance.skeleton
    yield from candidate.instance.blobs


def _instance(part: Received, description: Description) -> Instance:
    skeleton, dataset, contents = _digests(part.source, description)
    return Instance(
        study_uid=description.study_uid,
        series_uid=description.series_uid,
        instance_uid=description.instance_uid,
        sop_class_uid=description.sop_class_uid,
        transfer_syntax_uid=description.transfer_syntax_uid,
        number=description.number,
        file_digest=parts_digest(skeleton, description.holes, contents),
        file_length=part.source.length,
        dataset_digest=dataset,
        skeleton=skeleton,
        blobs=contents,
        holes=description.holes,
        frames=description.frames,
        pixels=description.pixels,
        received_us=time.time_ns() // 1000,
        source=part.sender,
    )


def _facts(candidate: _Candidate) -> InstanceFacts:
    description = candidate.read.description
    return InstanceFacts(
        instance=candidate.instance,
        study_level=description.study_level,
        series_level=description.series_level,
        instance_level=description.instance_level,
        rollup=description.rollup,
        metadata=description.metadata,
    )


def _digests(source: Source, description: Description) -> tuple[Digest, Digest, tuple[Digest, ...]]:
    """SHA-256 of the skeleton, the data set's digest (`Instance.dataset_digest`) and SHA-256 of
    each content, in one walk over the source.

    Contents enter the data set's digest as theirs, and so they do the file's: hashing the pixels
    again for each was a third of all the CPU that storing a CT slice took. That the parts make the
    file is proved here instead, while it is at hand: raises RuntimeError when they do not.
    """
    dataset = hashlib.sha256()
    contents: list[Digest] = []
    cuts: list[int] = []
    at = kept = 0
    same = True

    def keep(end: int) -> Iterator[Buffer]:
        """The source up to `end`, compared with what the skeleton has there."""
        nonlocal kept, same
        for piece in read_pieces(source, at, end):
            # As bytes: views are compared one byte after the other.
            same = same and description.skeleton[kept : kept + len(piece)] == bytes(piece)
            kept += len(piece)
            yield piece

    for _ in keep(description.dataset_offset):
        pass
    at = description.dataset_offset
    for content in description.contents:
        if content.inflated:
            value = _value(source, description, content)
            contents.append(Digest(hashlib.sha256(value).digest()))
            continue
        for piece in keep(content.extent.offset):
            dataset.update(piece)
        cuts.append(kept)
        at = content.extent.offset + content.extent.length
        part = hashlib.sha256()
        for piece in read_pieces(source, content.extent.offset, at):
            part.update(piece)
        contents.append(Digest(part.digest()))
        dataset.update(contents[-1])
    for piece in keep(source.length):
        dataset.update(piece)
    if not same or kept != len(description.skeleton) or tuple(cuts) != description.holes:
        raise RuntimeError(f"the parts of instance {description.instance_uid} do not make its file")
    # Where the contents were cut, so that no bytes between them can be taken for one of them.
    dataset.update(repr([cut - description.dataset_offset for cut in cuts]).encode())
    skeleton = Digest(hashlib.sha256(description.skeleton).digest())
    return skeleton, Digest(dataset.digest()), tuple(contents)


def read_pieces(source: Source, start: int, end: int) -> Iterator[Buffer]:
    """Bytes [start, end) of a source: at once when it is in memory, else some MiB at a time."""
    if isinstance(source, BytesSource):
        if end > start:
            yield memoryview(source.content)[start:end]
        return
    while start < end:
        piece = source.read_at(start, min(PIECE_BYTES, end - start))
        if not piece:
            raise OSError(f"the source ended at byte {start}, {end} were expected")
        yield piece
        start += len(piece)


def _value(source: Source, description: Description, content: Content) -> Buffer:
    """The bytes of a content: at most 64 MiB, see `describe`."""
    if content.inflated:
        assert description.inflated is not None
        source = description.inflated
    start, length = content.extent.offset, content.extent.length
    if isinstance(source, BytesSource):
        return memoryview(source.content)[start : start + length]
    return source.read_at(start, length)


def _answer(instance: Instance, applied: Applied) -> Outcome:
    match applied.outcome:
        case Stored.CONFLICT:
            comment = f"SOP Instance UID {instance.instance_uid} is stored with other content"
            return _of(instance, refusal=Refusal.CONFLICT, comment=comment)
        case Stored.MISPLACED:
            return _of(instance, refusal=Refusal.MISPLACED, comment=_misplaced(instance, applied))
        case Stored.REPLACED:
            return _of(instance, stored=Stored.REPLACED, comment="replaced what was stored before")
        case Stored.VERSIONED:
            comment = "what was stored before is kept as an earlier version"
            return _of(instance, stored=Stored.VERSIONED, comment=comment)
        case outcome:
            return _of(instance, stored=outcome)


def _misplaced(instance: Instance, applied: Applied) -> str:
    existing = applied.existing
    if existing is None or existing.instance_uid != instance.instance_uid:
        return f"Series Instance UID {instance.series_uid} is stored in another study"
    return (
        f"SOP Instance UID {instance.instance_uid} is stored in study {existing.study_uid}, "
        f"series {existing.series_uid}"
    )


def _wrong_study(description: Description, study_uid: str | None) -> str:
    return f"Study Instance UID is {description.study_uid}, the request stores to {study_uid}"


def _failed(instance: Instance, error: Exception) -> Outcome:
    outcome = refused(error)
    return _of(instance, refusal=outcome.refusal, comment=outcome.comment)


def _of(
    instance: Instance | Description,
    *,
    stored: Stored | None = None,
    refusal: Refusal | None = None,
    comment: str = "",
) -> Outcome:
    """The outcome of a part whose UIDs are known."""
    return Outcome(
        stored=stored,
        refusal=refusal,
        comment=comment,
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        sop_class_uid=instance.sop_class_uid,
        instance_uid=instance.instance_uid,
    )
