"""The two contracts of storage, with every promise that callers rely on.

`storage/testing/` holds the suites that check these promises; each engine inherits them.
`storage/memory.py` keeps them in dicts and is the executable specification.

The one order of writing: payloads are appended, made durable by `BlobStore.sync`, and only then
is the one index transaction committed that makes them exist. A crash in between leaves bytes nobody
refers to, which `verify` sweeps. So a place that the index gives out always holds its payload.

The one order of removing: `BlobStore.remove` sees that nobody appends to a pack and lets nobody
begin to, `Index.retire` says that nothing refers to it and that nothing ever will, and only then is
it taken away. So what was appended but not yet applied cannot lose its pack unnoticed, however long
it takes, and nobody appends to a pack that is given up.

Every method may be called from any thread. Nothing returned refers to memory of the engine.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from storage.model import (
    Applied,
    Buffer,
    Change,
    ConflictPolicy,
    Counts,
    Deleted,
    Digest,
    Form,
    Instance,
    Landed,
    Move,
    PackInfo,
    PackUse,
    Page,
    Place,
    Query,
    Revision,
    Scope,
    SeriesKey,
    SeriesManifest,
    SeriesMetadata,
)


class PackWriter(Protocol):
    """Writes one new pack from end to end, in the order of the calls."""

    def append(self, digest: Digest, payload: Buffer, *, form: Form, content_length: int) -> Place:
        """Appends a payload; its place may be used once `sync` or `seal` has returned."""

    def sync(self) -> None:
        """Everything appended so far is durable on return."""

    def seal(self) -> None:
        """Durable, and nothing is appended ever after."""


class BlobStore(Protocol):
    """Payloads in append-only packs."""

    def append(self, digest: Digest, payload: Buffer, *, form: Form, content_length: int) -> Place:
        """Appends a payload to a landing pack of this process.

        It may be read at once but is durable only after `sync`. Raises OutOfSpace, and then the
        pack holds nothing of it that a later append could be confused by.
        """

    def sync(self) -> None:
        """All that any thread of this process appended before the call is durable on return."""

    def begin_sync(self, *, least_bytes: int = 0) -> None:
        """Begins what `sync` does where that saves its caller a wait, and returns at once; nothing
        when fewer bytes wait for it. What goes wrong is for `sync` to say, which has to be called
        all the same."""

    def read(self, place: Place) -> bytes:
        """The payload at `place`, its checksum compared.

        Raises NotFound when the pack is gone (look the place up again: it has moved) and
        Corrupt when the bytes differ from what was written.
        """

    def read_into(self, place: Place, buffer: memoryview) -> None:
        """As `read`, into a buffer of `place.length` bytes; what is in it when something is raised
        is not said."""

    def read_ready(self, place: Place) -> Buffer | None:
        """As `read`, when that needs no wait for a disk; else None. Never blocks."""

    def read_part(self, place: Place, offset: int, length: int) -> bytes:
        """Bytes [offset, offset + length) of the payload, checksum not compared.
        Raises NotFound, and ValueError when the range leaves the payload."""

    def new_pack(self) -> AbstractContextManager[PackWriter]:
        """A pack for what is written in order. Leaving the context seals it; when it is left by an
        exception the pack stays as it is, for what of it the index already refers to."""

    def pending(self) -> AbstractContextManager[None]:
        """What is appended within the context is about to be applied: none of the packs it went
        to counts as sealed before the context is left, so nobody gives them up, however long it
        takes and however many packs it fills. Append and apply in one such context."""

    def roll(self, *, idle_s: float = 0.0) -> None:
        """Seals this process's landing pack: what is appended next begins another. Nothing
        happens when something was appended in the last `idle_s` seconds; within `pending` the
        pack is sealed when that is left."""

    def packs(self) -> Sequence[PackInfo]:
        """All packs, by number. A pack whose writer died counts as sealed."""

    def scan(self, pack: int) -> Iterator[tuple[Digest, Place]]:
        """Every whole payload of a pack in order of offset, whether referred to or not. Bytes that
        are no record, as a crash between concurrent appends leaves them, are passed over.
        Raises NotFound."""

    def digest_at(self, place: Place) -> Digest:
        """The digest of the content whose payload was written at `place`, the payload itself
        unread. Raises NotFound when the pack is gone and Corrupt when nothing like `place` was
        written there."""

    def remove(self, pack: int, *, given_up: Callable[[], bool]) -> bool:
        """Removes a pack, if it is given up; readers that have begun finish.

        given_up  `Index.retire` of the pack: asked while nobody can begin to append to it

        True when the pack is gone, also when it was before. Raises InUse while a living process
        appends to it.
        """

    def close(self) -> None: ...


class Index(Protocol):
    """What is stored, where, and how it is found.

    What changes it raises OutOfSpace, and Unavailable when it is closed or another index has been
    put in its place; nothing was changed then.
    """

    def apply(self, batch: Sequence[Landed], *, conflict: ConflictPolicy) -> list[Applied]:
        """Makes instances exist; the answers are in the order of the batch.

        On return all that the answers say is durable, and every process reads it. Each instance is
        applied whole or not at all, and one that is refused hinders no other. The blob store is
        synced before the transaction is committed. Calls that wait together are committed together.
        Two instances of one batch with the same UID are applied one after the other.
        """

    def delete(self, scope: Scope) -> Deleted:
        """Removes a study, series or instance, earlier versions included. Durable on return.
        Contents that nothing refers to any more cease to exist. Raises NotFound."""

    def revise(self, revision: Revision) -> bool:
        """Makes a study what the revision says, all of it in one transaction, durable on return;
        False, and nothing done, when the study or a series is no longer as it was read, or a
        content is not there: read again, and try again.

        Each instance that differs is a change in the feed (EDITED) and a new version of its study
        and series; what only says something else of itself is none. A study that is left without
        series ceases to exist. Raises NotFound for a series that is not stored.
        """

    def notes(self, *, after: str, limit: int) -> list[tuple[str, bytes]]:
        """What revisions noted, by name, behind the name `after`."""

    def relocate(self, moves: Sequence[Move]) -> int:
        """Lets contents lie at their new places, as one transaction; returns how many moved.

        A move whose content has been deleted, or no longer lies at `old`, is passed over. The
        caller has made the new payloads durable.
        """

    def compact(self, key: SeriesKey) -> None:
        """Folds the rows of a series and its manifest, if any, into one new manifest with the
        series' metadata as one zstd frame. What readers see does not change, versions included.
        Raises NotFound."""

    def known(self, digests: Iterable[Digest]) -> set[Digest]:
        """Those of the digests whose contents are stored."""

    def places(self, digests: Sequence[Digest]) -> list[Place]:
        """Where the contents lie, in the order asked. Raises NotFound naming the first unknown."""

    def instance(self, instance_uid: str) -> Instance | None:
        """The instance with that SOP Instance UID, whichever study it is in."""

    def versions(self, instance_uid: str) -> list[Instance]:
        """Earlier versions kept of an instance, oldest first; the present one is not among them."""

    def version_of(self, key: SeriesKey) -> int:
        """The series' version: cheap, for asking whether what one holds is still current.
        Raises NotFound."""

    def moment(self) -> int:
        """What lies between two equal moments is nothing: no process has written to the index in
        between. For keeping what was asked of it; cheaper than any question. An engine that
        cannot tell gives a new one each time."""

    def series_of(self, study_uid: str) -> list[SeriesKey]:
        """The series of a study in order (Series Number, then UID). Raises NotFound."""

    def manifest(self, key: SeriesKey) -> SeriesManifest:
        """Raises NotFound."""

    def metadata(self, key: SeriesKey) -> SeriesMetadata:
        """Raises NotFound."""

    def example(self, key: SeriesKey) -> bytes:
        """The DICOM JSON object of one instance of a series, however many it has read at once: for
        what all its instances say alike. Raises NotFound."""

    def find(self, query: Query) -> Page:
        """The rows that match, as the query's docstring orders them. Reads one moment's state.

        Raises BadCursor."""

    def changes(self, *, after: int, limit: int) -> list[Change]:
        """The changes with sequence numbers above `after`, ascending, at most `limit`."""

    def last_change(self) -> int:
        """The sequence number of the last change; 0 before the first. Cheap."""

    def unsettled(self, *, quiet_since_us: int, limit: int) -> list[SeriesKey]:
        """Series that changed since they were last compacted, but not since `quiet_since_us`, the
        longest quiet first. `compact` takes a series off this list, any change puts it back."""

    def pack_use(self) -> Mapping[int, PackUse]:
        """By pack, what the index refers to; packs it does not refer to are absent."""

    def retire(self, pack: int) -> bool:
        """Gives a pack up when nothing refers to it; False when something does. Durable on return.

        From then on nothing can: `apply` answers MISSING_CONTENT to an instance with a place in a
        retired pack, `relocate` passes such a move over.
        """

    def blobs(self) -> Iterator[tuple[Digest, Place, int]]:
        """Every content with its place and its count of references, by digest. Holds no
        transaction between two steps: contents stored or deleted meanwhile may be missed."""

    def counts(self) -> Counts: ...

    def lease(self, name: str, holder: str, *, ttl_s: float) -> bool:
        """Takes or renews the lease `name` for `holder`; False while another holds it, whose
        process lives as far as can be told (`holders`)."""

    def release(self, name: str, holder: str) -> None:
        """Gives the lease back when `holder` has it."""

    def warm(self, stop: Callable[[], bool]) -> int:
        """Brings what searches read into memory, as far as there is some that nobody needs, until
        `stop` says so; the bytes read. Raises OSError."""

    def check(self, report: Callable[[str], None]) -> None:
        """Compares everything the index keeps twice (counts, references, searches' terms,
        UIDs, ranks) and reports each difference as a sentence."""

    def close(self) -> None: ...
