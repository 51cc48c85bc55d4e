"""The Index on LMDB: what is read. What is written goes through lmdb_writer and lmdb_transaction.

Each method is one short read transaction, everything it returns copied out. Any number of threads
and processes read and write at once; LAYOUT.md draws the tables.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from storage.errors import NotFound
from storage.lmdb_check import check_index
from storage.lmdb_environment import INITIAL_MAP_BYTES, Transaction, open_environment
from storage.lmdb_records import (
    ID_LENGTH,
    SERIES_VERSION,
    SeriesSays,
    SeriesState,
    StudyState,
    changes_of,
    content_of,
    instances_of,
    lookup_key,
    pack_of,
    sequence_key,
    series_key_of,
)
from storage.lmdb_rows import StudyRows
from storage.lmdb_search import find
from storage.lmdb_series import SeriesContent, beginning_with
from storage.lmdb_transaction import (
    COUNTERS,
    Writing,
    counter_of,
    form_counter,
    last_sequence,
    prepare,
    prepare_revision,
)
from storage.lmdb_upgrade import upgrade
from storage.lmdb_walks import StudyWalks
from storage.lmdb_writer import LmdbWriter
from storage.model import (
    Applied,
    Change,
    ConflictPolicy,
    Counts,
    Deleted,
    Digest,
    Form,
    Instance,
    Landed,
    Move,
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
from storage.searching import series_number
from storage.warming import warm

BLOBS_A_STEP = 1000


class LmdbIndex:
    """`Index` in `directory`, made when there is none.

    before_commit  called before each transaction that makes instances exist; when it returns, all
                   payloads appended before are durable
    map_bytes      address space to begin with; it grows by itself
    """

    def __init__(
        self,
        directory: Path,
        *,
        before_commit: Callable[[], object],
        map_bytes: int = INITIAL_MAP_BYTES,
    ) -> None:
        self._environment = open_environment(directory, map_bytes=map_bytes)
        upgrade(self._environment)
        self._tables = self._environment.tables
        self._rows = StudyRows(self._tables)
        self._walks = StudyWalks(self._tables)
        # At which moment, asked with each search.
        self._counted: tuple[int, Counts] | None = None
        self._writer = LmdbWriter(self._environment, before_commit=before_commit)

    @property
    def commits(self) -> int:
        """Write transactions that this index has committed."""
        return self._writer.commits

    # Writing

    def apply(self, batch: Sequence[Landed], *, conflict: ConflictPolicy) -> list[Applied]:
        if not batch:
            return []
        prepared = [prepare(landed) for landed in batch]

        def work(writing: Writing) -> list[Applied]:
            return [writing.apply(one, conflict) for one in prepared]

        weight = sum(len(one.references) for one in prepared)
        return self._writer.do(work, weight=weight, needs_sync=True)

    def delete(self, scope: Scope) -> Deleted:
        return self._writer.do(lambda writing: writing.delete(scope), weight=200)

    def revise(self, revision: Revision) -> bool:
        prepared = prepare_revision(revision)
        weight = sum(len(one.references) for each in prepared.series for one in each.instances)
        return self._writer.do(
            lambda writing: writing.revise(prepared), weight=weight, needs_sync=True
        )

    def notes(self, *, after: str, limit: int) -> list[tuple[str, bytes]]:
        with (
            self._environment.read() as transaction,
            transaction.cursor(db=self._tables.notes) as cursor,
        ):
            if not cursor.set_range(after.encode() + b"\0"):
                return []
            return [(name.decode(), text) for name, text in islice(cursor, limit)]

    def relocate(self, moves: Sequence[Move]) -> int:
        return self._writer.do(lambda writing: writing.relocate(moves), weight=len(moves))

    def compact(self, key: SeriesKey) -> None:
        # Packing a series takes far longer than putting it in its place. It is done outside of the
        # transaction, and again when the series has changed meanwhile.
        while True:
            with self._environment.read() as transaction:
                state = self._state(transaction, key)
                folded = SeriesContent(transaction, self._tables, state.id).folded()
            fold = partial(Writing.fold, key=key, version=state.version, folded=folded)
            if self._writer.do(fold, weight=state.instance_count):
                return

    def retire(self, pack: int) -> bool:
        return self._writer.do(lambda writing: writing.retire(pack))

    def lease(self, name: str, holder: str, *, ttl_s: float) -> bool:
        return self._writer.do(lambda writing: writing.lease(name, holder, ttl_s))

    def release(self, name: str, holder: str) -> None:
        self._writer.do(lambda writing: writing.release(name, holder))

    # Reading

    def known(self, digests: Iterable[Digest]) -> set[Digest]:
        contents = self._tables.contents
        with self._environment.read() as transaction:
            return {
                digest for digest in digests if transaction.get(digest, db=contents) is not None
            }

    def places(self, digests: Sequence[Digest]) -> list[Place]:
        contents = self._tables.contents
        with self._environment.read() as transaction:
            records = [transaction.get(digest, db=contents) for digest in digests]
        found = []
        for digest, record in zip(digests, records, strict=True):
            if record is None:
                raise NotFound("content", digest.hex())
            found.append(content_of(record)[1])
        return found

    def instance(self, instance_uid: str) -> Instance | None:
        with self._environment.read() as transaction:
            holder = transaction.get(lookup_key(instance_uid), db=self._tables.instances)
            if holder is None:
                return None
            return SeriesContent(transaction, self._tables, holder).instance(instance_uid)

    def versions(self, instance_uid: str) -> list[Instance]:
        prefix = lookup_key(instance_uid) + b"\0"
        with self._environment.read() as transaction:
            earlier = beginning_with(transaction, self._tables.versions, prefix)
            return [instances_of(record)[0] for _, record in earlier]

    def version_of(self, key: SeriesKey) -> int:
        with self._environment.read() as transaction:
            version: int = SERIES_VERSION.unpack_from(self._state_record(transaction, key))[0]
            return version

    def moment(self) -> int:
        with self._environment.read() as transaction:
            number: int = transaction.id()
            return number

    def series_of(self, study_uid: str) -> list[SeriesKey]:
        with self._environment.read() as transaction:
            record = transaction.get(lookup_key(study_uid), db=self._tables.studies)
            if record is None:
                raise NotFound("study", study_uid)
            study_id = StudyState.of(record).id
            stored = beginning_with(transaction, self._tables.series_documents, study_id)
            series = [SeriesSays.of(record) for _, record in stored]
        series.sort(key=lambda one: (series_number(one.terms), one.uid))
        return [SeriesKey(study_uid, one.uid) for one in series]

    def manifest(self, key: SeriesKey) -> SeriesManifest:
        with self._environment.read() as transaction:
            state = self._state(transaction, key)
            instances = SeriesContent(transaction, self._tables, state.id).instances()
        return SeriesManifest(key, state.version, tuple(instances))

    def metadata(self, key: SeriesKey) -> SeriesMetadata:
        with self._environment.read() as transaction:
            state = self._state(transaction, key)
            uids, lengths, frames = SeriesContent(transaction, self._tables, state.id).metadata()
        return SeriesMetadata(key, state.version, tuple(uids), tuple(lengths), frames)

    def example(self, key: SeriesKey) -> bytes:
        with self._environment.read() as transaction:
            state = self._state(transaction, key)
            return SeriesContent(transaction, self._tables, state.id).example()

    def find(self, query: Query) -> Page:
        with self._environment.read() as transaction:
            return find(transaction, self._tables, query, rows_kept=self._rows, walks=self._walks)

    def changes(self, *, after: int, limit: int) -> list[Change]:
        found: list[Change] = []
        with (
            self._environment.read() as transaction,
            transaction.cursor(db=self._tables.changes) as cursor,
        ):
            if cursor.set_range(sequence_key(max(after, 0) + 1)):
                for key, record in cursor:
                    if len(found) >= limit:
                        break
                    entries = changes_of(record, int.from_bytes(key, "big"))
                    found += [change for change in entries if change.sequence > after]
        return found[: max(limit, 0)]

    def last_change(self) -> int:
        with self._environment.read() as transaction:
            return last_sequence(transaction, self._tables)

    def unsettled(self, *, quiet_since_us: int, limit: int) -> list[SeriesKey]:
        found: list[SeriesKey] = []
        with (
            self._environment.read() as transaction,
            transaction.cursor(db=self._tables.unsettled) as cursor,
        ):
            for key, record in cursor:
                if len(found) >= limit or int.from_bytes(key[:8], "big") > quiet_since_us:
                    break
                found.append(series_key_of(record))
        return found

    def pack_use(self) -> Mapping[int, PackUse]:
        use = {}
        with (
            self._environment.read() as transaction,
            transaction.cursor(db=self._tables.packs) as cursor,
        ):
            for key, record in cursor:
                pack = int.from_bytes(key, "big")
                live_bytes, live_blobs, _ = pack_of(record)
                if live_blobs:
                    use[pack] = PackUse(pack, live_bytes, live_blobs)
        return use

    def blobs(self) -> Iterator[tuple[Digest, Place, int]]:
        after = b""
        while True:
            step: list[tuple[bytes, bytes]] = []
            with (
                self._environment.read() as transaction,
                transaction.cursor(db=self._tables.contents) as cursor,
            ):
                if cursor.set_range(after + b"\0"):
                    step = list(islice(cursor, BLOBS_A_STEP))
            if not step:
                return
            for digest, record in step:
                references, place = content_of(record)
                yield Digest(digest), place, references
            after = step[-1][0]

    def counts(self) -> Counts:
        with self._environment.read() as transaction:
            known = self._counted
            if known is not None and known[0] == transaction.id():
                return known[1]
            totals = {name: counter_of(transaction, self._tables, name) for name in COUNTERS}
            forms = {
                form: counter_of(transaction, self._tables, form_counter(form)) for form in Form
            }
            counted = Counts(**totals, forms={form: n for form, n in forms.items() if n})
            self._counted = transaction.id(), counted
            return counted

    def warm(self, stop: Callable[[], bool]) -> int:
        return warm(self._environment.file, stop=stop)

    def check(self, report: Callable[[str], None]) -> None:
        check_index(self._environment, report)

    def close(self) -> None:
        self._writer.close()
        self._environment.close()

    def _state_record(self, transaction: Transaction, key: SeriesKey) -> bytes:
        """The state of a series, when it is in that study."""
        record = transaction.get(lookup_key(key.series_uid), db=self._tables.series)
        study = transaction.get(lookup_key(key.study_uid), db=self._tables.studies)
        # Both records begin with the study's id.
        if record is None or study is None or record[:ID_LENGTH] != study[:ID_LENGTH]:
            raise NotFound("series", key.series_uid)
        return record

    def _state(self, transaction: Transaction, key: SeriesKey) -> SeriesState:
        return SeriesState.of(self._state_record(transaction, key))
