"""Both contracts in dicts: the executable specification, and the engine of fast tests.

Where the contract's sentences leave something open, what this file does is what they mean:

- the data set of any kept version, present or earlier, makes the same data set a duplicate;
- what a deletion leaves of a study keeps its attributes until the last series has gone; counts
  and roll-ups follow at once;
- a deletion is one entry in the change feed, with "" for the levels its scope does not name;
- a content stored already keeps its place: a second payload of it is not referred to.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import xxhash
import zstandard

from storage.errors import Corrupt, InUse, NotFound
from storage.levels import fill_document, fill_terms, terms_of, union
from storage.model import (
    Applied,
    Buffer,
    Change,
    ChangeKind,
    ConflictPolicy,
    Counts,
    Deleted,
    Digest,
    Form,
    Instance,
    InstanceFacts,
    InstanceRow,
    Landed,
    Move,
    OneOf,
    PackInfo,
    PackUse,
    Page,
    Place,
    Query,
    QueryLevel,
    RevisedSeries,
    Revision,
    Row,
    Scope,
    SeriesKey,
    SeriesManifest,
    SeriesMetadata,
    SeriesRow,
    Stored,
    StudyRow,
)
from storage.searching import (
    STUDY_DATE,
    STUDY_TIME,
    UID_TAGS,
    Position,
    holds,
    position_of,
    series_number,
    study_rank,
    test_of,
    tests_by_level,
)


@dataclass(slots=True)
class _Pack:
    payloads: bytearray = field(default_factory=bytearray)
    records: list[tuple[Digest, Place]] = field(default_factory=list)
    landing: bool = False
    sealed: bool = False


class MemoryPackWriter:
    """A `PackWriter` whose pack is a byte array."""

    def __init__(self, number: int, pack: _Pack) -> None:
        self._number = number
        self._pack = pack

    def append(self, digest: Digest, payload: Buffer, *, form: Form, content_length: int) -> Place:
        place = Place(
            pack=self._number,
            offset=len(self._pack.payloads),
            length=len(payload),
            form=form,
            content_length=content_length,
            checksum=xxhash.xxh3_64_intdigest(payload),
        )
        self._pack.payloads += payload
        self._pack.records.append((digest, place))
        return place

    def sync(self) -> None:
        """Memory is as durable as it gets."""

    def seal(self) -> None:
        self._pack.sealed = True


class MemoryBlobStore:
    """A `BlobStore` that is gone with the process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._packs: dict[int, _Pack] = {}
        self._last_number = 0
        self._landing: MemoryPackWriter | None = None
        # Each with the number of the first `pending` context that cannot have appended to it.
        self._rolled: dict[MemoryPackWriter, int] = {}
        self._pending: set[int] = set()
        self._next_pending = 0
        self._appended_at = 0.0

    def append(self, digest: Digest, payload: Buffer, *, form: Form, content_length: int) -> Place:
        with self._lock:
            if self._landing is None:
                self._landing = self._begin(landing=True)
            self._appended_at = time.monotonic()
            return self._landing.append(digest, payload, form=form, content_length=content_length)

    def begin_sync(self, *, least_bytes: int = 0) -> None:
        """Nothing to begin."""

    def sync(self) -> None:
        """Memory is as durable as it gets."""

    def read(self, place: Place) -> bytes:
        payload = self.read_part(place, 0, place.length)
        if xxhash.xxh3_64_intdigest(payload) != place.checksum:
            raise Corrupt(f"pack {place.pack}", f"checksum of the payload at {place.offset}")
        return payload

    def read_into(self, place: Place, buffer: memoryview) -> None:
        buffer[:] = self.read(place)

    def read_ready(self, place: Place) -> Buffer | None:
        return self.read(place)

    def read_part(self, place: Place, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > place.length:
            raise ValueError(f"bytes {offset}+{length} of a payload of {place.length} bytes")
        with self._lock:
            payloads = self._pack(place.pack).payloads
            start = place.offset + offset
            part = bytes(payloads[start : start + length])
        if len(part) < length:
            raise Corrupt(f"pack {place.pack}", f"ends inside the payload at {place.offset}")
        return part

    @contextmanager
    def new_pack(self) -> Iterator[MemoryPackWriter]:
        with self._lock:
            writer = self._begin(landing=False)
        try:
            yield writer
        finally:
            writer.seal()

    @contextmanager
    def pending(self) -> Iterator[None]:
        with self._lock:
            number = self._next_pending
            self._next_pending += 1
            self._pending.add(number)
        try:
            yield
        finally:
            with self._lock:
                self._pending.discard(number)
                self._seal_rolled()

    def roll(self, *, idle_s: float = 0.0) -> None:
        with self._lock:
            if self._landing is not None and time.monotonic() - self._appended_at >= idle_s:
                self._rolled[self._landing] = self._next_pending
                self._landing = None
                self._seal_rolled()

    def _seal_rolled(self) -> None:
        oldest = min(self._pending, default=self._next_pending)
        for writer in [each for each, first in self._rolled.items() if first <= oldest]:
            self._rolled.pop(writer)
            writer.seal()

    def packs(self) -> Sequence[PackInfo]:
        with self._lock:
            return [
                PackInfo(
                    pack=number,
                    length=len(pack.payloads),
                    sealed=pack.sealed,
                    owned=not pack.sealed,
                    landing=pack.landing,
                )
                for number, pack in sorted(self._packs.items())
            ]

    def scan(self, pack: int) -> Iterator[tuple[Digest, Place]]:
        with self._lock:
            records = list(self._pack(pack).records)
        return iter(records)

    def digest_at(self, place: Place) -> Digest:
        with self._lock:
            for digest, written in self._pack(place.pack).records:
                if written == place:
                    return digest
        raise Corrupt(f"pack {place.pack}", f"nothing like that was written at {place.offset}")

    def remove(self, pack: int, *, given_up: Callable[[], bool]) -> bool:
        with self._lock:
            if pack not in self._packs:
                return True
            if not self._packs[pack].sealed:
                raise InUse(f"pack {pack}", "this process, which appends to it")
        # Nobody appends to a sealed pack again.
        if not given_up():
            return False
        with self._lock:
            self._packs.pop(pack, None)
        return True

    def close(self) -> None:
        self.roll()

    def _begin(self, *, landing: bool) -> MemoryPackWriter:
        self._last_number += 1
        pack = self._packs[self._last_number] = _Pack(landing=landing)
        return MemoryPackWriter(self._last_number, pack)

    def _pack(self, number: int) -> _Pack:
        if number not in self._packs:
            raise NotFound("pack", str(number))
        return self._packs[number]


@dataclass(slots=True)
class _Kept:
    """An instance as it is present, and the versions before it."""

    facts: InstanceFacts
    earlier: list[Instance]


@dataclass(slots=True)
class _Series:
    study: "_Study"
    uid: str
    terms: dict[str, tuple[str, ...]]
    document: bytes
    instances: dict[str, _Kept] = field(default_factory=dict)
    version: int = 0
    changed_us: int = 0
    compacted: bool = False

    def key(self) -> SeriesKey:
        return SeriesKey(self.study.uid, self.uid)

    def order(self) -> tuple[int, str]:
        return series_number(self.terms), self.uid

    def present(self) -> list[InstanceFacts]:
        """The instances in order."""
        facts = [kept.facts for kept in self.instances.values()]
        return sorted(facts, key=lambda one: (one.instance.number, one.instance.instance_uid))

    def row(self) -> SeriesRow:
        return SeriesRow(self.uid, self.document, len(self.instances), self.version)


@dataclass(slots=True)
class _Study:
    number: int
    uid: str
    terms: dict[str, tuple[str, ...]]
    document: bytes
    series: dict[str, _Series] = field(default_factory=dict)
    version: int = 0

    def rank(self) -> bytes:
        date, time_ = (self.terms.get(tag, ("",))[0] for tag in (STUDY_DATE, STUDY_TIME))
        return study_rank(date, time_, self.number)

    def in_order(self) -> list[_Series]:
        return sorted(self.series.values(), key=_Series.order)

    def rollup(self) -> dict[str, tuple[str, ...]]:
        return union(
            kept.facts.rollup
            for series in self.series.values()
            for kept in series.instances.values()
        )

    def row(self) -> StudyRow:
        return StudyRow(
            study_uid=self.uid,
            document=self.document,
            rollup=self.rollup(),
            series_count=len(self.series),
            instance_count=sum(len(series.instances) for series in self.series.values()),
            version=self.version,
        )


class MemoryIndex:
    """An `Index` that is gone with the process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._studies: dict[str, _Study] = {}
        self._series: dict[str, _Series] = {}
        self._instances: dict[str, _Series] = {}
        self._contents: dict[Digest, Place] = {}
        self._references: Counter[Digest] = Counter()
        self._changes: list[Change] = []
        self._studies_ever = 0
        self._retired: set[int] = set()
        self._leases: dict[str, tuple[str, float]] = {}
        self._notes: dict[str, bytes] = {}
        self._moments = itertools.count(1)

    # Writing

    def apply(self, batch: Sequence[Landed], *, conflict: ConflictPolicy) -> list[Applied]:
        with self._lock:
            return [self._apply(landed, conflict) for landed in batch]

    def _apply(self, landed: Landed, conflict: ConflictPolicy) -> Applied:
        facts = landed.facts
        instance = facts.instance
        holder = self._instances.get(instance.instance_uid)
        kept = holder.instances[instance.instance_uid] if holder else None
        present = kept.facts.instance if kept else None
        series = self._series.get(instance.series_uid)
        if kept and any(_same(version, instance) for version in kept.earlier):
            return Applied(Stored.DUPLICATE, present)
        if (holder and holder is not series) or (series and series.study.uid != instance.study_uid):
            return Applied(Stored.MISPLACED, present)
        if kept and any(
            version.dataset_digest == instance.dataset_digest
            for version in (kept.facts.instance, *kept.earlier)
        ):
            return Applied(Stored.DUPLICATE, present)
        if kept and conflict is ConflictPolicy.REFUSE:
            return Applied(Stored.CONFLICT, present)
        wanted = (instance.skeleton, *instance.blobs)
        if any(place.pack in self._retired for place in landed.places.values()):
            return Applied(Stored.MISSING_CONTENT)
        if any(one not in self._contents and one not in landed.places for one in wanted):
            return Applied(Stored.MISSING_CONTENT)

        for digest in wanted:
            self._contents.setdefault(digest, landed.places.get(digest) or self._contents[digest])
            self._references[digest] += 1
        series = self._speak(facts)
        if kept is None:
            outcome = Stored.NEW
            series.instances[instance.instance_uid] = _Kept(facts, [])
        elif conflict is ConflictPolicy.KEEP_BOTH:
            outcome = Stored.VERSIONED
            kept.earlier.append(kept.facts.instance)
            kept.facts = facts
        else:
            outcome = Stored.REPLACED
            self._unreference(kept.facts.instance)
            kept.facts = facts
        self._instances[instance.instance_uid] = series
        kind = ChangeKind.STORED if outcome is Stored.NEW else ChangeKind.REPLACED
        scope = Scope(instance.study_uid, instance.series_uid, instance.instance_uid)
        return Applied(outcome, present, self._change(kind, scope))

    def _speak(self, facts: InstanceFacts) -> _Series:
        """The series of the instance, which adds what its study and series have not said yet."""
        study_uid, series_uid = facts.instance.study_uid, facts.instance.series_uid
        study_terms = terms_of(QueryLevel.STUDY, study_uid, facts.study_level.terms)
        series_terms = terms_of(QueryLevel.SERIES, series_uid, facts.series_level.terms)
        study = self._studies.get(study_uid)
        if study is None:
            self._studies_ever += 1
            study = _Study(self._studies_ever, study_uid, study_terms, facts.study_level.document)
            self._studies[study_uid] = study
        study.terms = fill_terms(study.terms, study_terms)
        study.document = fill_document(study.document, facts.study_level.document)
        series = study.series.get(series_uid)
        if series is None:
            series = _Series(study, series_uid, series_terms, facts.series_level.document)
            study.series[series_uid] = self._series[series_uid] = series
        series.terms = fill_terms(series.terms, series_terms)
        series.document = fill_document(series.document, facts.series_level.document)
        return series

    def delete(self, scope: Scope) -> Deleted:
        with self._lock:
            study = self._study(scope.study_uid)
            chosen = list(study.series.values())
            if scope.series_uid is not None:
                chosen = [self._one(SeriesKey(scope.study_uid, scope.series_uid))]
            only = scope.instance_uid
            if only is not None and not any(only in series.instances for series in chosen):
                raise NotFound("instance", only)
            freed = instances = emptied = 0
            for series in chosen:
                for uid in [only] if only is not None else list(series.instances):
                    kept = series.instances.pop(uid, None)
                    if kept is None:
                        continue
                    del self._instances[uid]
                    instances += 1
                    for version in (kept.facts.instance, *kept.earlier):
                        freed += self._unreference(version)
                if not series.instances:
                    del study.series[series.uid], self._series[series.uid]
                    emptied += 1
            if not study.series:
                del self._studies[study.uid]
            self._change(ChangeKind.DELETED, scope)
            return Deleted(int(not study.series), emptied, instances, freed)

    def revise(self, revision: Revision) -> bool:
        with self._lock:
            found = [(self._one(each.key), each) for each in revision.series]
            target = self._studies.get(revision.study_uid)
            if target is None and (revision.version is not None or revision.level is None):
                return False
            if target is not None and revision.version not in (None, target.version):
                return False
            for series, revised in found:
                if series.version != revised.version or not self._can(series, revised):
                    return False
            if target is None:
                self._studies_ever += 1
                target = _Study(self._studies_ever, revision.study_uid, {}, b"{}")
                self._studies[target.uid] = target
            if revision.level is not None:
                level = revision.level
                target.terms = terms_of(QueryLevel.STUDY, target.uid, level.terms)
                target.document = level.document
            for series, revised in found:
                self._revise(target, series, revised)
            self._notes.update(revision.notes)
            return True

    def _can(self, series: _Series, revised: RevisedSeries) -> bool:
        """Whether these are its instances, and their contents are there or given."""
        uids = {one.facts.instance.instance_uid for one in revised.landed}
        given = [place for landed in revised.landed for place in landed.places.values()]
        return (
            uids == series.instances.keys()
            and not any(place.pack in self._retired for place in given)
            and all(
                one in self._contents or one in landed.places
                for landed in revised.landed
                for one in _parts(landed)
            )
        )

    def _revise(self, target: _Study, series: _Series, revised: RevisedSeries) -> None:
        source = series.study
        if source is not target:
            del source.series[series.uid]
            target.series[series.uid] = series
            series.study = target
        series.terms = terms_of(QueryLevel.SERIES, series.uid, revised.level.terms)
        series.document = revised.level.document
        for landed in revised.landed:
            facts = landed.facts
            kept = series.instances[facts.instance.instance_uid]
            before, kept.facts = kept.facts.instance, facts
            if before == facts.instance:
                continue
            kept.earlier.append(before)
            for digest in _parts(landed):
                self._contents.setdefault(
                    digest, landed.places.get(digest) or self._contents[digest]
                )
                self._references[digest] += 1
            scope = Scope(target.uid, series.uid, facts.instance.instance_uid)
            sequence = self._change(ChangeKind.EDITED, scope)
            source.version = sequence
        if not source.series:
            del self._studies[source.uid]

    def notes(self, *, after: str, limit: int) -> list[tuple[str, bytes]]:
        with self._lock:
            return sorted(each for each in self._notes.items() if each[0] > after)[:limit]

    def _unreference(self, instance: Instance) -> int:
        """Drops the references of a version; returns the payload bytes nobody wants any more."""
        freed = 0
        for digest in (instance.skeleton, *instance.blobs):
            self._references[digest] -= 1
            if not self._references[digest]:
                del self._references[digest]
                freed += self._contents.pop(digest).length
        return freed

    def _change(self, kind: ChangeKind, scope: Scope) -> int:
        sequence = len(self._changes) + 1
        at_us = time.time_ns() // 1000
        series_uid, instance_uid = scope.series_uid or "", scope.instance_uid or ""
        self._changes.append(
            Change(sequence, kind, at_us, scope.study_uid, series_uid, instance_uid)
        )
        study = self._studies.get(scope.study_uid)
        if study:
            study.version = sequence
            series = study.series.get(series_uid)
            if series:
                series.version, series.changed_us, series.compacted = sequence, at_us, False
        return sequence

    def relocate(self, moves: Sequence[Move]) -> int:
        with self._lock:
            moved = 0
            for move in moves:
                known = self._contents.get(move.digest) == move.old
                if known and move.new.pack not in self._retired:
                    self._contents[move.digest] = move.new
                    moved += 1
            return moved

    def compact(self, key: SeriesKey) -> None:
        with self._lock:
            self._one(key).compacted = True

    # Reading

    def known(self, digests: Iterable[Digest]) -> set[Digest]:
        with self._lock:
            return {digest for digest in digests if digest in self._contents}

    def places(self, digests: Sequence[Digest]) -> list[Place]:
        with self._lock:
            for digest in digests:
                if digest not in self._contents:
                    raise NotFound("content", digest.hex())
            return [self._contents[digest] for digest in digests]

    def instance(self, instance_uid: str) -> Instance | None:
        with self._lock:
            series = self._instances.get(instance_uid)
            return series.instances[instance_uid].facts.instance if series else None

    def versions(self, instance_uid: str) -> list[Instance]:
        with self._lock:
            series = self._instances.get(instance_uid)
            return list(series.instances[instance_uid].earlier) if series else []

    def version_of(self, key: SeriesKey) -> int:
        with self._lock:
            return self._one(key).version

    def moment(self) -> int:
        return next(self._moments)

    def series_of(self, study_uid: str) -> list[SeriesKey]:
        with self._lock:
            return [series.key() for series in self._study(study_uid).in_order()]

    def manifest(self, key: SeriesKey) -> SeriesManifest:
        with self._lock:
            series = self._one(key)
            instances = tuple(facts.instance for facts in series.present())
            return SeriesManifest(key, series.version, instances)

    def metadata(self, key: SeriesKey) -> SeriesMetadata:
        with self._lock:
            series = self._one(key)
            present = series.present()
            version = series.version
        return SeriesMetadata(
            key=key,
            version=version,
            instance_uids=tuple(facts.instance.instance_uid for facts in present),
            lengths=tuple(len(facts.metadata) for facts in present),
            zstd=zstandard.compress(b"[" + b",".join(one.metadata for one in present) + b"]"),
        )

    def example(self, key: SeriesKey) -> bytes:
        with self._lock:
            return self._one(key).present()[0].metadata

    def find(self, query: Query) -> Page:
        after = position_of(query.after, query.level) if query.after is not None else None
        with self._lock:
            matching = sorted(self._matching(query), key=lambda found: _order(found[0]))
        rest = [
            (position, row)
            for position, row in matching
            if after is None or _order(position) > _order(after)
        ]
        rest = rest[query.offset :]
        page = rest if query.limit is None else rest[: query.limit]
        more = len(page) < len(rest)
        return Page(
            rows=tuple(row for _, row in page),
            total=len(matching) if query.count else None,
            more=more,
            next=(page[-1][0].cursor() if page else query.after) if more else None,
        )

    def _matching(self, query: Query) -> Iterator[tuple[Position, Row]]:
        tests = tests_by_level(query.conditions)
        for level, uid in (
            (QueryLevel.STUDY, query.study_uid),
            (QueryLevel.SERIES, query.series_uid),
        ):
            if uid is not None:
                tests[level].append(test_of(OneOf(level, UID_TAGS[level], (uid,))))
        for study in self._studies.values():
            if not holds(tests[QueryLevel.STUDY], {**study.terms, **study.rollup()}):
                continue
            if query.level is QueryLevel.STUDY:
                yield Position(study.rank()), Row(study.row())
                continue
            for series in study.series.values():
                if not holds(tests[QueryLevel.SERIES], series.terms):
                    continue
                if query.level is QueryLevel.SERIES:
                    yield Position(study.rank(), series.order()), Row(study.row(), series.row())
                    continue
                for facts in series.present():
                    one = facts.instance
                    uid = one.instance_uid
                    terms = terms_of(QueryLevel.INSTANCE, uid, facts.instance_level.terms)
                    if holds(tests[QueryLevel.INSTANCE], terms):
                        position = Position(study.rank(), series.order(), (one.number, uid))
                        row = InstanceRow(
                            instance_uid=uid,
                            document=facts.instance_level.document,
                            transfer_syntax_uid=one.transfer_syntax_uid,
                            frame_count=one.frames.count,
                            file_length=one.file_length,
                        )
                        yield position, Row(study.row(), series.row(), row)

    def changes(self, *, after: int, limit: int) -> list[Change]:
        with self._lock:
            first = max(after, 0)
            return self._changes[first : first + limit]

    def last_change(self) -> int:
        with self._lock:
            return len(self._changes)

    def unsettled(self, *, quiet_since_us: int, limit: int) -> list[SeriesKey]:
        with self._lock:
            waiting = [
                series
                for series in self._series.values()
                if not series.compacted and series.changed_us <= quiet_since_us
            ]
            waiting.sort(key=lambda series: series.version)
            return [series.key() for series in waiting[:limit]]

    def pack_use(self) -> Mapping[int, PackUse]:
        with self._lock:
            live_bytes: Counter[int] = Counter()
            live_blobs: Counter[int] = Counter()
            for place in self._contents.values():
                live_bytes[place.pack] += place.length
                live_blobs[place.pack] += 1
            return {
                pack: PackUse(pack, live_bytes[pack], blobs)
                for pack, blobs in sorted(live_blobs.items())
            }

    def retire(self, pack: int) -> bool:
        with self._lock:
            if pack in self.pack_use():
                return False
            self._retired.add(pack)
            return True

    def blobs(self) -> Iterator[tuple[Digest, Place, int]]:
        with self._lock:
            kept = sorted(self._contents.items())
            references = dict(self._references)
        for digest, place in kept:
            yield digest, place, references[digest]

    def counts(self) -> Counts:
        with self._lock:
            places = self._contents.values()
            return Counts(
                studies=len(self._studies),
                series=len(self._series),
                instances=len(self._instances),
                blobs=len(places),
                content_bytes=sum(place.content_length for place in places),
                payload_bytes=sum(place.length for place in places),
                forms=dict(Counter(place.form for place in places)),
            )

    def lease(self, name: str, holder: str, *, ttl_s: float) -> bool:
        with self._lock:
            now = time.monotonic()
            owner, until = self._leases.get(name, (holder, now))
            if owner != holder and until > now:
                return False
            self._leases[name] = (holder, now + ttl_s)
            return True

    def release(self, name: str, holder: str) -> None:
        with self._lock:
            if self._leases.get(name, (None, 0.0))[0] == holder:
                del self._leases[name]

    def warm(self, stop: Callable[[], bool]) -> int:
        return 0

    def check(self, report: Callable[[str], None]) -> None:
        """Only the references are kept twice here."""
        with self._lock:
            counted: Counter[Digest] = Counter()
            for uid, series in self._instances.items():
                kept = series.instances[uid]
                for version in (kept.facts.instance, *kept.earlier):
                    counted.update((version.skeleton, *version.blobs))
            for digest in counted.keys() | self._references.keys():
                if counted[digest] != self._references[digest]:
                    report(
                        f"content {digest.hex()} has {self._references[digest]} references "
                        f"on record, {counted[digest]} in fact"
                    )

    def close(self) -> None:
        """Nothing to give back."""

    def _study(self, uid: str) -> _Study:
        if uid not in self._studies:
            raise NotFound("study", uid)
        return self._studies[uid]

    def _one(self, key: SeriesKey) -> _Series:
        series = self._series.get(key.series_uid)
        if series is None or series.study.uid != key.study_uid:
            raise NotFound("series", key.series_uid)
        return series


def _same(version: Instance, instance: Instance) -> bool:
    """Whether it is sent again as it was once stored, wherever a revision has moved it since."""
    return (version.study_uid, version.series_uid, version.dataset_digest) == (
        instance.study_uid,
        instance.series_uid,
        instance.dataset_digest,
    )


def _parts(landed: Landed) -> tuple[Digest, ...]:
    return landed.facts.instance.skeleton, *landed.facts.instance.blobs


def _order(position: Position) -> tuple[object, ...]:
    return position.rank, position.series or (), position.instance or ()
