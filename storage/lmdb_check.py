"""Compares everything the index keeps twice, and says each difference in a sentence.

One moment's state is read from end to end. When the map must grow meanwhile, which waits for every
reader, the check gives way and begins again.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import orjson
import zstandard

from storage.levels import union
from storage.lmdb_environment import Environment, Transaction
from storage.lmdb_postings import name_grams, posting_keys
from storage.lmdb_records import (
    InstanceColumns,
    Row,
    SeriesSays,
    SeriesState,
    StudyState,
    changes_of,
    content_of,
    instances_of,
    lookup_key,
    pack_of,
    tupled,
    uid_of,
)
from storage.lmdb_series import SeriesContent, beginning_with, metadata_of, positions_of
from storage.lmdb_transaction import (
    COUNTERS,
    counter_of,
    form_counter,
    rank_of,
)
from storage.model import Form, Instance

CONTENTS_A_PASS = 1_000_000
"""References are counted for so many contents at a time, some 150 MB; more take more passes."""
FINDINGS_KEPT = 10_000


class _GaveWay(Exception):
    pass


def check_index(environment: Environment, report: Callable[[str], None]) -> None:
    """Reports each difference; nothing when all agrees."""
    while True:
        findings: list[str] = []
        try:
            with environment.read() as transaction:
                _Check(environment, transaction, findings).everything()
            break
        except _GaveWay:
            continue
    for finding in findings[:FINDINGS_KEPT]:
        report(finding)
    if len(findings) > FINDINGS_KEPT:
        report(f"and {len(findings) - FINDINGS_KEPT} more")


class _Check:
    def __init__(
        self, environment: Environment, transaction: Transaction, findings: list[str]
    ) -> None:
        self._environment = environment
        self._tables = environment.tables
        self._transaction = transaction
        self._found = findings
        self._seen: Counter[str] = Counter()
        self._newest = 0

    def everything(self) -> None:
        for key, record in self._all("studies"):
            with self._readable(f"study {uid_of(key)}"):
                self._study(uid_of(key), StudyState.of(record))
        self._backwards()
        self._names()
        self._contents()
        self._changes()
        for counter in (*COUNTERS, *(form_counter(form) for form in Form)):
            kept = counter_of(self._transaction, self._tables, counter)
            self._same(f"the counter {counter}", kept, self._seen[counter])

    def _same(self, what: str, kept: object, found: object) -> None:
        if kept != found:
            self._found.append(f"{what} is {kept!r} on record, {found!r} in fact")

    def _all(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        with self._transaction.cursor(db=getattr(self._tables, table)) as cursor:
            for item in cursor:
                if self._environment.gate.wanted:
                    raise _GaveWay
                yield item

    @contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        """Makes a finding of what goes wrong when records are taken apart."""
        try:
            yield
        except (ValueError, LookupError, TypeError, struct.error, zstandard.ZstdError) as error:
            self._found.append(f"{what} cannot be read: {error}")

    def _length(self, table: str) -> int:
        return self._transaction.stat(getattr(self._tables, table))["entries"]

    # Studies, series, instances

    def _study(self, uid: str, state: StudyState) -> None:
        self._seen["studies"] += 1
        transaction, tables = self._transaction, self._tables
        name = f"study {uid}"
        record = transaction.get(state.rank, db=tables.ranks)
        if record is None:
            self._found.append(f"{name} is not among the studies by date")
            return
        if transaction.get(state.id, db=tables.study_documents) is None:
            self._found.append(f"{name} has no document")
        terms, rollup = (tupled(part) for part in orjson.loads(record))
        rank = rank_of(terms, int.from_bytes(state.id, "big"))
        self._same(f"{name}: the rank", state.rank.hex(), rank.hex())
        for key in posting_keys(terms, rollup):
            self._seen["postings"] += 1
            with transaction.cursor(db=tables.postings) as cursor:
                if not cursor.set_key_dup(key, state.rank):
                    self._found.append(f"{name} is not on the list of {key!r}")
        series_count = instance_count = 0
        rollups = []
        for key, said in beginning_with(transaction, tables.series_documents, state.id):
            series_count += 1
            with self._readable(f"{name}: the series with id {key.hex()}"):
                instance_count += self._series(uid, key, said)
                rollups += [one for one, _ in SeriesSays.of(said).rollups]
        self._same(f"{name}: series", state.series_count, series_count)
        self._same(f"{name}: instances", state.instance_count, instance_count)
        self._same(f"{name}: roll-up", rollup, union(rollups))

    def _series(self, study_uid: str, key: bytes, record: bytes) -> int:
        """Returns how many instances it has."""
        says = SeriesSays.of(record)
        self._seen["series"] += 1
        transaction, tables = self._transaction, self._tables
        name = f"series {says.uid}"
        self._same(f"{name}: study", says.study_uid, study_uid)
        state_record = transaction.get(lookup_key(says.uid), db=tables.series)
        if state_record is None:
            self._found.append(f"{name} has no state")
            return 0
        state = SeriesState.of(state_record)
        self._same(f"{name}: id", (state.study_id + state.id).hex(), key.hex())
        waits = transaction.get(state.unsettled_key(), db=tables.unsettled) is not None
        self._same(f"{name}: waits to be compacted", waits, state.unsettled)
        self._newest = max(self._newest, state.version)
        self._seen["unsettled"] += state.unsettled
        content = SeriesContent(transaction, tables, state.id)
        self._seen["rows"] += len(content.rows)
        self._seen["manifests"] += content.columns is not None
        self._seen["gone"] += bool(content.gone)
        instances = content.instances()
        self._same(f"{name}: instances", state.instance_count, len(instances))
        for instance in instances:
            self._instance(name, instance, state.id)
        uids = [instance.instance_uid for instance in instances]
        there = content.says()
        self._same(f"{name}: what instances say", [one.uid for one in there], uids)
        rollups = Counter(orjson.dumps(one.rollup) for one in there)
        kept = Counter({orjson.dumps(rollup): count for rollup, count in says.rollups})
        self._same(f"{name}: roll-ups", kept, rollups)
        self._metadata(name, state.id, content)
        return len(instances)

    def _instance(self, series: str, instance: Instance, series_id: bytes) -> None:
        self._seen["instances"] += 1
        uid = instance.instance_uid
        holder = self._transaction.get(lookup_key(uid), db=self._tables.instances)
        if holder != series_id:
            self._found.append(f"instance {uid} of {series} is not found by its UID")

    def _metadata(self, name: str, series_id: bytes, content: SeriesContent) -> None:
        record = self._transaction.get(series_id, db=self._tables.metadata)
        if record is None or content.columns is None:
            self._same(f"{name}: metadata of a manifest", record is None, content.columns is None)
            return
        lengths, frame = metadata_of(record)
        self._same(f"{name}: metadata of a manifest", len(lengths), len(content.columns.uids))
        with zstandard.ZstdDecompressor().stream_reader(frame) as reader:
            length = sum(len(piece) for piece in iter(partial(reader.read, 1 << 20), b""))
        self._same(f"{name}: bytes of metadata", sum(lengths) + len(lengths) + 1, length)
        outside = [at for at in content.gone if at >= len(lengths)]
        self._same(f"{name}: positions beyond its manifest", outside, [])

    def _backwards(self) -> None:
        """Nothing is on record that nobody has: with the same number on both sides, and one side
        wholly in the other, the two are the same."""
        for table, counted in (
            ("ranks", "studies"),
            ("study_documents", "studies"),
            ("series", "series"),
            ("series_documents", "series"),
            ("instances", "instances"),
            ("postings", "postings"),
            ("rows", "rows"),
            ("manifests", "manifests"),
            ("levels", "manifests"),
            ("metadata", "manifests"),
            ("gone", "gone"),
            ("unsettled", "unsettled"),
        ):
            self._same(f"the length of {table}", self._length(table), self._seen[counted])
        for key, _ in self._all("versions"):
            uid = key[:-9]
            if self._transaction.get(uid, db=self._tables.instances) is None:
                self._found.append(f"an earlier version of {uid_of(uid)}, which is gone, is kept")

    def _names(self) -> None:
        grams = 0
        for name, number in self._all("names"):
            self._same(
                f"the name numbered {int.from_bytes(number, 'big')}",
                self._transaction.get(number, db=self._tables.name_numbers),
                name,
            )
            if self._transaction.get(b"N" + name, db=self._tables.postings) is None:
                self._found.append(f"nobody has the name {name!r}")
            for gram in name_grams(name):
                grams += 1
                with self._transaction.cursor(db=self._tables.grams) as cursor:
                    if not cursor.set_key_dup(gram, number):
                        self._found.append(f"{name!r} is not found by {gram!r}")
        self._same("the length of grams", self._length("grams"), grams)
        names = self._length("names")
        self._same("the length of name_numbers", self._length("name_numbers"), names)
        with self._transaction.cursor(db=self._tables.postings) as cursor:
            listed = 0
            there = cursor.set_range(b"N")
            while there and cursor.key().startswith(b"N"):
                listed += 1
                there = cursor.next_nodup()
        self._same("the number of names", names, listed)

    # Contents and changes

    def _contents(self) -> None:
        passes = 1 + self._length("contents") // CONTENTS_A_PASS
        packs: Counter[tuple[int, str]] = Counter()
        for number in range(passes):
            counted = self._references(number, passes)
            for digest, record in self._all("contents"):
                if digest[0] % passes != number:
                    continue
                references, place = content_of(record)
                self._same(
                    f"content {digest.hex()}: references", references, counted.pop(digest, 0)
                )
                packs[place.pack, "bytes"] += place.length
                packs[place.pack, "blobs"] += 1
                self._seen["blobs"] += 1
                self._seen["content_bytes"] += place.content_length
                self._seen["payload_bytes"] += place.length
                self._seen[form_counter(place.form)] += 1
            self._found += [
                f"content {digest.hex()} is referred to {times} times and not stored"
                for digest, times in counted.items()
            ]
        for key, record in self._all("packs"):
            pack = int.from_bytes(key, "big")
            live_bytes, live_blobs, retired = pack_of(record)
            self._same(f"pack {pack}: is on record", True, bool(live_blobs or retired))
            self._same(f"pack {pack}: live bytes", live_bytes, packs.pop((pack, "bytes"), 0))
            self._same(f"pack {pack}: live blobs", live_blobs, packs.pop((pack, "blobs"), 0))
        self._found += [f"pack {pack} is used and not on record" for pack, _ in packs]

    def _references(self, number: int, passes: int) -> Counter[bytes]:
        """How often each content of this pass is referred to."""
        counted: Counter[bytes] = Counter()
        for instance in self._instances():
            counted.update(
                digest
                for digest in (instance.skeleton, *instance.blobs)
                if digest[0] % passes == number
            )
        return counted

    def _instances(self) -> Iterator[Instance]:
        """Every version of every instance."""
        for series_id, record in self._all("manifests"):
            with self._readable(f"the manifest of the series with id {series_id.hex()}"):
                gone = positions_of(self._transaction.get(series_id, b"", db=self._tables.gone))
                columns = InstanceColumns(record)
                yield from columns.at(at for at in range(len(columns.uids)) if at not in gone)
        for key, record in self._all("rows"):
            with self._readable(f"the row {key.hex()}"):
                yield Row.of(record).the_instance()
        for key, record in self._all("versions"):
            with self._readable(f"the earlier version {key.hex()}"):
                yield from instances_of(record)

    def _changes(self) -> None:
        before = 0
        for key, record in self._all("changes"):
            last = int.from_bytes(key, "big")
            with self._readable(f"the changes up to {last}"):
                first = changes_of(record, last)[0].sequence
                self._same(f"the change before {first}", first - 1, before)
            before = last
        self._same("the newest version of a series", max(before, self._newest), before)
